"""What one pod's own ranks say of NCCL, counted."""

from collections import Counter

from msgspec import Struct, field

from distcheck.checks.evidence import Evidence, NcclLog, Pod
from distcheck.checks.evidence.nccl import Scope
from distcheck.checks.facts.nccl_group import group_of, hosts_of
from distcheck.checks.knowledge import networks, transports
from distcheck.checks.knowledge.communicators import world_of


class PodNccl(Struct, frozen=True):
    """Of the processes of one pod that run now, as far as its logs show it.

    `started` and `complete` are ranks of the largest communicator, which has `world` ranks;
    None where no line names one. `channels` counts by scope and kind of transport, `gdr`
    those between nodes with GPUDirect RDMA; None where no channel over a network is seen.
    `failures` counts lines by the id of what failed, of earlier processes too.
    """

    started: int | None = None
    complete: int | None = None
    world: int | None = None
    channels: dict[tuple[Scope, networks.Kind], int] = field(default_factory=dict)
    gdr: int | None = None
    failures: dict[str, int] = field(default_factory=dict)


def pod_nccl(evidence: Evidence, pod: Pod) -> PodNccl:
    """Counted from the pod's own logs; Ray copies lines of other pods into the leader's."""
    log = evidence.look(pod).nccl
    if not isinstance(log, NcclLog):
        return PodNccl()
    now = next((found for one, found in group_of(evidence).logs if one.key == pod.key), NcclLog())
    hosts = own_hosts(pod, log)
    own = [c for c in now.channels if c.host in hosts]
    channels: Counter[tuple[Scope, networks.Kind]] = Counter()
    providers = transports.providers_of(now)
    skip = transports.collnet_failed(now)
    for one in own:
        if not (skip and one.transport.startswith("COLLNET/")):
            channels[one.scope, networks.kind_of(one.transport, providers)] += one.count
    between = [c for c in own if c.scope == "inter_node" and c.transport.startswith("NET/")]
    gdr = sum(c.count for c in between if networks.is_gdr(c.transport))
    started, complete, world = _ranks(now, hosts)
    failures: Counter[str] = Counter()
    for failure in log.failures:
        if not failure.host or failure.host in hosts:
            failures[failure.id] += failure.count
    told = gdr if between else None
    return PodNccl(started, complete, world, dict(channels), told, dict(failures))


def own_hosts(pod: Pod, log: NcclLog) -> frozenset[str]:
    """The pod's own name for itself in the log: known names, else that of lines no copy made."""
    known = frozenset(hosts_of(pod)) & frozenset(log.hosts)
    return known or frozenset(p.host for p in log.processes if not p.copied)


def _ranks(log: NcclLog, hosts: frozenset[str]) -> tuple[int | None, int | None, int | None]:
    world = world_of(log.communicators)
    if world is None:
        return None, None, None
    own = [r for r in world.ranks if r.host in hosts and not (r.closed or r.aborted)]
    complete = sum(r.state == "complete" for r in own)
    return len(own) - complete, complete, world.nranks
