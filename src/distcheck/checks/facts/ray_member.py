"""One node that is in Ray, was, or should be: all rows of the node table at one address."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from distcheck.checks.evidence import Pod, RayCluster
from distcheck.checks.evidence.ray import RayNode


class RayMember(Struct, frozen=True):
    """A pod or an address, and Ray's rows for it.

    `rows` are those that are not DEAD (more than one means that the address is registered
    twice), `dead` the DEAD ones, newest first: history, as long as there is a row.
    `gpus` is what the pod asks for, 0 where that is not known, and `seats` how many rows may be
    here: pods without GPUs may share an address. `elsewhere` is the address of
    another GCS of the same group that has it ALIVE.
    """

    name: str
    ip: str | None
    gpus: int = 0
    rows: tuple[RayNode, ...] = ()
    dead: tuple[RayNode, ...] = ()
    is_pod: bool = False
    elsewhere: str = ""
    seats: int = 1

    @property
    def label(self) -> str:
        """How messages name it: `vllm-worker-0 (127.77.0.3)`."""
        if self.name == self.ip:
            return self.name
        return f"{self.name} ({self.ip or 'no IP yet'})"

    @property
    def misplaced(self) -> tuple[RayNode, ...]:
        """Rows of this pod's host name at an address that is not the pod's."""
        return tuple(r for r in self.rows if self.is_pod and r.ip != self.ip)

    @property
    def registered(self) -> float:
        """GPUs that it has brought to Ray."""
        return sum(row.gpus for row in self.rows)

    @property
    def plight(self) -> str:
        """Why it is not in Ray, in words."""
        if self.elsewhere:
            return f"{self.label} is in another Ray cluster ({self.elsewhere})"
        if self.dead and self.dead[0].ip == self.ip:
            return f"{self.label} is DEAD{_because(self.dead[0])}{self._again}"
        if self.dead:
            return f"{self.label} never joined; as {self.dead[0].ip} it is DEAD"
        return f"{self.label} never joined"

    @property
    def _again(self) -> str:
        """A pod that joins and dies again and again is one that the head cannot reach."""
        times = sum(row.ip == self.ip for row in self.dead)
        return f"; it joined and died {times} times" if times >= _FLAPS else ""

    @property
    def died(self) -> bool:
        """It had joined under the address that it has now, and GCS lists it as DEAD."""
        return bool(self.dead) and self.dead[0].ip == self.ip and not self.elsewhere

    @property
    def cause(self) -> str:
        """`node_dead` where it had joined, else `node_missing`."""
        return "node_dead" if self.died else "node_missing"


_FLAPS = 3


def _because(row: RayNode) -> str:
    return f": {row.death}" if row.death else ""


def member_of(
    pod: Pod, cluster: RayCluster, rest: Iterable[RayCluster], mates: Sequence[Pod] = ()
) -> RayMember:
    """The pod's rows by its IP, else by its host name: Ray may have been given another IP.

    `mates` are all pods of that IP, this one among them, where they share their host's.
    """
    own = cluster.by_ip.get(pod.ip, []) if pod.ip is not None else []
    same = cluster.by_hostname.get(pod.name, [])
    gone = [n for n in own if n.state == "DEAD"] or [n for n in same if n.state == "DEAD"]
    here = [n for n in own if n.state != "DEAD"]
    here = _shared(here, mates)[pod.key] if len(mates) > 1 else here
    rows = here or [n for n in same if n.state != "DEAD"]
    return RayMember(
        name=pod.name,
        ip=pod.ip,
        gpus=pod.gpus,
        rows=tuple(rows),
        dead=newest(gone),
        is_pod=True,
        elsewhere=next((c.address for c in rest if _has(c, pod, cluster)), ""),
    )


def _shared(rows: Sequence[RayNode], pods: Sequence[Pod]) -> dict[str, list[RayNode]]:
    """One row for each pod, by as many GPUs first; what is beyond their number is the first's."""
    found: dict[str, list[RayNode]] = {p.key: [] for p in sorted(pods, key=lambda p: -p.gpus)}
    gpus = {p.key: p.gpus for p in pods}
    left = list(rows)
    for exactly in (True, False):
        for key in (k for k, own in found.items() if not own):
            one = next((r for r in left if not exactly or r.gpus == gpus[key]), None)
            if one is not None:
                found[key].append(one)
                left.remove(one)
    next(iter(found.values())).extend(left)
    return found


def _has(other: RayCluster, pod: Pod, chosen: RayCluster) -> bool:
    joined = any(n.alive and n.ip == pod.ip for n in other.nodes)
    return joined and other.cluster_id not in ("", chosen.cluster_id)


def newest(nodes: Iterable[RayNode]) -> tuple[RayNode, ...]:
    """By when they ended."""
    return tuple(sorted(nodes, key=lambda n: -n.end_ms))


def in_words(nodes: int) -> str:
    """`1 node`, `2 nodes`."""
    return f"{nodes} node{'' if nodes == 1 else 's'}"


def is_loopback(address: str) -> bool:
    """127.0.0.0/8, ::1 or `localhost`, alone or before a port."""
    return address.startswith(("127.", "::1", "localhost"))
