"""RAS's answer as text, NCCL 2.24 and newer (src/ras/client_support.cc, rasClientRunComms).

Its form changes from release to release: 2.24 and 2.25 count all collectives as one and list
missing ranks by number; 2.26 and newer count each collective and name the processes of missing
ranks. A rank is named only where it differs from most others. Lines of no known form are left.
"""

import re
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct, field, structs

from distcheck.agent.ras_json import IN_PROGRESS, MAX_COMMUNICATORS, MAX_RANKS
from distcheck.checks.evidence.ras import RasCommunicator, RasProcess, RasRank, RasStatus

_MAX_LINES, _MAX_LINE, _MAX_LOST = 100_000, 4096, 4096
_ROW = re.compile(
    r"\s{0,8}(\d{1,6})\s{1,10}(\d{1,6})\s{1,10}(\d{1,6})\s{1,10}\d{1,6}(?:-\d{1,6})?\s{1,10}"
    r"(\d{1,6})\s{1,10}(\d{1,9})\s{1,10}([A-Z]{2,12})\s{1,10}([A-Z,]{2,40})\s*"
)
_TOTALS = re.compile(r"\s{0,8}(?:\d{1,9}\s{1,12}){0,3}?(\d{1,9})\s{1,12}(\d{1,9})\s*")
_VERSION = re.compile(r"NCCL version ([\w.+-]{1,32})")
_PLACE = (
    r"GPU (?P<gpu>\d{1,6})(?: \(NVML (?P<nvml>\d{1,6})\))? managed by process (?P<pid>\d{1,10}) "
    r"on node (?P<host>[0-9a-fA-F.:%]{2,64})"
)
_SECTION = re.compile(r"#(\d{1,6})-(\d{1,6}) \(([0-9a-f]{1,16})\) (INCOMPLETE|ERROR|MISMATCH)\s*")
_RANK = re.compile(
    r"  Rank (?P<rank>\d{1,6})(?: (?P<says>[a-zA-Z ]{1,60}?)(?P<times> \d{1,20})?)? -- "
    rf"(?:{_PLACE}|\[process information not found\])\s*"
)
_GROUP = re.compile(
    r"  (?P<ranks>\d{1,6}) ranks (?P<says>[a-zA-Z ]{1,60}?)(?P<times> \d{1,20})?\s*"
)
_COUNTS = re.compile(r"  Communicator ranks have different (\w{1,32}) operation counts\s*")
_NUMBERS = re.compile(r"  The missing ranks?: ([\d,]{1,1024})\s*")
_INCOMPLETE = re.compile(r"  Missing communicator data from (\d{1,6}) ranks?\s*")
_LOST = re.compile(
    r"  Process (?P<pid>\d{1,10}) on node (?P<host>[0-9a-fA-F.:%]{2,64}) managing GPUs? "
    r"(?P<gpus>[\d, ()NVML]{1,128})"
)
_TIMEOUTS = re.compile(r"  Encountered (\d{1,9}) communication timeouts? ")
_UNTITLED = "collective"
"""2.24 and 2.25 say `different collective operation counts`: all of them as one."""
_LAUNCHED, _NONE, _STATUS, _REPORTED = (
    "has launched up to operation",
    "has not launched any operations",
    "has status ",
    "reported ",
)
_GONE = ("UNKNOWN", "NOCOMM")


class _Part(Struct):
    """One communicator that a section names; later lines add to its ranks."""

    hash: str
    size: int
    ranks: dict[int, RasRank] = field(default_factory=dict)
    spread: dict[str, dict[int, int]] = field(default_factory=dict)
    missing: int = 0


class _Reader:
    """Reads lines in order; `said` is what the lines of a group of ranks are about."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[int, int, str, str]] = {}
        self.parts: dict[tuple[int, int], _Part] = {}
        self.lost: list[RasProcess] = []
        self.totals, self.timeouts, self.version = (0, 0), 0, ""
        self._summary, self._about = "", ""
        self._part: _Part | None = None
        self._counted = ""
        self._says: tuple[str, int] = ("", 0)
        self._room = MAX_RANKS

    def read(self, line: str) -> None:
        """Take one line."""
        if not line.startswith(" ") and line.strip():
            self._headline(line)
        elif self._part is not None:
            self._of_part(self._part, line)
        else:
            self._of_job(line)

    def _headline(self, line: str) -> None:
        self._part, self._about = None, line.strip()
        if found := _SECTION.fullmatch(line):
            self._open(found)
        elif found := _VERSION.match(line):
            self.version = found[1]
        elif line.startswith("(total)"):
            self._summary = line

    def _open(self, found: re.Match[str]) -> None:
        at = int(found[1]), int(found[2])
        row = self.rows.get(at[0])
        if row is None or (at not in self.parts and len(self.parts) >= MAX_COMMUNICATORS):
            return
        part = self.parts.setdefault(at, _Part(f"0x{found[3]}", row[1]))
        self._part, self._counted, self._says = part, "", ("", 0)

    def _of_job(self, line: str) -> None:
        if found := _ROW.fullmatch(line):
            if len(self.rows) < MAX_COMMUNICATORS:
                self.rows[int(found[1])] = int(found[2]), int(found[4]), found[6], found[7]
        elif self._summary and (found := _TOTALS.fullmatch(line)):
            self.totals, self._summary = (int(found[1]), int(found[2])), ""
        elif found := _LOST.match(line):
            if len(self.lost) < _MAX_LOST:
                dead = self._about == "DEAD"
                gpus = found["gpus"].strip()
                self.lost.append(RasProcess(found["host"], int(found["pid"]), gpus, dead))
        elif found := _TIMEOUTS.match(line):
            self.timeouts = int(found[1])

    def _of_part(self, part: _Part, line: str) -> None:
        if found := _INCOMPLETE.fullmatch(line):
            part.missing = int(found[1])
            self._says = "is silent", 0
        elif found := _NUMBERS.fullmatch(line):
            for number in islice(found[1].split(","), MAX_RANKS):
                if number and len(number) < 7:
                    self._tell(part, int(number), "is silent", 0, {})
        elif found := _COUNTS.fullmatch(line):
            self._counted = found[1] if found[1] != _UNTITLED else "collectives"
            part.spread.setdefault(self._counted, {})
        elif found := _GROUP.fullmatch(line):
            self._says = _singular(found["says"]), int(found["times"] or 0)
            self._tally(part, int(found["ranks"]), *self._says)
        elif found := _RANK.fullmatch(line):
            self._rank(part, found)

    def _rank(self, part: _Part, found: re.Match[str]) -> None:
        said = (found["says"], int(found["times"] or 0)) if found["says"] else self._says
        if found["says"]:
            self._tally(part, 1, *said)
        self._tell(part, int(found["rank"]), *said, _place(found))

    def _tally(self, part: _Part, ranks: int, says: str, times: int) -> None:
        if self._counted and says in (_LAUNCHED, _NONE):
            tally = part.spread[self._counted]
            tally[times] = tally.get(times, 0) + ranks

    def _tell(
        self, part: _Part, rank: int, says: str, times: int, place: dict[str, object]
    ) -> None:
        """Add what this line says of `rank`."""
        if rank >= part.size or (rank not in part.ranks and not self._room):
            return
        self._room -= rank not in part.ranks
        told = part.ranks.get(rank, RasRank(rank))
        if self._counted and says in (_LAUNCHED, _NONE):
            place["counts"] = {**told.counts, self._counted: times}
        else:
            place |= _meant(says)
        part.ranks[rank] = structs.replace(told, **place)


def _place(found: re.Match[str]) -> dict[str, object]:
    """Where the rank of a line runs; NVML's number is named only where it differs."""
    if not found["host"]:
        return {}
    gpu = int(found["gpu"])
    nvml = int(found["nvml"]) if found["nvml"] else gpu
    host, pid = found["host"], int(found["pid"])
    return {"host": host, "pid": pid, "cuda_device": gpu, "nvml_device": nvml}


def _singular(says: str) -> str:
    return re.sub(r"^have\b", "has", says)


def _meant(says: str) -> dict[str, object]:
    """Fields of a rank of which a line says this."""
    if says == "is silent":
        return {"missing": True, "silent": True}
    if says.startswith(_REPORTED):
        return {"error": says.removeprefix(_REPORTED).strip()}
    state = says.removeprefix(_STATUS).strip() if says.startswith(_STATUS) else ""
    if state in _GONE:
        return {"missing": True}
    named: dict[str, dict[str, object]] = {
        "INIT": {"init": IN_PROGRESS},
        "FINALIZE": {"leaving": True},
        "ABORT": {"aborted": True},
    }
    return named.get(state, {})


def status_of(text: str, source: str) -> RasStatus | None:
    """What the answer tells; None where it has not the one line that every answer ends before.

    That is the headline `Warnings`: an answer without it was cut.
    """
    reader = _Reader()
    lines = text.splitlines()
    for line in islice(lines, _MAX_LINES):
        reader.read(line[:_MAX_LINE])
    if not any(line.rstrip() == "Warnings" for line in lines):
        return None
    processes, gpus = reader.totals
    return RasStatus(
        communicators=tuple(_communicators(reader)),
        source=source,
        format="text",
        version=reader.version,
        timeouts=reader.timeouts,
        processes=processes,
        gpus=gpus,
        lost=tuple(reader.lost),
        dropped=max(0, len(lines) - _MAX_LINES),
    )


def _communicators(reader: _Reader) -> Iterator[RasCommunicator]:
    """Those that sections name, then the rest of each group.

    From 2.26 to 2.28.9 a rank that is missing may make up communicators of no rank behind its
    own (`rasClientRunComms` steps over less than it wrote): these are left out.
    """
    dead = {(p.host, p.pid) for p in reader.lost if p.dead}
    for (group, _), part in sorted(reader.parts.items()):
        _, size, status, errors = reader.rows[group]
        ranks = tuple(
            structs.replace(r, dead=r.missing and (r.host, r.pid) in dead)
            for _, r in sorted(part.ranks.items())
        )
        missing = max(part.missing, sum(r.missing for r in ranks))
        yield RasCommunicator(part.hash, size, ranks, missing, status, errors, spread=part.spread)
    for group, (many, size, status, errors) in sorted(reader.rows.items()):
        rest = many - sum(1 for at in reader.parts if at[0] == group)
        if rest > 0 and size > 0:
            yield RasCommunicator(f"#{group}", size, (), 0, status, errors, rest)
