"""Failures in NCCL's words and in its callers', told apart from noise."""

from collections.abc import Collection

from msgspec.structs import replace

from distcheck.agent.logs.nccl_comms import Where
from distcheck.agent.logs.nccl_grammar import PEER, Weight, failure_of, wrapped_of
from distcheck.checks.evidence.nccl import Failure

MAX_FAILURES = 512

_Key = tuple[str, str, int, bool]


class FailureTable:
    """All failures of one log: one entry for each id and process, with a count."""

    def __init__(self) -> None:
        self._said: dict[_Key, Failure] = {}
        self._wrapped: dict[_Key, Failure] = {}
        self.left_out = 0

    def warned(self, text: str, where: Where, number: int, *, after_end: bool) -> None:
        """Take a WARN; a symptom after all communicators of its process ended is noise."""
        form = failure_of(text)
        name = "warn" if form is None else form.id
        weight: Weight = "noise" if form is None else form.weight
        if weight == "symptom" and after_end:
            weight = "noise"
        self._put(self._said, _failure(name, weight, text, where, number))

    def wrapped(self, text: str, where: Where, number: int, *, carried: bool) -> None:
        """Take a line of a caller; `carried` marks the one after `Last error:`."""
        form = failure_of(text) if carried else None
        if form is not None:
            self._put(self._wrapped, _failure(form.id, form.weight, text, where, number))
            return
        name = wrapped_of(text)
        if name is not None:
            self._put(self._wrapped, _failure(name, "fatal", text, where, number))

    def _put(self, table: dict[_Key, Failure], new: Failure) -> None:
        key = (new.id, new.host, new.pid if new.fatal else 0, new.fatal)
        old = table.get(key)
        if old is not None:
            table[key] = replace(old, count=old.count + 1)
        elif len(table) < MAX_FAILURES:
            table[key] = new
        else:
            self.left_out += 1

    def restarted(self, process: tuple[str, int]) -> None:
        """The process of this host and pid started again: what it said before is past."""
        for key, one in list(self._said.items()):
            if one.fatal and (one.host, one.pid) == process:
                del self._said[key]
                says = f"{one.says} (before the process started again)"
                past = replace(one, fatal=False, says=says)
                self._put(self._said, past)

    def result(self, hosts: Collection[str]) -> tuple[Failure, ...]:
        """By line. A caller's words stand only where NCCL itself says nothing fatal."""
        said = [f for f in self._said.values() if f.host in hosts or f.fatal]
        if not any(f.fatal for f in said):
            said += _first_causes(self._wrapped)
        return tuple(sorted(said, key=lambda f: f.line))


def _first_causes(table: dict[_Key, Failure]) -> list[Failure]:
    """NCCL's own words, where the caller repeats them, instead of the caller's."""
    named = [f for f in table.values() if wrapped_of(f.says) != f.id]
    return named or list(table.values())


def _failure(name: str, weight: Weight, text: str, where: Where, number: int) -> Failure:
    peer = PEER.search(text)
    return Failure(
        id=name,
        fatal=weight != "noise",
        says=text,
        source=where.source,
        line=number,
        host=where.process[0],
        pid=where.process[1],
        peer=None if peer is None else peer["peer"],
        stamp=where.stamp,
        symptom=weight == "symptom",
    )
