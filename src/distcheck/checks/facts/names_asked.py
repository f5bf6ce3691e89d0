"""By which names the pods of the group meet, and which of them were looked up."""

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence

from distcheck.checks.evidence import Cite, Evidence, Missing, PodLook
from distcheck.checks.evidence.policy import NameWanted
from distcheck.checks.evidence.rendezvous import NameLookup, NameLookups


def is_address(name: str) -> bool:
    """Whether it is an IP address, which needs no look-up."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def looked_up(look: PodLook) -> tuple[NameLookup, ...]:
    """The names that were looked up in a pod's namespace."""
    return look.names.lookups if isinstance(look.names, NameLookups) else ()


_BY_POD = "_names_wanted_by_pod"


def wanted(evidence: Evidence) -> tuple[NameWanted, ...]:
    """What specs say of names."""
    return () if isinstance(evidence.services, Missing) else evidence.services.wanted


def wanted_of(evidence: Evidence, key: str) -> tuple[NameWanted, ...]:
    """What the spec of one pod says of names; sorted by pod once for each evidence."""
    by_pod: dict[str, tuple[NameWanted, ...]] | None = evidence.__dict__.get(_BY_POD)
    if by_pod is None:
        by_pod = evidence.__dict__[_BY_POD] = {}
        for one in wanted(evidence):
            by_pod[one.pod] = (*by_pod.get(one.pod, ()), one)
    return by_pod.get(key, ())


def names_to_ask(
    evidence: Evidence, hosts: Mapping[str, Collection[str]] | None = None
) -> dict[str, str]:
    """By the key of each pod that joins by a name which a name server has to know: that name.

    None that the pod's own `hosts` has: as its look-up showed, or by key in `hosts`.
    """
    fixed = {(key, name.lower()) for key, names in (hosts or {}).items() for name in names}
    looked = [(p.key, x) for p in evidence.pods for x in looked_up(evidence.look(p))]
    fixed |= {(k, x.name.lower()) for k, x in looked if x.outcome == "resolved" and not x.asked}
    declared = ((w.pod, w.name) for w in wanted(evidence))
    every = (*((key, x.name) for key, x in looked), *declared)
    return {k: n for k, n in every if not is_address(n) and (k, n.lower()) not in fixed}


_ANSWERED = ("resolved", "no_such_name", "no_address")


def asked_dns(evidence: Evidence, keys: Sequence[str]) -> Iterator[Cite]:
    """That a name server answered one of these pods."""
    for look in (evidence.look(p) for k in keys if (p := evidence.pod(k))):
        for one in looked_up(look):
            if one.outcome in _ANSWERED and one.asked:
                yield lookup_cite(look, one)


def unanswered(evidence: Evidence, keys: Sequence[str]) -> Iterator[Cite]:
    """That no name server answered one of these pods."""
    for look in (evidence.look(p) for k in keys if (p := evidence.pod(k))):
        yield from (lookup_cite(look, one) for one in looked_up(look) if one.outcome == "no_answer")


def lookup_cite(look: PodLook, one: NameLookup) -> Cite:
    """One look-up in words: `vllm-worker-0: vllm-head-0.vllm-head is 10.0.0.2`."""
    found = ", ".join(one.addresses) or one.detail or one.outcome.replace("_", " ")
    seen = look.names
    source, at = (seen.source, seen.seen_at) if isinstance(seen, NameLookups) else ("", None)
    return Cite(f"{look.pod.partition('/')[2]}: {one.name} ({one.used_for}): {found}", source, at)
