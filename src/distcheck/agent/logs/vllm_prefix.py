"""Who wrote a line: the process prefixes of vLLM and Ray, colours, and Ray's folded repeats."""

import re

from msgspec import Struct

_COLOUR = re.compile(r"(?:\x1b|\^\[|←)?\[[0-9;]{1,8}m")
_COLOURED = re.compile(r"\[[0-9;]{1,8}m")
_PREFIX = re.compile(
    r"\((?P<label>[A-Za-z_][\w.]{0,60})?(?: ?rank=(?P<rank>\d{1,6}))?"
    r"(?: (?P<dims>[A-Z]{2,4}\d{1,6}))? ?pid=(?P<pid>\d{1,9})"
    r"(?:, ip=(?P<host>[0-9a-fA-F.:]{2,45}))?\)"
)
_CLOCK = re.compile(r"\b(\d\d-\d\d \d\d:\d\d:\d\d)\b")
_REPEATED = re.compile(r"\[repeated (\d{1,6})x across cluster\]")
_DIMENSION = re.compile(r"(DP|PP|PCP|TP|DCP|EP)(\d{1,6})(?![A-Za-z])")
_HEAD = 400


class Said(Struct, frozen=True):
    """One log line taken apart: who said it, when by the engine's own clock, and what.

    `source` is `file:line`, `seen_at` the log transport's time.
    `pid` and `host` are None and empty where no prefix names them; `rank` only where the
    prefix itself has it (`VllmWorker rank=1`); `repeated` counts the further lines that Ray
    folded into this one.
    """

    text: str
    source: str
    seen_at: str | None = None
    label: str = ""
    pid: int | None = None
    host: str = ""
    rank: int | None = None
    clock: str | None = None
    repeated: int = 0

    def dimension(self, name: str) -> int | None:
        """The index that the label gives for `TP`, `PP` and so on (`Worker_PP0_TP3`)."""
        found = dict(_DIMENSION.findall(self.label))
        return int(found[name]) if name in found else None


def said(line: str, source: str, stamp: str | None) -> Said:
    """Take one line apart. Any text is accepted; the last prefix on the line names the process."""
    text = _COLOUR.sub("", line) if _COLOURED.search(line) else line
    head = text[:_HEAD]
    prefixes = list(_PREFIX.finditer(head)) if "pid=" in head else []
    clock = _CLOCK.search(head)
    again = _REPEATED.search(text) if "[repeated " in text else None
    parts = _process(prefixes[-1]) if prefixes else {}
    return Said(
        text=text,
        source=source,
        seen_at=stamp,
        clock=clock[1] if clock else None,
        repeated=max(int(again[1]) - 1, 0) if again else 0,
        **parts,  # type: ignore[arg-type] # the four process fields, typed in _process
    )


def _process(found: re.Match[str]) -> dict[str, str | int | None]:
    label = "_".join(p for p in (found["label"], found["dims"]) if p)
    rank = found["rank"]
    return {
        "label": label,
        "pid": int(found["pid"]),
        "host": found["host"] or "",
        "rank": int(rank) if rank else None,
    }
