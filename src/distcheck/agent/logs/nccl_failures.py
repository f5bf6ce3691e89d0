"""Failures in NCCL's words and in its callers', told apart from noise."""

from collections.abc import Collection, Iterable

from msgspec import Struct, field
from msgspec.structs import replace

from distcheck.agent.logs.nccl_comms import Where
from distcheck.agent.logs.nccl_grammar import (
    GENERIC,
    PEER,
    VICTIM,
    Weight,
    failure_of,
    wrapped_form_of,
)
from distcheck.agent.logs.nccl_notes import printable
from distcheck.checks.evidence.nccl import Failure

MAX_FAILURES = 512
_READ = 2048

_Key = tuple[str, str, int, int, bool]


class FailureTable(Struct):
    """All failures of one log: one entry for each id and process, with a count.

    `said` is in NCCL's own words, `called` in those of the program that called it.
    """

    said: dict[_Key, Failure] = field(default_factory=dict)
    called: dict[_Key, Failure] = field(default_factory=dict)
    left_out: int = 0

    def warned(self, text: str, where: Where, number: int, *, after_end: bool) -> None:
        """Take a WARN; a symptom after all communicators of its process ended is noise."""
        form = failure_of(text)
        name = "warn" if form is None else form.id
        weight: Weight = "noise" if form is None else form.weight
        if weight == "symptom" and after_end:
            weight = "noise"
        self._put(self.said, _failure(name, weight, text, where, number))

    def wrapped(self, text: str, where: Where, number: int, *, carried: bool) -> None:
        """Take a line of a caller; `carried` marks the one after `Last error:`."""
        form = failure_of(text) if carried else None
        form = form or wrapped_form_of(text)
        if form is not None:
            self._put(self.called, _failure(form.id, form.weight, text, where, number))

    def _put(self, table: dict[_Key, Failure], new: Failure) -> None:
        key = _key(new)
        old = table.get(key)
        most = MAX_FAILURES if new.fatal else MAX_FAILURES // 2
        if old is not None:
            table[key] = replace(old, count=old.count + 1)
        elif len(table) < most:
            table[key] = new
        else:
            self.left_out += new.fatal

    def restarted(self, process: tuple[str, int]) -> None:
        """The process of this host and pid started again: what it said before is past."""
        self._past(process, "before the process started again", None)

    def called_before(self) -> None:
        """What callers said before a process started again is past too: they name no process."""
        past = list(self.called.values())
        self.called.clear()
        for one in past:
            says = f"{one.says} (before a process started again)"
            self._put(self.called, replace(one, fatal=False, symptom=False, says=says))

    def forgiven(self, name: str, process: tuple[str, int]) -> None:
        """NCCL itself says that it goes on without what failed: failure `name` ended nothing."""
        self._past(process, "NCCL went on without it", name)

    def _past(self, process: tuple[str, int], why: str, name: str | None) -> None:
        for key, one in list(self.said.items()):
            if one.fatal and (one.host, one.pid) == process and name in (None, one.id):
                del self.said[key]
                past = replace(one, fatal=False, symptom=False, says=f"{one.says} ({why})")
                self._put(self.said, past)

    def result(self, hosts: Collection[str]) -> tuple[Failure, ...]:
        """By line. A caller's words for a result stand only where no line tells the cause."""
        said = [f for f in self.said.values() if f.host in hosts or f.fatal]
        every = [*said, *_telling(said, self.called.values())]
        return tuple(sorted(every, key=lambda f: f.line))


def _key(one: Failure) -> _Key:
    """One process; a caller's words have none, but may name the rank."""
    rank = -1 if one.rank is None else one.rank
    return one.id, one.host, one.pid if one.fatal else 0, rank, one.fatal


def _telling(said: Iterable[Failure], called: Iterable[Failure]) -> list[Failure]:
    """What callers add to NCCL's own words: causes that it does not name; else their own."""
    known = {f.id for f in said if f.fatal}
    told = [f for f in called if f.id not in known]
    causes = [f for f in told if f.id not in GENERIC and not f.symptom]
    if causes or known:
        return causes
    return [f for f in told if f.id not in GENERIC] or told


def _failure(name: str, weight: Weight, text: str, where: Where, number: int) -> Failure:
    text = text[:_READ]
    peer, victim = PEER.search(text), VICTIM.search(text)
    return Failure(
        id=name,
        fatal=weight != "noise",
        says=printable(text),
        source=where.source,
        line=number,
        host=where.process[0],
        pid=where.process[1],
        peer=None if peer is None else peer["peer"],
        stamp=where.stamp,
        symptom=weight == "symptom",
        rank=None if victim is None else int(victim["rank"]),
        operation=None if victim is None else victim["op"],
        sequence=None if victim is None or victim["seq"] is None else int(victim["seq"]),
    )
