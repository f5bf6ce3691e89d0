"""Who talks over what, in one sentence or two."""

from collections.abc import Sequence

from distcheck.checks.knowledge.networks import is_gdr, network_of
from distcheck.checks.knowledge.rank_ranges import rank_words
from distcheck.checks.logs_gdr import GdrShare
from distcheck.checks.logs_pairs import HostPair, OddChannels

_ELSEWHERE = "a host whose log is not here"
_MOST_ODD = 4
_MOST_SIZES = 6
_SUFFIXES = ("/GDRDMA(PCI)", "/GDRDMA", "/Shared")


def traffic(
    pairs: Sequence[HostPair],
    odd: Sequence[OddChannels],
    between: Sequence[str] = (),
    shares: Sequence[GdrShare] = (),
) -> list[str]:
    """One sentence where all pairs of hosts are alike; else most of them, then the odd ones."""
    kinds: dict[str, list[HostPair]] = {}
    for pair in pairs:
        kinds.setdefault(_over(pair), []).append(pair)
    if not kinds:
        return _unplaced(between)
    if len(pairs) <= 2 and len(kinds) > 1:
        each = [f"{_host(p.from_host)} to {_host(p.to_host)}: {_over(p)}" for p in pairs]
        return each + _by_size(odd, shares)
    over, most = max(kinds.items(), key=lambda kind: len(kind[1]))
    total = _links(pairs)
    if len(kinds) == 1:
        return [f"{_who(most, total)}: {over}", *_odd(odd, shares)]
    rest = [p for p in pairs if _over(p) != over]
    odd = [one for one in odd if _named(one.transport) != over]
    first = f"{len(pairs) - len(rest)} of {len(pairs)} directions between hosts: {over}"
    return [first, *(_odd(odd, shares) or _differing(rest))]


def _unplaced(between: Sequence[str]) -> list[str]:
    """Transports between hosts of which no line tells whose they are."""
    named = ", ".join(map(_named, between))
    return [f"between hosts {named}; which ranks these are is not clear"] if named else []


def _differing(rest: Sequence[HostPair]) -> list[str]:
    shown = [f"{_host(p.from_host)} to {_host(p.to_host)}: {_over(p)}" for p in rest[:_MOST_ODD]]
    return shown + _more(len(rest))


def _odd(odd: Sequence[OddChannels], shares: Sequence[GdrShare]) -> list[str]:
    """What is true of ranks by rank; what is true of a part of their channels by size."""
    whole = [one for one in odd if not (one.partly and shares)]
    shown = [
        f"{rank_words(one.ranks)} on {one.host}: {_named(one.transport)}{_way(one)}"
        for one in whole[:_MOST_ODD]
    ]
    return shown + _more(len(whole)) + _by_size(odd, shares)


def _by_size(odd: Sequence[OddChannels], shares: Sequence[GdrShare]) -> list[str]:
    """How much has GPUDirect in communicators of each size, where one rank has both."""
    if not shares or not any(one.partly for one in odd):
        return []
    counts = [f"of {_size(s)}: {s.direct} of {s.lines}" for s in shares[:_MOST_SIZES]]
    rest = len(shares) - _MOST_SIZES
    more = f"; and {rest} more sizes" if rest > 0 else ""
    return [f"GPUDirect on channel lines of communicators {'; '.join(counts)}{more}"]


def _size(share: GdrShare) -> str:
    return "unknown size" if share.nranks is None else f"{share.nranks} ranks"


def _more(count: int) -> list[str]:
    return [f"and {count - _MOST_ODD} more (-o json has all)"] if count > _MOST_ODD else []


def _way(one: OddChannels) -> str:
    ways = {"send": " for what it sends", "receive": " for what it receives"}
    return ways[one.directions[0]] if len(one.directions) == 1 else ""


def _links(pairs: Sequence[HostPair]) -> set[frozenset[str | None]]:
    return {frozenset((p.from_host, p.to_host)) for p in pairs}


def _who(pairs: Sequence[HostPair], links: set[frozenset[str | None]]) -> str:
    if len(links) > 1:
        unknown = any(None in link for link in links)
        return f"all {len(links)} host pairs" + (f" ({_ELSEWHERE} among them)" if unknown else "")
    first = pairs[0]
    if first.from_host == first.to_host:
        return f"within {_host(first.from_host)}"
    here, there = sorted((_host(first.from_host), _host(first.to_host)), key=_ELSEWHERE.__eq__)
    return f"{here} and {there}"


def _host(name: str | None) -> str:
    return _ELSEWHERE if name is None else name


def _over(pair: HostPair) -> str:
    """`NET/IB with GPUDirect`: the transports of one direction between two hosts."""
    kinds: dict[str, set[bool]] = {}
    for transport in pair.transports:
        kinds.setdefault(_kind(transport), set()).add(is_gdr(transport))
    return ", ".join(kind + _gdr(kind, used, pair) for kind, used in sorted(kinds.items()))


def _gdr(kind: str, used: set[bool], pair: HostPair) -> str:
    if not kind.startswith("NET/") or kind == "NET/Socket":
        return ""
    if len(used) == 1:
        return " with GPUDirect" if True in used else " without GPUDirect"
    if pair.gdr_send and pair.gdr_receive is False:
        return " with GPUDirect at the sender only"
    if pair.gdr_receive and pair.gdr_send is False:
        return " with GPUDirect at the receiver only"
    return " with GPUDirect on a part only"


def _named(transport: str) -> str:
    kind = _kind(transport)
    plain = not transport.startswith("NET/") or network_of(transport) == "Socket"
    return kind if plain else f"{kind} {'with' if is_gdr(transport) else 'without'} GPUDirect"


def _kind(transport: str) -> str:
    for suffix in _SUFFIXES:
        transport = transport.replace(suffix, "")
    return transport
