"""CONF054: variables of the launcher that no rank gets."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from distcheck.checks.manifest.container import Container, Variable
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.mpi_words import exported, inner_words, mpi_words
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.whole_name import has_name

_READ_BY_RANKS = ("NCCL_", "GLOO_", "UCX_", "FI_")
_OTHERWISE = ("mca_base_env_list", "--tune", "-am", "--am", "-genv", "/etc/environment")
_QUIET = "NCCL_DEBUG"


@rule("CONF054", level="warning", others=("hint",))
def mpi_ranks_are_told(group: Group) -> Iterator[Finding]:
    """Variables of an MPIJob's launcher are given to its ranks.

    What:
        The launcher's `env` has NCCL_*, GLOO_*, UCX_* or FI_* variables, its workers have not, and
        `mpirun` has no `-x` for them. A hint where it is NCCL_DEBUG alone.
    Why:
        The ranks run on the workers, where they are started over SSH: Open MPI gives them what
        `-x` names, and the launcher's other variables stay with it. NCCL chooses by itself there.
    Fix:
        Add `-x NAME` for each to mpirun.
    Fails:
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata: {name: trtllm}
        spec:
          slotsPerWorker: 8
          mpiReplicaSpecs:
            Launcher:
              template:
                spec:
                  containers:
                  - name: launcher
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    env: [{name: NCCL_SOCKET_IFNAME, value: eth0}]
                    command: [mpirun, -np, "16", trtllm-llmapi-launch, trtllm-serve, /m]
            Worker:
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata: {name: trtllm}
        spec:
          slotsPerWorker: 8
          mpiReplicaSpecs:
            Launcher:
              template:
                spec:
                  containers:
                  - name: launcher
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    env: [{name: NCCL_SOCKET_IFNAME, value: eth0}]
                    command: [mpirun, -np, "16", -x, NCCL_SOCKET_IFNAME, trtllm-llmapi-launch,
                      trtllm-serve, /m]
            Worker:
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                    volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                  volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata: {name: trtllm}
        spec:
          slotsPerWorker: 8
          mpiReplicaSpecs:
            Launcher:
              template:
                spec:
                  containers:
                  - name: launcher
                    image: r.io/ours/trtllm:1
                    env: [{name: NCCL_SOCKET_IFNAME, value: eth0}]
                    command: [/opt/launch.sh]
            Worker:
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: r.io/ours/trtllm:1
                    resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        Open MPI: mpirun(1), "Exported Environment Variables";
        opendatahub-io/distributed-workloads#751 (variables of the launcher alone).
    """
    leader = group.leader.template
    other = leader.owner_place.text("spec", "mpiImplementation") not in ("", "OpenMPI")
    if leader.kind != "MPIJob" or other or not group.workers:
        return
    workers = {v.name for m in group.workers for c in m.template.containers for v in c.env}
    open_ = any(c.may_have_more for m in group.workers for c in m.template.containers)
    for container in leader.containers if not open_ else ():
        lost = [v for v in _lost(container) if v.name not in workers]
        if lost:
            first = next((v for v in lost if v.name != _QUIET), lost[0])
            names = ", ".join(dict.fromkeys(v.name for v in lost))
            level: Level | None = "hint" if first.name == _QUIET else None
            says = f"{names} of the launcher: mpirun does not give {_it(lost)} to its ranks"
            fix = f"Add {' '.join(f'`-x {v.name}`' for v in lost[:3])} to mpirun."
            yield Finding(first.place.at("name").spot, says, fix, level=level)


def _it(lost: list[Variable]) -> str:
    return "it" if len(lost) == 1 else "them"


def _lost(container: Container) -> Iterator[Variable]:
    """Those that ranks read, and that no word of mpirun passes on."""
    told = container.script
    starts = any(mpi_words(c.words) for c in container.commands)
    if (
        not starts
        or any(w in told for w in _OTHERWISE)
        or any(v.name.startswith(("OMPI_MCA_mca_base_env_list", "PRTE_MCA")) for v in container.env)
    ):
        return
    passed = exported(container)
    inner = " ".join(w for c in container.commands for w in inner_words(c.words))
    for variable in container.named(*_READ_BY_RANKS):
        name = variable.name
        told_so = "$" in told or has_name(told, f"-x {name}") or f"{name}=" in inner
        if not (told_so or variable.given or any(fnmatchcase(name, p) for p in passed)):
            yield variable
