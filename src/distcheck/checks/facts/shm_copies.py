"""Which ranks of a pod copy through host memory, and whether that is in `/dev/shm`."""

from distcheck.checks.evidence import Evidence, Gpus, NcclLog, Pod, Processes
from distcheck.checks.knowledge.shm_copies import Copies, Told, copies

_PREFIXES = ("SHM", "direct shared memory")
_FELL_BACK = "cumem-host"


def copies_of(evidence: Evidence, pod: Pod, ranks: int, log: NcclLog | None) -> Copies:
    """From the channels in its log; before there are any, from its settings.

    Each channel over SHM is printed once, by its sender, in the pod whose `/dev/shm` both
    ends share.
    """
    lines = sum(c.count for c in log.channels if c.transport.startswith(_PREFIXES)) if log else 0
    marks = {m.id for m in log.marks} if log else set()
    node = evidence.node(pod.node) if pod.node else None
    driver = node.gpus.driver if node and isinstance(node.gpus, Gpus) else ""
    version = log.versions[-1] if log and log.versions else None
    told = Told(ranks, lines, _settings(evidence, pod, log), _FELL_BACK in marks, version, driver)
    if log is not None and log.channels and not lines:
        return Copies()
    return copies(told)


def _settings(evidence: Evidence, pod: Pod, log: NcclLog | None) -> dict[str, str]:
    """What NCCL says it read counts more than an environment, which a program may change."""
    processes = evidence.look(pod).processes
    environ = processes.environ if isinstance(processes, Processes) else {}
    echoes = {e.name: e.value for e in log.echoes} if log else {}
    return {k: v for k, v in environ.items() if k.startswith("NCCL_")} | echoes
