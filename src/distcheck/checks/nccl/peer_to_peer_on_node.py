"""NCCL005."""

from collections.abc import Sequence

from distcheck.checks.cause_tables import with_causes
from distcheck.checks.check import check
from distcheck.checks.evidence import Cite
from distcheck.checks.evidence.nccl import Channels, Echo
from distcheck.checks.facts.nccl_cites import channel_cites, world_cites
from distcheck.checks.facts.nccl_local import LocalChannels
from distcheck.checks.knowledge.transport_remedies import ON_NODE
from distcheck.checks.verdict import Verdict, passed, skipped, unknown, warned


@check("NCCL005", weight="supporting")
@with_causes(on_node=ON_NODE)
def peer_to_peer_on_node(nccl: LocalChannels) -> Verdict:
    """Ranks on one node use NVLink or PCIe peer-to-peer, not copies through host memory.

    Proves:
        Every channel between ranks of one Kubernetes node that the logs show goes from GPU to
        GPU, and the ranks said that they are connected. NCCL's log does not tell NVLink from
        PCIe. Traffic outside NCCL, such as vLLM's own all-reduce, is not covered.

    Causes:
        {on_node}

    Remedy:
        Take NCCL_P2P_DISABLE and NCCL_P2P_LEVEL out of the pods' environment: they are often
        left over from an older fault. Look at `nvidia-smi topo -m` and `nvidia-smi topo -p2p r`
        on the node: between GPUs joined by NVLink the fabric manager must run. Without NVLink,
        turn ACS off on the PCIe switches, or prefer pipeline over tensor parallelism. Give one
        pod all GPUs that the group uses on a node.
    """
    if nccl.networked:
        return _networked(nccl)
    if nccl.copied:
        return _copied(nccl)
    if not nccl.neighbours:
        return _nobody(nccl)
    if not nccl.direct:
        return unknown("no channel between ranks of one node is seen yet", world_cites(nccl.log))
    if nccl.failure is not None:
        says = f"peer-to-peer was chosen, then NCCL failed: {nccl.failure.says}"
        return unknown(says, channel_cites(nccl.direct))
    used = ", ".join(sorted({c.transport for c in nccl.direct}))
    says = f"{sum(c.count for c in nccl.direct)} channels within nodes use {used}"
    return passed(says, channel_cites(nccl.direct), _hosts(nccl.direct))


def _nobody(nccl: LocalChannels) -> Verdict:
    """No two ranks share a node; only where all ranks are seen does that say anything."""
    cites = world_cites(nccl.log)
    if nccl.gaps or not cites:
        return unknown("; ".join(nccl.gaps) or "no communicator is seen yet", cites)
    return skipped("no two ranks of a communicator are on one node", cites)


def _copied(nccl: LocalChannels) -> Verdict:
    cause, setting = _cause(nccl, _hosts(nccl.copied))
    lines = sum(c.count for c in nccl.copied)
    every = lines + sum(c.count for c in nccl.direct)
    used = ", ".join(sorted({c.transport for c in nccl.copied}))
    who = ", ".join(_hosts(nccl.copied)[:4])
    says = f"ranks on {who} copy through host memory ({lines} of {every} channels use {used})"
    cites = (*channel_cites(nccl.copied), *setting)
    return _warned(says, cause, cites, _hosts(nccl.copied))


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
