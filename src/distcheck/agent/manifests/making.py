"""What each kind makes: pod templates, and how many pods of them."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from distcheck.agent.manifests.kinds import CONTAINER, NIM_VALUES
from distcheck.agent.manifests.made import FLAT, MOST_PODS, Made, tie_of
from distcheck.agent.manifests.others import Others
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Part

BY_ENGINE = frozenset({"JobSet"})
"""Kinds that mostly train: judged only where a command in them starts a server."""


def is_known(kind: str) -> bool:
    """Whether objects of `kind` make pods that are understood."""
    return kind in _MAKERS or kind in KSERVE


def makes(thing: Thing, others: Others | None = None) -> Iterator[Made]:
    """The templates in an object, beside all others; nothing for a kind that makes no pods."""
    if thing.kind in KSERVE:
        yield from _kserve(thing, others or Others())
    elif (maker := _MAKERS.get(thing.kind)) is not None:
        yield from maker(thing)


def _pod(thing: Thing) -> Iterator[Made]:
    yield Made(thing, thing.place, "Pod", names=(thing.name,) if thing.name else ())


def _container(thing: Thing) -> Iterator[Made]:
    spec = {"spec": {"containers": [thing.place.value]}, FLAT: True}
    yield Made(thing, Place(thing.place.of, thing.place.path, spec), "Pod")


def _replicas(thing: Thing) -> Iterator[Made]:
    count = thing.place.number("spec", "replicas")
    template = thing.place.at("spec", "template")
    if template:
        yield Made(thing, template, thing.kind, count=1 if count is None else count)


def _stateful(thing: Thing) -> Iterator[Made]:
    spec = thing.place.at("spec")
    count = spec.number("replicas")
    count = 1 if count is None else count
    start = spec.number("ordinals", "start") or 0
    names = tuple(f"{thing.name}-{start + i}" for i in range(min(count or 1, MOST_PODS)))
    yield Made(
        thing, spec.at("template"), "StatefulSet", count=count, names=names,
        hostnames=True, subdomain=spec.text("serviceName"),
    )  # fmt: skip


def _daemon(thing: Thing) -> Iterator[Made]:
    yield Made(thing, thing.place.at("spec", "template"), "DaemonSet", count=None)


def _job(thing: Thing) -> Iterator[Made]:
    spec = thing.place.at("spec")
    if thing.kind == "CronJob":
        spec = spec.at("jobTemplate", "spec")
    completions, beside = spec.number("completions"), spec.number("parallelism")
    count = _at_once(1 if beside is None else beside, completions)
    names: tuple[str, ...] = ()
    if spec.text("completionMode") == "Indexed" and thing.name:
        names = tuple(f"{thing.name}-{i}" for i in range(min(completions or count or 1, MOST_PODS)))
    yield Made(
        thing, spec.at("template"), "Job", count=count, names=names, hostnames=bool(names),
        indexed=bool(names),
    )  # fmt: skip


def _at_once(parallelism: int, completions: int | None) -> int:
    """Pods of a Job at a time: never more than there are completions."""
    return parallelism if completions is None else min(parallelism, completions)


def _job_set(thing: Thing) -> Iterator[Made]:
    """Jobset `pkg/controllers/jobset_controller.go`: Jobs `<set>-<job>-<n>`, one subdomain.

    They are Indexed where they do not say (`jobset_webhook.go`); pods of others have no names.
    """
    spec = thing.place.at("spec")
    domain = spec.text("network", "subdomain") or thing.name
    for job in spec.each("replicatedJobs"):
        inner = job.at("template", "spec")
        jobs, beside = job.number("replicas"), inner.number("parallelism")
        jobs, beside = (1 if n is None else n for n in (jobs, beside))
        beside = _at_once(beside, inner.number("completions"))
        first = f"{thing.name}-{job.text('name')}"
        every = (f"{first}-{n}-{i}" for n in _few(jobs) for i in _few(beside))
        indexed = inner.text("completionMode") in ("", "Indexed")
        yield Made(
            thing, inner.at("template"), "JobSet", count=jobs * beside,
            names=tuple(islice(every, MOST_PODS)) if indexed else (), hostnames=indexed,
            indexed=indexed, subdomain=domain,
        )  # fmt: skip


def _few(count: int) -> range:
    return range(min(count, MOST_PODS))


def _mpi(thing: Thing) -> Iterator[Made]:
    replicas = thing.place.at("spec", "mpiReplicaSpecs")
    workers = replicas.at("Worker").number("replicas") or 1
    names = tuple(f"{thing.name}-worker-{i}" for i in _few(workers))
    yield from _mpi_made(thing, replicas.at("Launcher"), "leader", (f"{thing.name}-launcher",))
    yield from _mpi_made(thing, replicas.at("Worker"), "worker", names)


def _mpi_made(thing: Thing, group: Place, part: Part, names: tuple[str, ...]) -> Iterator[Made]:
    if group:
        count = group.number("replicas")
        count = 1 if count is None else count
        yield Made(thing, group.at("template"), "MPIJob", part, count, tie_of(thing), names)


def _lws(thing: Thing) -> Iterator[Made]:
    from distcheck.agent.manifests.making_lws import lws  # noqa: PLC0415 - where there is one

    return lws(thing)


def _ray(thing: Thing) -> Iterator[Made]:
    from distcheck.agent.manifests.making_ray import ray  # noqa: PLC0415 - where there is one

    return ray(thing)


def _storm(thing: Thing) -> Iterator[Made]:
    from distcheck.agent.manifests.making_storm import storm  # noqa: PLC0415 - where there is one

    return storm(thing)


def _nim_service(thing: Thing) -> Iterator[Made]:
    from distcheck.agent.manifests.making_nim import nim_service  # noqa: PLC0415 - as above

    return nim_service(thing)


def _nim_values(thing: Thing) -> Iterator[Made]:
    from distcheck.agent.manifests.making_nim import nim_values  # noqa: PLC0415 - as above

    return nim_values(thing)


def _dynamo(thing: Thing) -> Iterator[Made]:
    from distcheck.agent.manifests.making_dynamo import graph  # noqa: PLC0415 - as above

    return graph(thing)


def _kserve(thing: Thing, others: Others) -> Iterator[Made]:
    if thing.kind.startswith("LLM"):
        from distcheck.agent.manifests import making_llm as llm  # noqa: PLC0415 - as above

        made = llm.configuration if thing.kind.endswith("Config") else llm.llm_inference_service
        return made(thing, others)
    from distcheck.agent.manifests import making_kserve as kserve  # noqa: PLC0415 - as above

    own = thing.kind == "InferenceService"
    return (kserve.inference_service if own else kserve.runtime)(thing, others)


KSERVE = (
    "InferenceService", "ServingRuntime", "ClusterServingRuntime", "LLMInferenceService",
    "LLMInferenceServiceConfig",
)  # fmt: skip

_MAKERS: Mapping[str, Callable[[Thing], Iterator[Made]]] = {
    "Pod": _pod,
    CONTAINER: _container,
    "Deployment": _replicas,
    "ReplicaSet": _replicas,
    "Rollout": _replicas,
    "StatefulSet": _stateful,
    "DaemonSet": _daemon,
    "Job": _job,
    "CronJob": _job,
    "JobSet": _job_set,
    "LeaderWorkerSet": _lws,
    "RayCluster": _ray,
    "RayService": _ray,
    "RayJob": _ray,
    "RayClusterFleet": _ray,
    "RayClusterReplicaSet": _ray,
    "StormService": _storm,
    "MPIJob": _mpi,
    "NIMService": _nim_service,
    NIM_VALUES: _nim_values,
    "DynamoGraphDeployment": _dynamo,
}
KINDS = (*(k for k in _MAKERS if k not in (CONTAINER, NIM_VALUES)), *KSERVE)
"""Of objects whose pods are understood."""
