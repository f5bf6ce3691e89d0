"""`/dev/shm` of every pod, beside what its ranks need."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, structs

from distcheck.checks.evidence import (
    Cite,
    Evidence,
    Missing,
    NcclLog,
    Pod,
    ShmMount,
    VllmLog,
)
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.nccl_group import group_of
from distcheck.checks.facts.sharding_process import RANK_TITLES, gpu_processes
from distcheck.checks.facts.shm_copies import copies_of
from distcheck.checks.facts.shm_of_ray import RayShm, ray_shm
from distcheck.checks.facts.shm_pools import leaving, pools_of
from distcheck.checks.facts.shm_up import is_up, serves
from distcheck.checks.knowledge.shm import MIB, ShmNeed, ring_bytes, shm_need

_CHUNK = "VLLM_MQ_MAX_CHUNK_BYTES_MB"


class PodShm(Struct, frozen=True):
    """One pod's mount and need. `basis` says what the number of ranks rests on.

    `up`: its log shows every communicator of its ranks complete, and no failure over room
    there since, or the group's engine answers. Then they have what NCCL allocates up front,
    wherever it is. `ray` is what Ray found there at its start; with `by_ray` nobody else saw
    the mount. `elsewhere`: the spec has a volume for it that this container does not mount.
    """

    pod: str
    mount: ShmMount
    need: ShmNeed
    basis: str
    up: bool = False
    ray: RayShm | None = None
    by_ray: bool = False
    elsewhere: bool = False

    @property
    def cite(self) -> Cite:
        """The mount, as it was seen."""
        size = self.mount.size_bytes / MIB
        what = f"/dev/shm of {self.pod} is {size:.0f} MiB ({self.mount.source}); {self.basis}"
        return Cite(what, self.mount.cited, self.mount.seen_at)

    @property
    def cites(self) -> tuple[Cite, ...]:
        """The mount, and what Ray said of it."""
        if self.ray is None:
            return (self.cite,)
        return (self.ray.cite,) if self.by_ray else (self.cite, self.ray.cite)

    @property
    def free(self) -> int | None:
        """Bytes that are not used; None where the use was not seen."""
        used = self.mount.used_bytes
        return None if used is None else max(0, self.mount.size_bytes - used)


class ShmMounts(Fact, frozen=True, kw_only=True):
    """The mounts of all pods with GPUs; pods whose mount was not seen are gaps."""

    pods: tuple[PodShm, ...]

    @classmethod
    def fold(cls, evidence: Evidence) -> "ShmMounts | Missing":
        """Missing where no pod's mount was seen."""
        looks = [(p, _mount(evidence, p)) for p in evidence.pods if p.gpus]
        seen = [(p, m) for p, m in looks if isinstance(m, ShmMount)]
        unseen = tuple(f"{p.name}: {m.reason}" for p, m in looks if isinstance(m, Missing))
        if not seen:
            return Missing("; ".join(dict.fromkeys(unseen)) or "no pod of the group has a GPU")
        # Processes of earlier starts hold no pools: their lines are not in these logs.
        logs = {p.key: log for p, log in group_of(evidence).logs}
        pods = (_pod(evidence, p, m, logs.get(p.key)) for p, m in seen)
        return cls(pods=tuple(pods), gaps=unseen)


def _mount(evidence: Evidence, pod: Pod) -> ShmMount | Missing:
    """As it was seen, or, where nobody could see it, as Ray found it.

    A volume of a pod whose containers do not run is theirs where the spec says so.
    """
    seen, told = evidence.look(pod).shm, ray_shm(evidence, pod)
    declared = pod.shm is not None and pod.shm.elsewhere is None
    if isinstance(seen, ShmMount) and seen.of_volume and not declared:
        seen = Missing("no container runs that would show what is mounted at /dev/shm")
    return told.mount if isinstance(seen, Missing) and told is not None else seen


def _pod(evidence: Evidence, pod: Pod, mount: ShmMount, log: NcclLog | None) -> PodShm:
    ranks, basis = _ranks(evidence, pod)
    return PodShm(
        pod=pod.name,
        mount=mount,
        need=need_of(evidence, pod, ranks, log),
        basis=basis,
        up=(serves(evidence) and not mount.of_volume)
        or (log is not None and is_up(pod, log, ranks)),
        ray=ray_shm(evidence, pod),
        by_ray=isinstance(evidence.look(pod).shm, Missing),
        elsewhere=pod.shm is not None and pod.shm.elsewhere is not None,
    )


def need_of(evidence: Evidence, pod: Pod, ranks: int, log: NcclLog | None) -> ShmNeed:
    """What `ranks` ranks need at least, and what room one on every GPU of the spec may take."""
    communicators, version = _communicators(evidence, log), _version(log)
    ring = _ring(evidence, pod)
    now, full = (
        shm_need(
            n,
            communicators,
            version,
            copies_of(evidence, pod, n, log),
            ring,
            pools_of(pod, log, n) if communicators and log else None,
        )
        for n in (ranks, max(ranks, pod.gpus))
    )
    return structs.replace(now, enough=full.enough, enough_says=full.enough_says)


def _ranks(evidence: Evidence, pod: Pod) -> tuple[int, str]:
    """Processes that NVML shows on its GPUs; one for each GPU of the spec where it shows none.

    Those with a rank's title, where any has one: a profiler has a context too. Ranks that have
    yet to start are not among them: room is judged for every GPU of the spec.
    """
    on_gpus = gpu_processes(evidence, pod)
    titled = {p.pid for p in on_gpus if p.title.startswith(RANK_TITLES)}
    used = min(len(titled or {p.pid for p in on_gpus}), pod.gpus)
    if used:
        return used, f"{used} processes on its GPUs"
    return pod.gpus, f"{pod.gpus} GPUs in its spec, one rank each"


def _communicators(evidence: Evidence, log: NcclLog | None) -> int | None:
    """How many that leave the node one process is in, at most; None where no log shows any.

    A group on a single node has none. A log that lost its start may have lost the lines of
    those that leave the node.
    """
    wide = len({p.node for p in evidence.pods if p.gpus}) > 1
    if log is not None and log.communicators:
        held = Counter(
            p for c in leaving(log) for p in {(r.host, r.pid) for r in c.ranks if not r.closed}
        )
        if held or log.start_seen:
            return max(held.values(), default=0)
    return None if wide else 0


def _ring(evidence: Evidence, pod: Pod) -> int:
    """vLLM's; TensorRT-LLM has none."""
    if evidence.intent.engine == "triton-trtllm":
        return 0
    processes = evidence.look(pod).processes
    environ = {} if isinstance(processes, Missing) else processes.environ
    return ring_bytes(_first_version(evidence), environ.get(_CHUNK))


def _first_version(evidence: Evidence) -> str | None:
    logs: Iterable[VllmLog | Missing] = (evidence.look(p).vllm for p in evidence.pods)
    told = (log.version for log in logs if isinstance(log, VllmLog))
    return next((v for v in told if v), None)


def _version(log: NcclLog | None) -> str | None:
    return log.versions[-1] if log is not None and log.versions else None
