"""Several log files: how each is named, and one line about it."""

import re
from collections.abc import Iterator

from distcheck.checks.knowledge.rank_ranges import spans
from distcheck.checks.logs_report import LogsReport
from distcheck.exporters.text_finding import Sheet
from distcheck.exporters.typography import columns, pad, shorten

_MOST = 32
_MOST_NAMED = 4
_POD = re.compile(r"[^_/]{1,253}_(?P<pod>[^_/]{1,253})_[^_/]{1,64}/")
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


ENDLESS = 1 << 16
"""Columns from which on nothing is wrapped or cut: lines are for programs that search them."""


class Names:
    """Paths without the folder that all share, and without the kubelet's namespace and uid."""

    def __init__(self, obj: LogsReport) -> None:
        files = obj.by_file if isinstance(obj.by_file, tuple) else ()
        self._short = _shortest([f.name for f in files] or [obj.name])

    def short(self, name: str) -> str:
        """How the file `name` is called here."""
        return self._short.get(name, name)

    def cited(self, source: str) -> str:
        """`file:line` with the short name."""
        name, colon, line = source.rpartition(":")
        return f"{self.short(name)}{colon}{line}"

    def jobs(self, obj: LogsReport) -> str:
        """Which files are of which job, where they are of several; else nothing."""
        if not obj.jobs:
            return ""
        named = [_few([self.short(name) for name in job]) for job in obj.jobs[:_MOST_NAMED]]
        rest = len(obj.jobs) - _MOST_NAMED
        every = "; ".join([*named, *([f"and {rest} more"] if rest > 0 else [])])
        return (
            f"these files hold {len(obj.jobs)} separate jobs ({every}): give each job's files alone"
        )

    def what_was_read(self, obj: LogsReport) -> str:
        """How much, of what, and whether to the end."""
        count = len(self._short)
        what = f"{count} files" if count > 1 else self.short(obj.name)
        cut = "" if obj.cut is None else f"; not to the end: {obj.cut}"
        return (
            f"{what}: {obj.lines} {'line' if obj.lines == 1 else 'lines'}, {_size(obj.bytes)}{cut}"
        )


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _shortest(names: list[str]) -> dict[str, str]:
    folders = [n.split("/")[:-1] for n in names]
    shared = 0
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        shared += 1
    below = {n: "/".join(n.split("/")[shared:]) for n in names}
    pods = {n: _POD.sub(r"\g<pod>/", short) for n, short in below.items()}
    return pods if len(set(pods.values())) == len(below) else below


def _size(count: int) -> str:
    fitting = ((count / unit, name) for unit, name in _UNITS if count >= unit)
    return next((f"{size:.1f} {name}" for size, name in fitting), f"{count} bytes")


def file_lines(obj: LogsReport, sheet: Sheet, names: Names) -> Iterator[str]:
    """A heading and one line a file; of very many, those that do not pass come first."""
    files = obj.by_file if isinstance(obj.by_file, tuple) else ()
    if not files:
        return
    yield ""
    yield "  " + sheet.ink.paint("Files", "bold")
    most = len(files) if sheet.width >= ENDLESS else _MOST
    shown = files if len(files) <= most else sorted(files, key=lambda f: f.status == "pass")
    room = max(sheet.width, 40) // 2
    wide = min(room, max(columns(sheet.ink.clean(names.short(f.name))) for f in files))
    more = sheet.ink.symbol("more")
    for one in shown[:most]:
        name = pad(shorten(sheet.ink.clean(names.short(one.name)), wide, more), wide)
        says = shorten(sheet.ink.clean(_brief(one)), sheet.width - wide - 7, more)
        yield f"  {sheet.ink.symbol(one.status)} {name}   {says}"
    if len(files) > most:
        yield f"    and {len(files) - most} more (-o json has all)"


def _brief(one: LogsReport) -> str:
    """Verdict, ranks and first failure."""
    part = one.nccl
    failed = part.root_failure or next(iter(one.engine_failures), None)
    at = "" if failed is None else f"{failed.id} (line {failed.source.rpartition(':')[2]})"
    nothing = "not a text log" if one.binary else "no NCCL lines"
    verdict = part.verdict if part.lines else nothing
    return "; ".join(filter(None, (verdict, at, _held(one), one.cut and f"cut: {one.cut}")))


def _held(one: LogsReport) -> str:
    """Which ranks of the largest communicator this file shows."""
    part = one.nccl
    world = part.largest
    if world is None:
        return ""
    held = sorted(span for found in world.by_host.values() for span in found)
    every = "" if world.ranks_seen == world.nranks else f" ({spans(tuple(held), 2)})"
    count = part.init_complete_ranks
    shown = f"{world.ranks_seen} of {world.nranks} ranks seen" if count is None else None
    return f"{shown or f'{count} of {world.nranks} ranks'}{every}"
