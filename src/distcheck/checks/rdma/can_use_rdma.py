"""RDMA001."""

from collections.abc import Iterable, Iterator

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.evidence.rdma import RdmaDevices, RdmaPort
from distcheck.checks.facts.rdma_links import cut_off, fallen, filtered, odd_ones, wrong_gids
from distcheck.checks.facts.rdma_memory import locked, locked_out, without_peermem
from distcheck.checks.facts.rdma_state import PodRdma, RdmaStates, lacking
from distcheck.checks.facts.rdma_use import RdmaUse
from distcheck.checks.facts.small_group import SmallGroup
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import alike, names
from distcheck.checks.knowledge.rdma import REMEDIES
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned


@check("RDMA001", weight="supporting", remedies=REMEDIES)
def can_use_rdma(rdma: RdmaStates, use: RdmaUse, small: SmallGroup) -> Verdict:
    """The pod can use RDMA: device, memory lock, active link.

    Proves:
        Each pod with GPUs has a device file of RDMA, its ranks may lock the memory that NCCL
        registers, and a link that NCCL may use is up. Only those links are judged: not ones of
        devices that the container lacks, or that NCCL_IB_HCA leaves out. It does not prove that
        ranks use them (NCCL002), nor that the NIC reads GPU memory itself (NCCL003).

    Causes:
        no_rdma_device: the container has no file in /dev/infiniband
        memlock: the ranks may not lock enough memory, and lack the capability IPC_LOCK
        link_down: a link that NCCL may use, or was told to use, is not active
        hca_filter: NCCL_IB_HCA names no device that the container has
        gid_type: a RoCE link has no GID of RoCE v2, or NCCL_IB_GID_INDEX names another one
        no_peermem: NCCL goes through host memory, and the node has no module for GPU memory

    Remedy:
        Give the container its RDMA device: a resource such as rdma/hca_shared_devices_a or
        vpc.amazonaws.com/efa in its limits. Add IPC_LOCK to the container's capabilities; for a
        user other than root set the runtime's limit of locked memory to unlimited (LimitMEMLOCK
        of containerd). Look at a link that is down with `ibstat` or `ibv_devinfo` on its node:
        cable, switch port, subnet manager.
    """
    aside = _aside(rdma, use, small)
    if aside is not None:
        return aside
    bad = _no_device(rdma, use) or _first_fault(rdma, use)
    bad = bad or _no_link(rdma)
    if bad is not None:
        return bad
    unseen = alike(reason for p in rdma.pods for reason in p.unseen)
    if unseen:
        return unknown(f"not seen: {'; '.join(unseen)}")
    return next(_warnings(rdma, use), None) or _usable(rdma, use)


def _first_fault(rdma: RdmaStates, use: RdmaUse) -> Verdict | None:
    """What keeps ranks from RDMA; where NCCL's log shows that they use it, links alone count."""
    found = None if use.works else locked_out(rdma, use.connected) or filtered(rdma)
    fault = found or cut_off(rdma, sockets=use.sockets)
    if fault is None:
        return None
    return failed(fault.says, fault.cause, fault.cites, fault.pods, REMEDIES[fault.cause])


def _aside(rdma: RdmaStates, use: RdmaUse, small: SmallGroup) -> Verdict | None:
    """The verdict where this group has no use for RDMA."""
    one_pod = small.lone or small.one_pod
    if one_pod:
        return skipped(small.no_other_node, one_pod)
    if use.aside:
        return skipped(use.aside, use.cites)
    refused = [p.refuses for p in rdma.pods if p.refuses]
    if len(refused) == len(rdma.pods):
        told = f"{refused[0].name}={refused[0].value}"
        return skipped(f"{told} tells NCCL to use sockets", [s.cite for s in refused])
    return None


def _no_device(rdma: RdmaStates, use: RdmaUse) -> Verdict | None:
    """Pods without a device: wrong where RDMA is asked for, or could be had and is not."""
    bare = [p for p in rdma.pods if p.bare and not p.refuses]
    if not bare or use.works:
        return None
    wanted = any(p.asks for p in rdma.pods) or any(p.has_device for p in rdma.pods)
    there = [p for p in bare if any(x.state == "ACTIVE" for x in p.node_ports)]
    says = (
        f"{names(p.pod for p in bare)} {several(len(bare), 'has')} no RDMA device: {lacking(bare)}"
    )
    cites = [p.access_cite for p in bare]
    if there:
        ports = [x for x in there[0].node_ports if x.state == "ACTIVE"]
        says += f"; {there[0].node} has {counted(len(ports), 'active link')}"
        cites.extend(there[0].port_cites(ports[:2]))
    pods = [p.pod for p in bare]
    unseen = any(isinstance(p.devices, Missing) for p in bare)
    if wanted or (use.sockets and (there or unseen)):
        return failed(says, "no_rdma_device", cites, pods, REMEDIES["no_rdma_device"])
    if there:
        return warned(says, "no_rdma_device", cites, pods, REMEDIES["no_rdma_device"])
    return _no_hardware(rdma, bare)


def _no_hardware(rdma: RdmaStates, bare: list[PodRdma]) -> Verdict | None:
    """Where nothing asks for RDMA and no node has a link that is up, nothing is to be judged."""
    if len(bare) < len(rdma.pods) or not all(isinstance(p.devices, RdmaDevices) for p in bare):
        return None
    who = names(p.node for p in bare)
    cites = [p.devices_cite for p in bare]
    return skipped(f"nothing asks for RDMA, and no link is active on {who}", cites)


def _no_link(rdma: RdmaStates) -> Verdict | None:
    """The same where containers see ports, and none of them is up."""
    down = rdma.cut_off([p.pod for p in rdma.pods])
    if len(down) < len(rdma.pods):
        return None
    cites = [c for p in down for c in p.port_cites(p.ports[:2])]
    who = names(p.node for p in down)
    return skipped(f"nothing asks for RDMA, and no link is active on {who}", cites)


def _warnings(rdma: RdmaStates, use: RdmaUse) -> Iterator[Verdict]:
    """What holds, and should be looked at; the worst first."""
    gids = () if use.works else wrong_gids(rdma)
    for fault in (*odd_ones(rdma), *fallen(rdma), *gids):
        yield warned(fault.says, fault.cause, fault.cites, fault.pods, REMEDIES[fault.cause])
    fault = without_peermem(rdma) if use.no_gdr else None
    if fault is not None:
        cites = (*use.cites, *fault.cites)
        yield warned(fault.says, fault.cause, cites, fault.pods, REMEDIES[fault.cause])


def _usable(rdma: RdmaStates, use: RdmaUse) -> Verdict:
    least = min(rdma.pods, key=lambda p: len(p.active))
    links = f"{counted(len(least.active), 'active link')}{_rates(least.active)}"
    each = "each have" if len(rdma.pods) > 1 else "has"
    says = f"{names(p.pod for p in rdma.pods)} {each} {links}, and may lock {locked(rdma)}"
    cites = [c for p in rdma.pods for c in (p.access_cite, *p.port_cites(p.active[:2]))]
    short = locked_out(rdma)
    if short is not None and use.connected:
        says = f"{says}: enough for the queue pairs that their ranks have connected"
        held = names(sorted(use.connected & set(short.pods)))
        cites += [*short.cites, Cite(f"ranks of {held} have connected queue pairs", "RDMA netlink")]
    return passed(says, cites, [p.pod for p in rdma.pods])


def _rates(ports: Iterable[RdmaPort]) -> str:
    found = sorted({p.rate_gbps for p in ports if p.rate_gbps is not None})
    return f" of {' and '.join(f'{r:g}' for r in found)} Gb/s" if found else ""
