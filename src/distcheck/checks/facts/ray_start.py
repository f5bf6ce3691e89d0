"""One pod's `ray start`: what it says, where it goes, and what is in the way. One step a reason."""

from msgspec import Struct

from distcheck.checks.evidence import Cite, PortProbe
from distcheck.checks.evidence.ray import LocalRaylet, LocalStart, RayLocal
from distcheck.checks.evidence.ray_log import RaySaid
from distcheck.checks.evidence.rendezvous import NameLookup
from distcheck.checks.facts.age import unix_ms
from distcheck.checks.facts.ray_head import Head, Reason, host_port
from distcheck.checks.facts.ray_member import is_loopback
from distcheck.checks.knowledge.ray_remedies import REMEDIES

_JITTER_MS = 5000
_BLOCKED = {
    "filtered": "gets no answer from {}: the packets are dropped on the way",
    "rejected": "is rejected on its way to {}",
    "refused": "reaches {}, where nothing listens",
}
_UNRESOLVED = {
    "no_such_name": "there is no such name",
    "no_address": "the name has no address",
    "no_answer": "no name server answers",
}
_OPEN_PORT = (
    "Allow TCP from this pod to the head's port, and from the head to all ports of this pod: look "
    "for NetworkPolicies on either, then at the nodes' firewalls and security groups."
)


class Witnesses(Struct, frozen=True):
    """All that speaks for one pod that Ray does not have."""

    name: str
    local: RayLocal | None
    said: dict[str, RaySaid]
    lookups: tuple[NameLookup, ...]
    probes: tuple[PortProbe, ...]
    head: Head
    services: frozenset[str] | None = None
    version: str = ""
    cluster_id: str = ""
    seen_at: str | None = None
    probed_at: str | None = None
    names_at: str | None = None

    @property
    def start(self) -> LocalStart | None:
        """The `ray start` that has not got through."""
        waiting = () if self.local is None else self.local.waiting
        return next((s for s in waiting if not s.is_head), None)

    @property
    def raylet(self) -> LocalRaylet | None:
        """The raylet that runs though Ray does not have it."""
        return next(iter(() if self.local is None else self.local.raylets), None)

    @property
    def address(self) -> str:
        """The head that it goes to: by its command line, else by its log; or empty."""
        told = self.said.get("gcs_not_reached")
        if self.start is not None and self.start.address:
            return self.start.address
        return "" if told is None else told.address

    def line(self, *kinds: str) -> RaySaid | None:
        """The line of the first of these kinds that the log has."""
        return next((self.said[k] for k in kinds if k in self.said), None)


def _cite(said: RaySaid) -> Cite:
    count = f" ({said.count} times)" if said.count > 1 else ""
    return Cite(f"{said.says}{count}", said.source, said.seen_at)


def _restarted(seen: Witnesses) -> Reason | None:
    """A head without a database that restarts forgets its nodes, and refuses their raylets."""
    raylet, told = seen.raylet, seen.line("gcs_restarted")
    if raylet is not None and _of_another_cluster(seen, raylet):
        where = raylet.gcs_address or "another head"
        what = f"raylet {raylet.pid} of {seen.name} is of cluster {raylet.cluster_id[:12]}"
        cite = Cite(what, seen.local.source if seen.local else "", seen.seen_at)
        if host_port(where) not in seen.head.addresses and where != "another head":
            return Reason("wrong_address", f"is in another Ray, at {where}", (cite,))
        says = "is still in the Ray of before the head restarted"
        return Reason("gcs_restarted", says, (cite,), _RESTART)
    started = None if raylet is None else raylet.started_at
    began = unix_ms(started)
    if began is not None and seen.head.started_ms > began + _JITTER_MS:
        cite = Cite(f"a raylet of {seen.name} runs since {started}", "/proc", seen.seen_at)
        says = "joined before the head restarted, which has forgotten it"
        return Reason("gcs_restarted", says, (cite,), _RESTART)
    if told is None:
        return None
    says = "was refused by the head, which restarted and has forgotten it"
    return Reason("gcs_restarted", says, (_cite(told),), _RESTART)


_RESTART = (
    "Restart the worker's pod: its raylet ends by itself about a minute after the head. For heads "
    "that restart, give GCS a database (RAY_REDIS_ADDRESS, KubeRay's gcsFaultToleranceOptions)."
)


def _of_another_cluster(seen: Witnesses, raylet: LocalRaylet) -> bool:
    return bool(raylet.cluster_id and seen.cluster_id) and raylet.cluster_id != seen.cluster_id


def _versions(seen: Witnesses) -> Reason | None:
    told = seen.line("version_mismatch", "kv_unread")
    own = ("", "") if seen.local is None else (seen.local.ray_version, seen.local.python_version)
    head = (seen.version or seen.head.ray, seen.head.python)
    if told is not None and told.id == "version_mismatch" and any(told.head):
        own, head = told.own, told.head
    differ = [
        f"{what} {mine}, the head {theirs}"
        for what, mine, theirs in zip(("Ray", "Python"), own, head, strict=True)
        if _differ(mine, theirs)
    ]
    if told is None and (not differ or seen.raylet is not None or seen.start is None):
        return None
    cites = () if told is None else (_cite(told),)
    where = "" if seen.local is None else seen.local.versions_from
    if differ and not cites:
        cites = (Cite(f"{seen.name} has {'; '.join(differ)}", where or "/proc", seen.seen_at),)
    if differ:
        says = f"has {' and '.join(differ)}"
    elif told is not None and told.id == "version_mismatch":
        says = "has another Ray or Python than the head"
    else:
        says = "cannot read what the head wrote, as with another version of Ray"
    return Reason("version_mismatch", says, cites, REMEDIES["version_mismatch"])


def _differ(mine: str, theirs: str) -> bool:
    """Whether two versions differ as far as both are told: a folder's name has two numbers."""
    pairs = zip(mine.split("."), theirs.split("."), strict=False)
    return bool(mine and theirs) and any(a != b for a, b in pairs)


def _token(seen: Witnesses) -> Reason | None:
    told = seen.line("auth_token")
    if told is None:
        return None
    says = "has no token that the head takes"
    return Reason("needs_token", says, (_cite(told),), REMEDIES["needs_token"])


def _name(seen: Witnesses) -> Reason | None:
    told = seen.line("name_unresolved")
    host, _ = host_port(seen.address)
    found = next((look for look in seen.lookups if look.name == host), None)
    bad = found is not None and found.outcome in _UNRESOLVED
    if told is None and not bad:
        return None
    if found is not None and found.outcome == "resolved":
        return None
    name = host or (told.address if told else "") or "the head's name"
    why = f": {_UNRESOLVED[found.outcome]}" if found is not None and bad else ""
    cites = [] if told is None else [_cite(told)]
    if found is not None and bad:
        cites.append(Cite(f"{name}{why}{_more(found.detail)}", found.used_for, seen.names_at))
    says = f"cannot resolve {name}{why}"
    return Reason("name_unresolved", says, tuple(cites), REMEDIES["name_unresolved"])


def _more(detail: str) -> str:
    return f" ({detail})" if detail else ""


def _address(seen: Witnesses) -> Reason | None:
    """It goes to something else than the head."""
    host, port = host_port(seen.address)
    if not host or not seen.head.addresses or host in ("auto", "local"):
        return None
    found = next((look for look in seen.lookups if look.name == host), None)
    ips = {host} if _is_ip(host) else set(found.addresses if found is not None else ())
    if not ips or (seen.services is None and found is not None) or ips & (seen.services or set()):
        return None
    beside = not ips & seen.head.ips
    to = f" ({', '.join(sorted(ips)[:3])})" if found is not None else ""
    if beside and all(map(is_loopback, ips)) and not any(map(is_loopback, seen.head.ips)):
        wrong = f"looks for the head at {host}{to}, which is itself"
    elif beside:
        wrong = f"looks for the head at {host}{to}, and it is at {seen.head.told}"
    elif port and port not in seen.head.ports:
        wrong = f"looks for the head on port {port}, and it is at {seen.head.told}"
    else:
        return None
    cite = Cite(f"{seen.name} starts Ray for {seen.address}", "command line or log", seen.seen_at)
    cause = "name_wrong" if beside and found is not None else "wrong_address"
    return Reason(cause, wrong, (cite,), REMEDIES[cause])


def _is_ip(host: str) -> bool:
    return ":" in host or all(part.isdecimal() for part in host.split("."))


def _way(seen: Witnesses) -> Reason | None:
    """It cannot reach the head's port: by its own words, and as tried from its own namespace."""
    told = seen.line("gcs_not_reached")
    tried = next((p for p in seen.probes if p.outcome in _BLOCKED), None)
    is_open = any(p.outcome == "open" for p in seen.probes)
    if tried is None and (told is None or is_open):
        return None
    cites = [] if told is None else [_cite(told)]
    where = seen.address or seen.head.told
    if tried is None:
        says = f"cannot connect to {where}"
        return Reason("gcs_unreachable", says, tuple(cites), _OPEN_PORT)
    where = f"{tried.address}:{tried.port}"
    how = _BLOCKED[tried.outcome].format(where)
    what = f"{tried.service} at {where} is {tried.outcome} {tried.detail}".strip()
    cites.append(Cite(what, f"connection tried from {seen.name}", seen.probed_at))
    return Reason("gcs_unreachable", f"{how}", tuple(cites), _OPEN_PORT)


def _no_process(seen: Witnesses) -> Reason | None:
    """Nothing of Ray runs there any more, or its start ended."""
    told = seen.line("port_taken", "start_timed_out", "process_exited", "marked_dead")
    empty = seen.local is not None and not seen.local.raylets and not seen.local.starts
    if told is not None:
        says = f"never joined: {told.says[:120]}"
        return Reason("node_missing", says, (_cite(told),))
    if not empty or seen.local is None or not seen.local.source:
        return None
    says = "never joined: no `ray start` and no raylet runs there"
    cite = Cite(f"no process of Ray in {seen.name}", seen.local.source, seen.seen_at)
    remedy = "Read the log of that pod: its `ray start` ended, or its command has none."
    return Reason("node_missing", says, (cite,), remedy)


def _waits(seen: Witnesses) -> Reason | None:
    start = seen.start
    if start is None:
        return None
    says = f"never joined: its `ray start` still tries {start.address or 'the head'}"
    cites = [Cite(f"`ray start` of {seen.name} runs, pid {start.pid}", "/proc", seen.seen_at)]
    tried = next((p for p in seen.probes if p.outcome == "open"), None)
    if tried is not None:
        where = f"{tried.address}:{tried.port}"
        now = "takes connections from there"
        by_name = not _is_ip(host_port(start.address)[0])
        says += f", and {where} {now}: look at the name" if by_name else f", which {now} now"
        cites.append(Cite(f"{where} is open", f"tried from {seen.name}", seen.probed_at))
    return Reason("node_missing", says, tuple(cites))


def _after_death(seen: Witnesses) -> Reason | None:
    """What is left of one that GCS lists as DEAD."""
    if seen.local is None or not seen.local.source:
        return None
    source = Cite(
        f"raylets of {seen.name}: {len(seen.local.raylets)}", seen.local.source, seen.seen_at
    )
    if seen.raylet is not None:
        says = "still runs its raylet, which GCS could not reach"
        return Reason("node_dead", says, (source,), _WAY_BACK)
    start = ", and its `ray start` tries again" if seen.start is not None else ""
    return Reason("node_dead", f"has no raylet any more{start}", (source,))


_WAY_BACK = (
    "Allow TCP from the head to all ports of this pod: GCS connects to each raylet every 3 s, and "
    "drops one that does not answer five times. Then restart the pod: a raylet that was dropped "
    "ends itself, and does not come back."
)
_LATER = (_restarted, _versions, _token, _name)
LATER_STARTS = (*_LATER, _after_death)
"""What keeps one that had joined from coming back."""
STARTS = (*_LATER, _address, _way, _waits, _no_process)
"""From what says it outright to what is only left; the first that applies is the reason."""
