"""The verdict on traffic between nodes where the kernel has a say beside the logs, or alone."""

from collections.abc import Sequence

from msgspec import structs

from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.facts.kernel_traffic import KernelTraffic
from distcheck.checks.facts.nccl_transports import Transports
from distcheck.checks.facts.rdma_state import RdmaStates, Setting
from distcheck.checks.facts.sockets_why import UNTOLD
from distcheck.checks.facts.traffic import Traffic
from distcheck.checks.kernel_words import cites, linked, moved, peers, seen
from distcheck.checks.knowledge.names import few
from distcheck.checks.verdict import Verdict, failed, passed, unknown, warned

_LOOK = (
    "Send requests and look again: what the kernel counts has to change. Or set NCCL_DEBUG=INFO"
    " and restart the group, so that its log tells."
)

_OTHERS = "; others such as UCX or NVSHMEM may hold those RDMA connections"


def with_kernel(by_log: Verdict, traffic: Traffic, rdma: RdmaStates | Missing) -> Verdict:
    """`by_log`, or what the kernel shows where the logs do not decide.

    Where the two contradict each other, that is said.
    """
    kernel, nccl = traffic.kernel, traffic.nccl
    if isinstance(kernel, Missing) or by_log.outcome == "skipped":
        return by_log
    if by_log.outcome == "unknown":
        return _where_undecided(by_log, nccl, kernel, rdma)
    if kernel.shown == "socket" and by_log.outcome == "pass":
        says = f"the logs show RDMA ({by_log.says}), the kernel does not: {moved(kernel)}"
        return unknown(says, (*by_log.cites, *cites(kernel)), remedy=_LOOK)
    if kernel.shown == "rdma" and by_log.outcome == "fail":
        says = f"{by_log.says}; yet the kernel shows {linked(kernel)}"
        return structs.replace(by_log, says=says, cites=(*by_log.cites, *cites(kernel)))
    return _with_rest(by_log, traffic, kernel)


def _where_undecided(
    by_log: Verdict,
    nccl: Transports | Missing,
    kernel: KernelTraffic,
    rdma: RdmaStates | Missing,
) -> Verdict:
    """NCCL connects at the first collective: a log without channels may name the network."""
    if isinstance(nccl, Missing):
        return _by_kernel(by_log, kernel, rdma)
    if nccl.channels:
        return by_log
    if nccl.chose_tcp and kernel.shown != "socket":
        return _beside_tcp(by_log, nccl, kernel)
    return _by_kernel(by_log, kernel, rdma)


def _beside_tcp(by_log: Verdict, nccl: Transports, kernel: KernelTraffic) -> Verdict:
    """The log names NCCL's network: what else the kernel shows is not NCCL's."""
    shown = seen(kernel)
    if not shown:
        return by_log
    says = f"{by_log.says}; TCP was chosen on {few(nccl.chose_tcp)}; the kernel shows {shown}"
    says += _OTHERS if any(b.queue_pairs for b in kernel.between) else ""
    return unknown(says, (*by_log.cites, *cites(kernel)), remedy=_LOOK)


def _with_rest(by_log: Verdict, traffic: Traffic, kernel: KernelTraffic) -> Verdict:
    """A pass of logs that do not show every node, where the kernel does."""
    nccl = traffic.nccl
    told = isinstance(nccl, Missing) or not nccl.gaps or nccl.chose_tcp
    if told or kernel.shown != "rdma" or by_log.outcome != "pass":
        return by_log
    says = f"{by_log.says}; the kernel shows the rest: {linked(kernel)}"
    return structs.replace(by_log, says=says, cites=(*by_log.cites, *cites(kernel)))


def _by_kernel(by_log: Verdict, kernel: KernelTraffic, rdma: RdmaStates | Missing) -> Verdict:
    if kernel.shown == "rdma":
        subjects = [p.pod.name for p in kernel.pods]
        return passed(f"no log tells, the kernel shows {linked(kernel)}", cites(kernel), subjects)
    if kernel.shown == "socket":
        return _sockets(kernel, rdma)
    if kernel.shown == "both":
        says = (
            f"no log tells; the kernel shows {peers(kernel)}, but {moved(kernel)} as well: which"
            " of them the tensors take is not to be seen"
        )
        return unknown(says, cites(kernel), remedy=_LOOK)
    return _undecided(by_log, kernel)


def _sockets(kernel: KernelTraffic, rdma: RdmaStates | Missing) -> Verdict:
    hosts = sorted({n for b in kernel.bulk for n in (b.one, b.other)})
    says = f"ranks on different nodes talk over TCP, not RDMA: {moved(kernel)}"
    if kernel.why.gpu_direct_tcp:
        says = f"{says}; {kernel.why.gpu_direct_tcp} is set, so it is GPU-direct TCP, not RDMA"
        return warned(says, "gpu-direct-tcp", cites(kernel), hosts)
    why = kernel.why
    shown, state = _nodes_state(rdma, why.cause, hosts)
    because = f", because {shown or why.says}" if shown or why.says else ""
    rests_on = (*cites(kernel), *(state or why.cites))
    return failed(f"{says}{because}", why.cause, rests_on, hosts, why.remedy)


def _nodes_state(
    rdma: RdmaStates | Missing, cause: str, hosts: Sequence[str]
) -> tuple[str, tuple[Cite, ...]]:
    """Why there is no device, as the nodes show it, where no setting is the cause."""
    if isinstance(rdma, Missing) or cause not in (UNTOLD, "no-ib-device"):
        return "", ()
    return rdma.why_sockets(hosts)


def _told_otherwise(kernel: KernelTraffic, told: Setting) -> Verdict:
    says = (
        f"no log tells; the kernel shows {seen(kernel)}, yet {told.name}={told.value} tells NCCL"
        f" to use sockets{_OTHERS}"
    )
    remedy = f"Take {told.name} out of the environment, or set NCCL_DEBUG=INFO: its log then tells."
    return unknown(says, (told.cite, *cites(kernel)), remedy=remedy)


def _undecided(by_log: Verdict, kernel: KernelTraffic) -> Verdict:
    """What was seen, and what was not; nothing that `by_log` says already."""
    shown = seen(kernel)
    if kernel.told_sockets and any(b.queue_pairs for b in kernel.between):
        return _told_otherwise(kernel, kernel.told_sockets)
    unseen = [r for r in kernel.unseen if r not in by_log.says]
    if not shown:
        return by_log
    parts = [by_log.says, f"the kernel alone does not decide: {shown}"]
    parts += [f"not seen: {'; '.join(unseen[:2])}"] if unseen else []
    return unknown("; ".join(parts), (*by_log.cites, *cites(kernel)), remedy=_LOOK)
