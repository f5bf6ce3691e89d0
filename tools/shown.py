"""What commands print, in the documents: `console` blocks, whose output nobody types.

    $ distcheck COMMAND...      a line that is run; what it prints follows it

A block with `lab=SCENARIO` shows the report of `verify` in that scenario: the headline, then
the findings that `show=ID+ID` names, `...` where others stand. Addresses, times and ports,
which differ in every run, are made alike. Without `lab=` the command itself is run.

    python tools/shown.py --write|--check [SCENARIO...]
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

import msgspec

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.doc_blocks import Block, blocks, pages, with_texts

from distcheck.checks.report import Report
from distcheck.exporters.formats import Page, render

CUT = "..."
_CODES = {"pass": 0, "warn": 0, "fail": 1, "unknown": 3}
_DIFFER: tuple[tuple[str, str], ...] = (
    (r"/tmp/distcheck-lab-\w+/gpu-[ab]/proc", "/proc"),
    (r"\b127\.(?!0\.0\.1\b)\d+\.\d+\.(\d+)", r"10.0.0.\1"),
    (r"\b[0-9a-f]{56}\b", "4f" * 28),
    (r"((?:10\.0\.0\.\d|127\.0\.0\.1)(?::| port |<))(?!28028|6379)\d{5}\b", r"\g<1>41713"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "2026-01-15T09:30:00Z"),
    (r"\bport (?!28028)\d{5}\b", "port 41713"),
    (r"\b\d+ min ago", "10 min ago"),
)
_GCS = re.compile(r"(?:--address=[\w.-]+|GCS [\d.]+|vllm-head-0\.vllm-head):(\d{4,5})\b")
_DRAWN = re.compile(r"\s+[✗?!✓] ([A-Z]+\d{3})\b")

Run = Callable[[str], str]


def settled(report: Report) -> Report:
    """The report without what differs from run to run."""
    text = msgspec.json.encode(report).decode()
    for port in dict.fromkeys(_GCS.findall(text)):
        text = re.sub(rf":{port}\b", ":6379", text)
    for pattern, other in _DIFFER:
        text = re.sub(pattern, other, text)
    return msgspec.json.decode(text, type=Report)


def shown(report: Report, ids: Sequence[str]) -> str:
    """The report as text, of its findings only those that are named."""
    text = render("text", [settled(report)], Page(width=80)).strip("\n")
    first, about, *rest = text.split("\n\n")
    kept = [first, about, *(_part(part, ids) for part in rest)]
    return "\n\n".join(part for part, _ in groupby(kept)) + "\n"


def _part(part: str, ids: Sequence[str]) -> str:
    """A finding in full with its heading, or that something is left out."""
    found = next((m for line in part.splitlines() if (m := _DRAWN.match(line))), None)
    return part if found is not None and found[1] in ids else CUT


def in_lab(report: Report, block: Block) -> Run:
    """What each command of a block prints in a lab whose report is known."""
    ids = block.options.get("show", "").split("+")

    def run(command: str) -> str:
        if command == "echo $?":
            return f"{_CODES[report.verdict]}\n"
        words = shlex.split(command)
        if words[:3] != ["distcheck", "verify", "vllm-head-0"]:
            raise ValueError(f"{block.place}: a lab's block shows verify vllm-head-0 alone")
        return shown(report, ids)

    return run


def here(command: str) -> str:
    """What a command of distcheck prints that needs no cluster."""
    words = shlex.split(command)
    if words[:1] != ["distcheck"]:
        raise ValueError(f"{command}: only distcheck is run")
    done = subprocess.run(
        [sys.executable, "-m", *words],
        env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout.strip(chr(10))}\n"


def console(text: str, run: Run) -> str:
    """A block's text, each of its commands with what it prints now."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            lines += [line, *run(line[2:]).rstrip("\n").split("\n")]
    return "\n".join(lines) + "\n"


@cache
def console_blocks() -> tuple[Block, ...]:
    """Every block of a page that shows what a command prints."""
    return tuple(b for page in pages() for b in blocks(page) if b.language == "console")


def drift(name: str, report: Report) -> str:
    """Blocks of the lab `name` that do not show what was seen; empty where all do."""
    mine = (b for b in console_blocks() if b.options.get("lab") == name)
    return "".join(_difference(b, console(b.text, in_lab(report, b))) for b in mine)


def _difference(block: Block, now: str) -> str:
    if block.text == now:
        return ""
    return f"{block.place} shows something else than is seen (make docs-shown):\n{now}\n"


def drift_here() -> str:
    """The same, of blocks whose commands need no lab."""
    mine = (b for b in console_blocks() if "lab" not in b.options)
    return "".join(_difference(b, console(b.text, here)) for b in mine)


def reports(names: Iterable[str]) -> Iterator[tuple[str, Report]]:
    """The report of each scenario, each run once."""
    for name in names:
        command = [sys.executable, "-m", "distcheck", "lab", "run", name, "-o", "json"]
        env = os.environ | {"DISTCHECK_LAB_RAY": "replayed"}
        done = subprocess.run(command, env=env, capture_output=True, check=False)
        if not done.stdout:
            raise RuntimeError(f"{name}: {done.stderr.decode()}")
        yield name, msgspec.convert(json.loads(done.stdout), Report)


def write(only: Sequence[str]) -> None:
    """Every block as it should be; with names, only those of these labs."""
    labs = dict.fromkeys(b.options["lab"] for b in console_blocks() if "lab" in b.options)
    told = dict(reports(only or labs))
    for page in pages():
        text = page.read_text(encoding="utf-8")
        page.write_text(
            with_texts(text, _texts(page, told, all_of_them=not only)), encoding="utf-8"
        )


def _texts(page: Path, told: dict[str, Report], *, all_of_them: bool) -> dict[int, str]:
    texts: dict[int, str] = {}
    for number, block in enumerate(blocks(page)):
        lab = block.options.get("lab", "")
        if block.language == "console" and lab in told:
            texts[number] = console(block.text, in_lab(told[lab], block))
        elif block.language == "console" and not lab and all_of_them:
            texts[number] = console(block.text, here)
    return texts


def main(argv: list[str]) -> int:
    """Write, or tell what differs; the exit code."""
    if argv[:1] == ["--write"]:
        write(argv[1:])
        return 0
    labs = dict.fromkeys(b.options["lab"] for b in console_blocks() if "lab" in b.options)
    found = "".join(drift(*one) for one in reports(argv[1:] or labs)) + drift_here()
    print(found or "the documents show what is seen")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
