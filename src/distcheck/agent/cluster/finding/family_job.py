"""One MPIJob: mpi-operator's labels (`v2beta1/constants.go`), or training-operator's."""

from collections.abc import Iterator

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.labelled import (
    gone,
    gpus_of_first,
    template_gpus,
    whole_number,
)
from distcheck.agent.cluster.finding.members import labels_of, living
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Absent, Owner, Roster, Size, name_of
from distcheck.agent.cluster.kinds import MPIJOB
from distcheck.agent.cluster.podspec import containers, environment

_JOB_ROLE, _JOB_TYPE = "training.kubeflow.org/job-role", "training.kubeflow.org/replica-type"


def leads_job(pod: Object) -> bool:
    """Whether `pod` is the launcher (mpi-operator's role, training-operator's type)."""
    labels = labels_of(pod)
    return (labels.get(_JOB_ROLE) or labels.get(_JOB_TYPE, "")).lower() in ("launcher", "master")


def job_roster(look: Namespace, name: str, pods: list[Object]) -> Roster:
    """One MPIJob: the launcher, which often has no GPU, and its workers."""
    mine = living(pods) or pods
    launcher = next((p for p in mine if leads_job(p)), None)
    found = look.seek(MPIJOB, name)
    if found is None:
        size = _job_size(name, mine)
        return Roster(launcher, tuple(mine), "", size, (), gone(pods, mine))
    absent = tuple(_absent(name, found.get("spec") or {}, {name_of(p) for p in mine}, launcher))
    size = Size(len(mine) + len(absent), f"mpiReplicaSpecs of mpijob/{name}")
    return Roster(launcher, tuple(mine), "", size, absent, gone(pods, mine))


def _absent(name: str, spec: Object, have: set[str], launcher: Object | None) -> Iterator[Absent]:
    """Launcher and workers by the names that mpi-operator gives them."""
    specs = spec.get("mpiReplicaSpecs") or {}
    if launcher is None and "Launcher" in specs:
        later = spec.get("launcherCreationPolicy") == "WaitForWorkersReady"
        waits = "the launcher is made when all workers are ready" if later else ""
        yield Absent(f"{name}-launcher", Owner("Job", f"{name}-launcher"), 0, waits)
    worker = specs.get("Worker") or {}
    for index in range(whole_number(worker.get("replicas")) or 0):
        if (own := f"{name}-worker-{index}") not in have:
            yield Absent(own, Owner("MPIJob", name), template_gpus(worker))


def _job_size(name: str, mine: list[Object]) -> Size:
    """Without the MPIJob: what NIM was told of its nodes, and launchers that have no GPU."""
    told = (environment(c).get("NIM_NUM_COMPUTE_NODES") for p in mine for c in containers(p))
    count = next((n for n in map(whole_number, told) if n), None)
    if count is None:
        return Size(None, f"mpijob/{name} could not be read")
    beside = sum(not gpus_of_first([p]) for p in mine)
    return Size(count + beside, f"NIM_NUM_COMPUTE_NODES of the pods of mpijob/{name}")
