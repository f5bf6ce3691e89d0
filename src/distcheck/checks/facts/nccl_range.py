"""What shows that ports which the kernel picks at random, as NCCL has it do, can be reached.

NCCL, gloo and ZeroMQ bind port 0, so theirs are from `ip_local_port_range` of the pod that
listens (NCCL src/misc/socket.cc). Single ports that are known and open, such as Ray's, say
nothing of these.
"""

from collections.abc import Collection, Iterable, Mapping

from distcheck.checks.evidence import Cite, Connection, Missing, Pod, PodLook, PortProbes

_FIRST = 32_768
"""Where the range begins unless somebody set it (ip-sysctl.rst)."""


def accepted(looks: Mapping[str, PodLook], source: Pod, target: Pod) -> tuple[Cite, ...]:
    """A connection that `target` took from `source`, at whatever port, if one is there."""
    taken = (c for c in _between(looks[target.key], target, source) if c.accepted)
    return _shown(source, target, taken, "")


def accepted_in_range(
    looks: Mapping[str, PodLook], known: Collection[int], source: Pod, target: Pod
) -> tuple[Cite, ...]:
    """One that `target` took at a port of the range that is of no `known` service."""
    into = _ephemeral(looks, known, target, source)
    return _shown(source, target, (c for c in into if c.accepted), "")


def unclear_in_range(
    looks: Mapping[str, PodLook], known: Collection[int], source: Pod, target: Pod
) -> tuple[Cite, ...]:
    """A connection at such ports of which nobody knows who opened it."""
    into, out = (_ephemeral(looks, known, a, b) for a, b in ((target, source), (source, target)))
    back = {(c.remote_port, c.local_port) for c in out if c.accepted}
    unclear = [c for c in into if not c.accepted and (c.local_port, c.remote_port) not in back]
    unclear += [c for c in out if not c.accepted]
    return _shown(source, target, unclear, ", but who called is not known")


def _between(look: PodLook, here: Pod, there: Pod) -> list[Connection]:
    return [c for c in look.connections if (c.local, c.remote) == (here.ip, there.ip)]


def _ephemeral(
    looks: Mapping[str, PodLook], known: Collection[int], here: Pod, there: Pod
) -> list[Connection]:
    first = min(_range_of(looks[here.key])[0], _range_of(looks[there.key])[0])
    between = _between(looks[here.key], here, there)
    return [c for c in between if _is_ephemeral(c, first, known)]


def _is_ephemeral(one: Connection, first: int, known: Collection[int]) -> bool:
    ports = (one.local_port, one.remote_port)
    return min(ports) >= first and not any(p in known for p in ports)


def _shown(source: Pod, target: Pod, found: Iterable[Connection], more: str) -> tuple[Cite, ...]:
    one = next(iter(found), None)
    if one is None:
        return ()
    ends = f"{one.local}:{one.local_port} and {one.remote}:{one.remote_port}"
    what = f"{source.name} to {target.name}: {ends} are connected{more}"
    return (Cite(what, f"/proc/net/tcp of the pod with {one.local}"),)


def _range_of(look: PodLook) -> tuple[int, int]:
    found = look.ports.ephemeral if isinstance(look.ports, PortProbes) else None
    return found or (_FIRST, 60_999)


def ephemeral(look: PodLook) -> str:
    """` 32768-60999`, the range of one pod; empty where it was not read."""
    ports = look.ports
    found = ports.ephemeral if isinstance(ports, PortProbes) else None
    return f" {found[0]}-{found[1]}" if found else ""


def why_no_range(looks: Mapping[str, PodLook], source: Pod, target: Pod) -> str:
    """Why no listener of an agent was tried, in words to stand after a sentence."""
    ports = looks[source.key].ports
    if isinstance(ports, Missing):
        return f" ({ports.reason})"
    why = ports.unlistened.get(target.key)
    return f" ({why})" if why else ""
