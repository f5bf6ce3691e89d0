"""The placement groups that the engine asked Ray for, among all of its cluster."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

from distcheck.checks.evidence import Cite, Evidence, Missing, RayCluster
from distcheck.checks.evidence.ray import PlacementGroup, RayActor
from distcheck.checks.facts.age import unix_ms
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.ray import RayMembership

API = "PlacementGroupInfoGcsService/GetAllPlacementGroup"
_STARTING = ("PENDING_CREATION", "DEPENDENCIES_UNREADY", "RESTARTING")


class EngineGroups(Fact, frozen=True, kw_only=True, dict=True):
    """The engine's placement groups, and what else of its cluster holds GPUs.

    `own` are live groups with GPUs that touch a pod of ours, or that nothing ties to another's
    node; where `size` (TP x PP) is known and any has it, only those. `others` are the further
    live ones, `removed` counts those that ended. `copies` is the data parallel size, `gpus`
    what the whole group should have. `aside` says by what the engine uses no group.
    """

    uses_ray: bool
    cites: tuple[Cite, ...]
    membership: RayMembership
    cluster: RayCluster | None = None
    own: tuple[PlacementGroup, ...] = ()
    others: tuple[PlacementGroup, ...] = ()
    removed: int = 0
    size: int | None = None
    copies: int = 1
    gpus: int | None = None
    aside: Cite | None = None

    @property
    def actors(self) -> tuple[RayActor, ...]:
        """The engine's workers; none where Ray did not tell them."""
        found = () if self.cluster is None else self.cluster.actors
        return () if isinstance(found, Missing) else found

    def workers(self, group: PlacementGroup) -> list[RayActor]:
        """The workers that were ever started in `group`."""
        return [a for a in self.actors if a.placement_group == group.id]

    def runs(self, group: PlacementGroup) -> bool:
        """Whether a worker of `group` is alive, or starts."""
        return any(a.state == "ALIVE" or is_starting(a) for a in self.workers(group))

    def age_seconds(self, since_ms: int) -> float | None:
        """How long before the look `since_ms` was; None where either time is not told."""
        seen = None if self.cluster is None else unix_ms(self.cluster.seen_at)
        return None if seen is None or not since_ms else (seen - since_ms) / 1000

    def node_name(self, node_id: str) -> str:
        """The pod, host or address of a node of Ray, by its id."""
        return self._names.get(node_id) or f"node {node_id[:12]}"

    @cached_property
    def _names(self) -> dict[str, str]:
        every = ((r.id, m.name) for m in self.membership.members for r in (*m.rows, *m.dead))
        return dict(every)

    def cite(self, group: PlacementGroup) -> Cite:
        """What GCS says of one group."""
        address = "" if self.cluster is None else self.cluster.address
        seen_at = None if self.cluster is None else self.cluster.seen_at
        told = ", ".join(filter(None, (group.state, group.scheduling)))
        what = f"{named(group)} is {told}: {len(placed(group))} of {gpus_of(group):g} GPUs placed"
        return Cite(what, f"GCS {address} {API}", seen_at)

    @classmethod
    def fold(cls, evidence: Evidence) -> "EngineGroups | Missing":
        """From the same answer of Ray that its membership is judged by."""
        ray = folded(RayMembership, evidence)
        if isinstance(ray, Missing):
            return ray
        if not ray.uses_ray or ray.cluster is None:
            return cls(uses_ray=False, cites=ray.cites, membership=ray)
        groups = ray.cluster.placement_groups
        if isinstance(groups, Missing):
            return Missing(f"Ray's placement groups were not told: {groups.reason}")
        live = [g for g in groups if g.state != "REMOVED" and gpus_of(g)]
        own = _own(evidence, ray, ray.cluster, live)
        return cls(
            uses_ray=True,
            cites=ray.cites,
            membership=ray,
            cluster=ray.cluster,
            own=own,
            others=tuple(g for g in live if g not in own),
            removed=sum(g.state == "REMOVED" for g in groups),
            size=_size(evidence),
            copies=max(evidence.intent.dp or 1, 1),
            gpus=ray.gpus_expected,
            aside=_aside(evidence),
            gaps=(*ray.gaps, *_untold(ray.cluster)),
        )


def placed(group: PlacementGroup) -> list[str]:
    """The node of each GPU bundle that is placed."""
    return [b.node_id for b in group.bundles if b.gpus and b.node_id]


def gpus_of(group: PlacementGroup) -> float:
    """How many GPUs the group asks for."""
    return sum(b.gpus for b in group.bundles)


def width(group: PlacementGroup) -> int:
    """How many workers the group is for: bundles may have a part of a GPU, or several."""
    return max(sum(bool(b.gpus) for b in group.bundles), int(gpus_of(group)))


def pinned(group: PlacementGroup) -> str:
    """The address that a bundle is tied to (vLLM ties the first to its driver's); or empty."""
    every = (b.pinned_ip for b in group.bundles if not b.pinned_ip.startswith("__"))
    return next(filter(None, every), "")


def named(group: PlacementGroup) -> str:
    """`placement group old-engine`, or the start of its id where it has no name."""
    return f"placement group {group.name or group.id[:12]}"


def is_starting(actor: RayActor) -> bool:
    """Asked for and not yet ready."""
    return actor.state in _STARTING


def is_leaked(groups: EngineGroups, group: PlacementGroup) -> bool:
    """Detached, so that its creator's end does not end it, and nobody is left who uses it.

    Ray takes a group for orphaned when both its job and its creating actor are dead; a driver
    that is no actor counts as a dead one, and a detached actor's job as a dead job
    (`PlacementGroupSpecBuilder`), so each alone means nothing.
    """
    orphaned = group.creator_job_dead and group.creator_actor_dead
    by_driver = group.creator_actor_dead and not groups.runs(group)
    return group.detached and (orphaned or by_driver)


def _size(evidence: Evidence) -> int | None:
    """TP x PP; where Ray alone was asked, the world that its caller expects."""
    intent = evidence.intent
    return None if "tp" in intent.assumed else intent.world_size or intent.ranks


def _own(
    evidence: Evidence, ray: RayMembership, cluster: RayCluster, live: Sequence[PlacementGroup]
) -> tuple[PlacementGroup, ...]:
    ips = {n.id: n.ip for n in cluster.nodes}
    alive = {n.ip for n in cluster.nodes if n.alive}
    ours = {p.ip for p in evidence.pods} | {r.ip for m in ray.expected for r in m.rows}
    found = []
    for group in live:
        where = {ips.get(node, "") for node in placed(group)}
        where |= {pinned(group)} & alive
        if not evidence.pods or not where or where & ours:
            found.append(group)
    size = _size(evidence)
    exact = [g for g in found if width(g) == size and not g.detached]
    chosen = exact or [g for g in found if not g.detached] or found
    wanted = ray.gpus_expected if size is None else size * max(evidence.intent.dp or 1, 1)
    return _without_waiting(chosen, cluster, wanted)


def _without_waiting(
    found: Sequence[PlacementGroup], cluster: RayCluster, wanted: int | None
) -> tuple[PlacementGroup, ...]:
    """Where whole engines work in as much as is wanted, what waits anywhere is another job's."""
    actors = () if isinstance(cluster.actors, Missing) else cluster.actors
    alive = Counter(a.placement_group for a in actors if a.state == "ALIVE")
    at_work = [g for g in found if g.state == "CREATED" and alive[g.id] >= len(placed(g)) > 0]
    if wanted is None or sum(map(width, at_work)) < wanted:
        return tuple(found)
    return tuple(g for g in found if g.state != "PENDING" or placed(g) or pinned(g))


def _aside(evidence: Evidence) -> Cite | None:
    executor = evidence.intent.executor
    if executor in (None, "ray"):
        return None
    where = evidence.intent.sources.get("executor", "intent")
    return Cite(f"the engine's executor is {executor}", where)


def _untold(cluster: RayCluster) -> Iterator[str]:
    if isinstance(cluster.actors, Missing):
        yield f"Ray's actors: {cluster.actors.reason}"
