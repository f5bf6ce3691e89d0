"""NCCL003."""

from collections.abc import Collection

from distcheck.checks.cause_tables import with_causes
from distcheck.checks.check import check
from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.evidence.nccl import Channels
from distcheck.checks.facts.gpu_names import GpuNames
from distcheck.checks.facts.nccl_cites import channel_cites, world_cites
from distcheck.checks.facts.nccl_gdr import EFA_WITHOUT_GDR, causes, of_hosts, shape, sides
from distcheck.checks.facts.nccl_transports import Transports
from distcheck.checks.facts.small_group import SmallGroup
from distcheck.checks.knowledge import networks, transport_causes, transports
from distcheck.checks.knowledge.gdr_causes import GdrSide
from distcheck.checks.knowledge.transport_remedies import GDR
from distcheck.checks.verdict import Verdict, passed, skipped, unknown, warned
from distcheck.checks.without_log import without_log


@check("NCCL003", weight="supporting")
@with_causes(gdr=GDR)
def gdr_between_nodes(
    nccl: Transports | Missing, gpus: GpuNames | Missing, small: SmallGroup
) -> Verdict:
    """GPUDirect RDMA is used on every inter-node channel, in both directions.

    Proves:
        Every channel over RDMA between nodes that the logs show, sending and receiving, was
        set up so that the NIC reads and writes GPU memory itself. Without it each message
        takes a detour through host memory: the result is right, and slower. It does not
        prove that the path is fast.

    Causes:
        {gdr}
        gdr-asymmetric: some nodes have it and some have not, and no line says why: compare
            their kernel modules, drivers and PCIe layout
        gdr-one-direction: it is on in one direction only, and no line says why: sending needs
            the NIC to read GPU memory, which NCCL_NET_GDR_READ=0 forbids
        gdr-off: it is off on all nodes, and no line says why

    Remedy:
        Load nvidia-peermem on the named nodes (`modprobe nvidia-peermem`), or use the open GPU
        kernel modules with CUDA 11.7 or newer, which offer DMA-BUF. Take NCCL_NET_GDR_LEVEL and
        NCCL_NET_GDR_READ out of the environment. Where GPU and NIC are under different PCIe
        switches, or ACS is on, let the topology be seen in the virtual machine.
        NCCL_DEBUG_SUBSYS=INIT,NET,ENV makes NCCL say why it leaves GPUDirect off.
    """
    if isinstance(nccl, Missing):
        return without_log(nccl, small.no_other_node, small.lone or small.one_pod)
    if not nccl.channels:
        return _no_channel(nccl, small)
    rdma = _of_class(nccl, "rdma")
    if not rdma:
        return _no_rdma(nccl)
    if nccl.unproven is not None:
        return unknown(f"GPUDirect RDMA was chosen or not; {nccl.unproven}", channel_cites(rdma))
    every = sides(nccl.log, rdma)
    lost = [s for s in every if s.direct < s.lines]
    if not lost:
        return _all(nccl, rdma, every)
    return _without_support(nccl, gpus, rdma) or _lost(nccl, rdma, every, lost)


def _all(nccl: Transports, rdma: tuple[Channels, ...], every: Collection[GdrSide]) -> Verdict:
    cites = channel_cites(rdma)
    beside = {*rdma, *_of_class(nccl, "nvlink")}
    other = [c for c in nccl.channels if c not in beside and not _is_collnet(c)]
    if other:
        used = ", ".join(sorted({c.transport for c in other}))
        return unknown(f"channels over RDMA have GPUDirect; others use {used} (NCCL002)", cites)
    lines = sum(s.lines for s in every)
    says = f"all {lines} channel lines over RDMA between nodes have GPUDirect, both ways"
    return passed(says, cites, sorted({s.host for s in every}))


def _is_collnet(one: Channels) -> bool:
    """SHARP stands beside RDMA channels: GPUDirect is not asked of it."""
    return one.transport.startswith("COLLNET/")


def _no_channel(nccl: Transports, small: SmallGroup) -> Verdict:
    cites = world_cites(nccl.log) or small.one_pod
    if nccl.one_node is not None and cites:
        return skipped(nccl.one_node, cites)
    return unknown("no channel between nodes is seen (NCCL002 says more)", cites)


def _no_rdma(nccl: Transports) -> Verdict:
    """Nothing that GPUDirect RDMA could be used on."""
    used = ", ".join(sorted({c.transport for c in nccl.channels}))
    cites = channel_cites(nccl.channels)
    other = ("nvlink", "socket", "gpu-direct-tcp")
    if sum(len(_of_class(nccl, kind)) for kind in other) == len(nccl.channels):
        return skipped(f"channels between nodes use {used}, which is not RDMA (NCCL002)", cites)
    return unknown(f"nothing says whether {used} is RDMA", cites)


def _of_class(nccl: Transports, kind: str) -> tuple[Channels, ...]:
    providers = transports.providers_of(nccl.log)
    every = (c for c in nccl.channels if not _is_collnet(c))
    return tuple(c for c in every if networks.class_of(c.transport, providers) == kind)


def _without_support(
    nccl: Transports, gpus: GpuNames | Missing, rdma: tuple[Channels, ...]
) -> Verdict | None:
    """EFA of some instance types has no GPUDirect: then there is nothing to lose."""
    names = {networks.network_of(c.transport) for c in rdma}
    if not names <= set(networks.OFI_NETWORKS) or any(networks.is_gdr(c.transport) for c in rdma):
        return None
    if isinstance(gpus, Missing):
        return unknown(
            f"no channel over EFA has GPUDirect; whether these GPUs offer it: {gpus.reason}",
            channel_cites(rdma),
        )
    found = {n for node in nccl.nodes for n in gpus.by_node.get(node, ("an unknown GPU",))}
    if not all(name.rpartition(" ")[2] in EFA_WITHOUT_GDR for name in found):
        return None
    says = f"EFA has no GPUDirect RDMA on instances with {', '.join(sorted(found))}"
    return skipped(says, (*channel_cites(rdma), *gpus.cites()))


def _lost(
    nccl: Transports, rdma: tuple[Channels, ...], every: Collection[GdrSide], lost: list[GdrSide]
) -> Verdict:
    hosts = sorted({s.host for s in lost})
    said = causes(nccl.log, rdma)
    known = next((said[h] for h in hosts if said.get(h) in GDR), None)
    cause = known or shape(every)
    table = GDR.get(cause)
    why = f", because {table.short}" if table else ""
    shares = "; ".join(_share(nccl, host, lost) for host in hosts[:4])
    more = f"; and in {len(hosts) - 4} more" if len(hosts) > 4 else ""
    rest = "" if len(hosts) == len({s.host for s in every}) else "; the other nodes use it"
    own = of_hosts(nccl.log, [h for h in hosts if said.get(h) == known])
    lines = [Cite(words, at) for words, at in transport_causes.cause_lines(own, known)[:3]]
    plain = [c for c in rdma if not networks.is_gdr(c.transport)]
    says = f"GPUDirect RDMA is off in {shares}{more}{rest}{why}"
    remedy = table.remedy if table else None
    return warned(says, cause, (*channel_cites(plain), *lines), hosts, remedy)


def _share(nccl: Transports, host: str, lost: list[GdrSide]) -> str:
    """`vllm-worker-0 on gpu-b (receive: 0 of 4 channel lines have it)`."""
    own = [f"{s.direction}: {s.direct} of {s.lines}" for s in lost if s.host == host]
    return f"{nccl.place(host)} ({', '.join(own)} channel lines have it)"
