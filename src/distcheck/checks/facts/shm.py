"""`/dev/shm` of every pod, beside what its ranks need."""

from collections import Counter

from msgspec import Struct, structs

from distcheck.checks.evidence import Cite, Evidence, Missing, NcclLog, Pod, ShmMount
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.nccl_group import group_of
from distcheck.checks.facts.sharding_process import gpu_processes
from distcheck.checks.knowledge.shm import MIB, ShmNeed, shm_need


class PodShm(Struct, frozen=True):
    """One pod's mount and need. `basis` says what the number of ranks rests on."""

    pod: str
    mount: ShmMount
    need: ShmNeed
    basis: str

    @property
    def cite(self) -> Cite:
        """The mount, as it was seen."""
        size = self.mount.size_bytes / MIB
        what = f"/dev/shm of {self.pod} is {size:.0f} MiB ({self.mount.source}); {self.basis}"
        return Cite(what, self.mount.cited, self.mount.seen_at)


class ShmMounts(Fact, frozen=True, kw_only=True):
    """The mounts of all pods with GPUs; pods whose mount was not seen are gaps."""

    pods: tuple[PodShm, ...]

    @classmethod
    def fold(cls, evidence: Evidence) -> "ShmMounts | Missing":
        """Missing where no pod's mount was seen."""
        looks = [(p, evidence.look(p).shm) for p in evidence.pods if p.gpus]
        seen = [(p, m) for p, m in looks if isinstance(m, ShmMount)]
        unseen = tuple(f"{p.name}: {m.reason}" for p, m in looks if isinstance(m, Missing))
        if not seen:
            return Missing("; ".join(dict.fromkeys(unseen)) or "no pod of the group has a GPU")
        # Processes of earlier starts hold no pools: their lines are not in these logs.
        logs = {p.key: log for p, log in group_of(evidence).logs}
        pods = (_pod(evidence, p, m, logs.get(p.key)) for p, m in seen)
        return cls(pods=tuple(pods), gaps=unseen)


def _pod(evidence: Evidence, pod: Pod, mount: ShmMount, log: NcclLog | None) -> PodShm:
    communicators, version = _communicators(evidence, log), _version(log)
    ranks, basis = _ranks(evidence, pod)
    now = shm_need(ranks, communicators, version)
    full = shm_need(max(ranks, pod.gpus), communicators, version)
    need = structs.replace(now, enough=full.enough, enough_says=full.enough_says)
    return PodShm(pod.name, mount, need, basis)


def _ranks(evidence: Evidence, pod: Pod) -> tuple[int, str]:
    """Processes that NVML shows on its GPUs; one for each GPU of the spec where it shows none.

    Ranks that have yet to start are not among them: room is judged for every GPU of the spec.
    """
    used = {process.pid for process in gpu_processes(evidence, pod)}
    if used:
        return len(used), f"{len(used)} processes on its GPUs"
    return pod.gpus, f"{pod.gpus} GPUs in its spec, one rank each"


def _communicators(evidence: Evidence, log: NcclLog | None) -> int | None:
    """How many that leave the node one process is in, at most; None where no log shows any.

    A group on a single node has none. A log that lost its start may have lost the lines of
    those that leave the node.
    """
    wide = len({p.node for p in evidence.pods if p.gpus}) > 1
    if log is not None and log.communicators:
        leaving = (c for c in log.communicators if c.nodes != 1 and c.nranks > 1)
        held = Counter(
            p for c in leaving for p in {(r.host, r.pid) for r in c.ranks if not r.closed}
        )
        if held or log.start_seen:
            return max(held.values(), default=0)
    return None if wide else 0


def _version(log: NcclLog | None) -> str | None:
    return log.versions[-1] if log is not None and log.versions else None
