"""Why the hosts whose channels use sockets do so, host by host."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from msgspec import Struct

from distcheck.checks.evidence import Cite, NcclLog
from distcheck.checks.facts.nccl_gdr import of_hosts
from distcheck.checks.knowledge import transport_causes
from distcheck.checks.knowledge.transport_remedies import SOCKETS

_MOST = 3


class Because(Struct, frozen=True):
    """The first cause of sockets; `says` ends a sentence, and is empty where no line says why."""

    cause: str | None = None
    says: str = ""
    cites: tuple[Cite, ...] = ()
    remedy: str | None = None


def sockets_because(log: NcclLog, hosts: Collection[str]) -> Because:
    """Why `hosts` talk over sockets; where no line of theirs says so, why others chose them."""
    found = _by_cause(log, hosts)
    if not found:
        return Because()
    shared = len(found) == 1 and set(hosts) <= set(*found.values())
    because = (SOCKETS[c].short + ("" if shared else f" on {_named(h)}") for c, h in found.items())
    remedies = (
        ("" if shared else f"On {_named(h)}: ") + SOCKETS[c].remedy for c, h in found.items()
    )
    return Because(
        cause=next(iter(found)),
        says=f" because {'; '.join(because)}",
        cites=tuple(cite for cause, own in found.items() for cite in _cites(log, cause, own)),
        remedy=" ".join(remedies),
    )


def _by_cause(log: NcclLog, hosts: Collection[str]) -> dict[str, list[str]]:
    """Hosts by cause, at most three causes."""
    every = transport_causes.socket_fallback_causes(log)
    own = {h: c for h, c in every.items() if h in hosts} or every
    found: dict[str, list[str]] = defaultdict(list)
    for host in sorted(own):
        found[own[host]].append(host)
    return dict(list(found.items())[:_MOST])


def _cites(log: NcclLog, cause: str, hosts: Collection[str]) -> Iterable[Cite]:
    """The lines of these hosts; of any, where Ray folded equal lines of several into one."""
    said = log if log.folded else of_hosts(log, hosts)
    lines = transport_causes.cause_lines(said, cause)
    return [Cite(words, source) for words, source in lines[:_MOST]]


def _named(hosts: list[str]) -> str:
    more = f" and {len(hosts) - _MOST} more" if len(hosts) > _MOST else ""
    return f"{', '.join(hosts[:_MOST])}{more}"
