"""NCCL005."""

from collections.abc import Sequence

from distcheck.checks.cause_tables import with_causes
from distcheck.checks.check import check
from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.evidence.nccl import Channels, Echo
from distcheck.checks.facts.gpu_links import GpuLinks, NodeLinks
from distcheck.checks.facts.nccl_cites import channel_cites, world_cites
from distcheck.checks.facts.nccl_local import LocalChannels
from distcheck.checks.facts.small_group import SmallGroup
from distcheck.checks.knowledge.transport_remedies import ON_NODE
from distcheck.checks.verdict import Verdict, passed, skipped, unknown, warned
from distcheck.checks.without_log import without_log


@check("NCCL005", weight="supporting")
@with_causes(on_node=ON_NODE)
def peer_to_peer_on_node(
    nccl: LocalChannels | Missing, small: SmallGroup, links: GpuLinks
) -> Verdict:
    """Ranks on one node use NVLink or PCIe peer-to-peer, not copies through host memory.

    Proves:
        Every channel between ranks of one Kubernetes node that the logs show goes from GPU to
        GPU, and the ranks said that they are connected. Whether over NVLink or PCIe is NVML's
        word, where an agent asked it: NCCL's log does not tell. Traffic outside NCCL, such as
        vLLM's own all-reduce, is not covered.

    Causes:
        {on_node}
        pcie-for-nvlink: GPUs that NVLink should join reach each other over PCIe only

    Remedy:
        Take NCCL_P2P_DISABLE and NCCL_P2P_LEVEL out of the pods' environment: they are often
        left over from an older fault. Look at `nvidia-smi topo -m` and `nvidia-smi topo -p2p r`
        on the node: between GPUs joined by NVLink the fabric manager must run. Without NVLink,
        turn ACS off on the PCIe switches, or prefer pipeline over tensor parallelism. Give one
        pod all GPUs that the group uses on a node.
    """
    if isinstance(nccl, Missing):
        return without_log(nccl, small.no_communicator, small.lone)
    if nccl.networked:
        return _networked(nccl)
    if nccl.copied:
        return _copied(nccl, links)
    if not nccl.neighbours:
        return _nobody(nccl)
    if not nccl.direct:
        return unknown("no channel between ranks of one node is seen yet", world_cites(nccl.log))
    return _direct(nccl, links)


def _direct(nccl: LocalChannels, links: GpuLinks) -> Verdict:
    if nccl.failure is not None:
        says = f"peer-to-peer was chosen, then NCCL failed: {nccl.failure.says}"
        return unknown(says, channel_cites(nccl.direct))
    hosts = _hosts(nccl.direct)
    there = tuple(links.of_hosts(hosts))
    used = ", ".join(sorted({c.transport for c in nccl.direct}))
    says = f"{sum(c.count for c in nccl.direct)} channels within nodes use {used}"
    slow = [n for n in there if n.nvlinked and n.without_nvlink]
    cites = channel_cites(nccl.direct)
    if slow:
        one, pairs = slow[0], slow[0].without_nvlink
        why = f"NVLink does not join {one.named(pairs[0])} of {one.node}: {pairs[0].nvlink}"
        more = f" ({len(pairs)} of {len(one.pairs)} pairs)"
        shown = [n.cite(f"{len(n.without_nvlink)} pairs without NVLink") for n in slow]
        return warned(f"{says} over PCIe: {why}{more}", "pcie-for-nvlink", (*cites, *shown), hosts)
    over = _over(there)
    shown = [n.cite(f"{len(n.pairs)} pairs of GPUs{over}") for n in there if over]
    return passed(f"{says}{over}", (*cites, *shown), hosts)


def _over(there: Sequence[NodeLinks]) -> str:
    """` over NVLink` where every pair was seen to have it, ` over PCIe` where none has."""
    if not there or not all(n.told for n in there):
        return ""
    lacking = sum(len(n.without_nvlink) for n in there)
    return " over NVLink" if not lacking else " over PCIe"


def _nobody(nccl: LocalChannels) -> Verdict:
    """No two ranks share a node; only where all ranks are seen does that say anything."""
    cites = world_cites(nccl.log)
    if nccl.gaps or not cites:
        return unknown("; ".join(nccl.gaps) or "no communicator is seen yet", cites)
    return skipped("no two ranks of a communicator are on one node", cites)


def _copied(nccl: LocalChannels, links: GpuLinks) -> Verdict:
    cause, setting = _cause(nccl, _hosts(nccl.copied))
    said, shown = _apart(links, nccl) if cause == "p2p-unavailable" else ("", ())
    lines = sum(c.count for c in nccl.copied)
    every = lines + sum(c.count for c in nccl.direct)
    used = ", ".join(sorted({c.transport for c in nccl.copied}))
    who = ", ".join(_hosts(nccl.copied)[:4])
    says = f"ranks on {who} copy through host memory ({lines} of {every} channels use {used})"
    cites = (*channel_cites(nccl.copied), *setting, *shown)
    return _warned(f"{says}{said}", cause, cites, _hosts(nccl.copied))


def _apart(links: GpuLinks, nccl: LocalChannels) -> tuple[str, tuple[Cite, ...]]:
    """Why NVML says that GPUs do not reach each other."""
    found = [n for n in links.of_hosts(_hosts(nccl.copied)) if n.apart]
    if not found:
        return "", ()
    one, pair = found[0], found[0].apart[0]
    says = f", as {one.named(pair)} of {one.node} have no peer access ({pair.peer})"
    return says, tuple(n.cite(f"{len(n.apart)} pairs without peer access") for n in found)


def _networked(nccl: LocalChannels) -> Verdict:
    hosts = _hosts(nccl.networked)
    cause = "pods-apart" if nccl.crowded & set(hosts) else "no-shm"
    used = ", ".join(sorted({c.transport for c in nccl.networked}))
    says = f"ranks on one node talk through the network ({used} of {', '.join(hosts[:4])})"
    return _warned(says, cause, channel_cites(nccl.networked), hosts)


def _warned(says: str, cause: str, cites: Sequence[Cite], hosts: Sequence[str]) -> Verdict:
    why = ON_NODE[cause]
    return warned(f"{says}: {why.short}", cause, cites, hosts, why.remedy)


def _cause(nccl: LocalChannels, hosts: Sequence[str]) -> tuple[str, tuple[Cite, ...]]:
    """The setting that explains copies on these hosts, with its line."""
    own = [e for e in nccl.log.echoes if e.host in hosts]
    for name in ("NCCL_P2P_DISABLE", "NCCL_P2P_LEVEL"):
        found = next((e for e in own if e.name == name and _forbids(e)), None)
        if found is not None:
            cite = Cite(f"{found.host}: {name} set to {found.value}", found.source)
            return f"env-{name}", (cite,)
    return "p2p-unavailable", ()


def _forbids(echo: Echo) -> bool:
    """Whether the setting keeps some GPUs apart: level SYS, or 5 of old, allows all pairs."""
    value = echo.value.strip().upper()
    return value == "1" if echo.name == "NCCL_P2P_DISABLE" else value not in ("SYS", "5")


def _hosts(channels: Sequence[Channels]) -> list[str]:
    return sorted({c.host for c in channels})
