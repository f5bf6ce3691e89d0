"""Members of Ray at no pod with GPUs: rows by address or by raylet, and which replaced which."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from distcheck.checks.evidence import Evidence
from distcheck.checks.evidence.ray import RayNode
from distcheck.checks.facts.ray_member import RayMember, newest


def others_of(
    evidence: Evidence, left: list[RayNode], is_local: bool, wanted: int | None
) -> tuple[RayMember, ...]:
    """What is at no pod with GPUs: by address; by row where that is one host's, as in tests."""
    if is_local and len({n.ip for n in left}) == 1 < len(left):
        return members_by_id(left)
    if not evidence.pods:
        return members_on_hosts(left, wanted or 0)
    seats = Counter(p.ip for p in evidence.pods if p.ip and not p.gpus)
    return members_by_address(left, seats)


def members_by_address(nodes: Iterable[RayNode], pods: Mapping[str, int]) -> tuple[RayMember, ...]:
    """One member for each address, in the table's order; `pods` says how many have it."""
    return tuple(_of_ip(ip, rows, pods.get(ip, 0)) for ip, rows in _by_ip(nodes))


def _by_ip(nodes: Iterable[RayNode]) -> Iterable[tuple[str, list[RayNode]]]:
    by_ip: dict[str, list[RayNode]] = {}
    for node in nodes:
        by_ip.setdefault(node.ip, []).append(node)
    return by_ip.items()


def _of_ip(ip: str, nodes: Sequence[RayNode], pods: int = 0) -> RayMember:
    rows = tuple(n for n in nodes if n.state != "DEAD")
    dead = newest(n for n in nodes if n.state == "DEAD")
    name = (rows or dead)[0].hostname or ip
    return RayMember(name, ip, 0, rows, dead, pods > 0, seats=max(pods, 1))


def members_on_hosts(nodes: Sequence[RayNode], wanted: int) -> tuple[RayMember, ...]:
    """As `members_by_address`, but with one for each raylet of a host that has several.

    Where Ray has no more nodes than the `wanted` ones, several of one address and host name
    are no mistake. One that is DEAD is lost where a raylet beside it is older than its end.
    """
    few = sum(n.state != "DEAD" for n in nodes) <= wanted
    found: list[RayMember] = []
    for ip, rows in _by_ip(nodes):
        apart = few and _is_one_host(rows)
        found += members_by_id(rows) if apart else [_of_ip(ip, rows)]
    return tuple(found)


def _is_one_host(rows: Sequence[RayNode]) -> bool:
    """Several rows of one host name, of which one at least is not DEAD."""
    alive = any(r.state != "DEAD" for r in rows)
    return alive and len(rows) > 1 and len({r.hostname for r in rows}) == 1


def members_by_id(nodes: Sequence[RayNode]) -> tuple[RayMember, ...]:
    """One member for each row, where all of them share one address.

    A DEAD row is history where a row began after its end.
    """
    rows = [n for n in nodes if n.state != "DEAD"]
    dead = [n for n in nodes if n.state == "DEAD"]
    alone = [RayMember(n.id[:12], n.ip, 0, (n,)) for n in rows]
    return (*alone, *(RayMember(n.id[:12], n.ip, 0, (), (n,)) for n in not_replaced(nodes, dead)))


def not_replaced(rows: Iterable[RayNode], dead: Iterable[RayNode]) -> list[RayNode]:
    """Those of `dead` that are left, the newest first, where each of `rows` replaces one.

    A row replaces one that ended before it began; a head replaces no worker, nor the reverse.
    """
    every, gone = list(rows), list(dead)
    left: list[RayNode] = []
    for kind in (True, False):
        ended = sorted((d for d in gone if d.is_head is kind and d.end_ms > 0), key=_end)
        replaced = 0
        for began in sorted(r.start_ms for r in every if r.is_head is kind):
            replaced += replaced < len(ended) and ended[replaced].end_ms <= began
        left += [*ended[replaced:], *(d for d in gone if d.is_head is kind and d.end_ms <= 0)]
    return list(newest(left))


def _end(row: RayNode) -> int:
    return row.end_ms
