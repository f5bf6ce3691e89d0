"""RAY002."""

from distcheck.checks.check import check
from distcheck.checks.facts.ray import RayMembership
from distcheck.checks.facts.ray_join import RayJoins
from distcheck.checks.facts.ray_member import RayMember, in_words
from distcheck.checks.knowledge.names import alike, few
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned


@check("RAY002")
def all_gpus(ray: RayMembership, joins: RayJoins) -> Verdict:
    """Ray has all GPUs of the group.

    Proves:
        The ALIVE nodes have registered as many GPUs as the group asks for, each pod its own
        number. It does not prove that the engine uses them, nor that they are healthy:
        Ray believes the number that `ray start` was told.

    Causes:
        node_missing: a node that the group should have never joined, so its GPUs are not there
        node_dead: the node that brought them is DEAD
        node_gpu_short: a node joined with fewer GPUs than its pod asks for
        duplicate_node_ip: one pod's GPUs are registered more than once
        unexpected_gpus: a node joined with more GPUs than its pod asks for: Ray may place
            ranks on GPUs that the pod does not have

    Remedy:
        Bring the named node back (see RAY001). Where it joined with too few or too many GPUs, look
        at the `--num-gpus` of its `ray start`, and at what `nvidia-smi -L` shows in that
        container: Ray counts what CUDA_VISIBLE_DEVICES and the driver show at its start.
    """
    if not ray.uses_ray:
        return skipped("the group does not use Ray", ray.cites)
    if ray.gpus_expected is None:
        have = f"Ray has {ray.gpus:g} GPUs on {in_words(ray.nodes)}"
        return unknown(f"{have}; nothing says how many it should have", ray.cites)
    steps = (_absent, _short, _lacking, _twice, _beyond)
    found = (step(ray, joins) for step in steps)
    return next((verdict for verdict in found if verdict is not None), None) or _pass(ray)


def _absent(ray: RayMembership, joins: RayJoins) -> Verdict | None:
    gone = ray.absent
    if not gone or (ray.gpus >= (ray.gpus_expected or 0) and not any(m.gpus for m in gone)):
        return None
    return _fail(ray, gone, gone[0].cause, "; ".join(alike(map(joins.plight, gone))))


def _short(ray: RayMembership, joins: RayJoins) -> Verdict | None:
    short = tuple(m for m in ray.expected if m.registered < m.gpus)
    if not short:
        return None
    why = (f"{m.label} brought {m.registered:g} of its {m.gpus}{_told(m, joins)}" for m in short)
    return _fail(ray, short, "node_gpu_short", "; ".join(alike(why)))


def _told(member: RayMember, joins: RayJoins) -> str:
    """Where `ray start` itself told its raylet that number, the fault is before Ray."""
    told = joins.claims.get(member.name)
    if told is None or told != member.registered:
        return ""
    return f": its `ray start` found or was given {told:g}"


def _lacking(ray: RayMembership, _: RayJoins) -> Verdict | None:
    """Fewer in all than asked for, though no pod known to us is short."""
    if ray.gpus >= (ray.gpus_expected or 0):
        return None
    short = None if ray.nodes_expected is None else ray.nodes_expected - ray.nodes
    lost = tuple(m for m in ray.others if not m.rows) if short is None or short > 0 else ()
    if lost:
        return _fail(ray, lost, "node_dead", few([m.plight for m in lost], "; "))
    if short is not None and short > 0:
        return _fail(ray, (), "node_missing", f"{in_words(short)} never joined")
    why = ", ".join(f"{m.label} brought {m.registered:g}" for m in ray.members if m.rows)
    return _fail(ray, (), "node_gpu_short", why)


def _twice(ray: RayMembership, _: RayJoins) -> Verdict | None:
    both = tuple(m for m in ray.expected if len(m.rows) > 1 and m.registered > m.gpus > 0)
    if not both:
        return None
    why = (f"{m.label} has {m.gpus} and registered {m.registered:g}" for m in both)
    return _fail(ray, both, "duplicate_node_ip", "; ".join(why))


def _beyond(ray: RayMembership, _: RayJoins) -> Verdict | None:
    """One row with more GPUs than its pod has: `ray start` was told a wrong number."""
    many = tuple(m for m in ray.expected if m.registered > m.gpus > 0)
    if not many:
        return None
    why = "; ".join(f"{m.label} has {m.gpus} and registered {m.registered:g}" for m in many)
    says = f"{_count(ray)}: {why}"
    return warned(says, "unexpected_gpus", ray.cites, [m.name for m in many])


def _fail(ray: RayMembership, who: tuple[RayMember, ...], cause: str, why: str) -> Verdict:
    return failed(f"{_count(ray)}: {why}", cause, ray.cites, [m.name for m in who])


def _pass(ray: RayMembership) -> Verdict:
    says = f"{_count(ray)} on {in_words(ray.nodes)}"
    if ray.draining:
        says += f"; Ray drains {few([m.label for m in ray.draining])}"
    return passed(says, ray.cites, [m.name for m in ray.members if m.rows])


def _count(ray: RayMembership) -> str:
    return f"Ray has {ray.gpus:g} of {ray.gpus_expected} GPUs"
