"""`lint --diff` and `--fix`: what can be mended, shown, and with `--fix` written."""

import sys
from collections.abc import Iterable, Mapping, Sequence

from distcheck.agent.cli.output import ink, say, stdout_page
from distcheck.agent.manifests.lint import Asked, Judged, judged
from distcheck.agent.manifests.rewriting import (
    MIXED,
    as_written,
    diff_of,
    held,
    kept,
    rewrite,
    without,
)
from distcheck.agent.manifests.source import Problem
from distcheck.checks.manifest.report import PIPED
from distcheck.exporters.typography import Ink, visible


def mend(
    read: Sequence[tuple[str, str]], problems: Sequence[Problem], told: Judged, asked: Asked,
    left: Mapping[str, str], *, write: bool, aside: bool, piped: bytes | None,
) -> tuple[Judged, bool]:  # fmt: skip
    """Show a diff of every file that can be mended, and with `write` mend it.

    Files that are `left` are named with their reason. What is found then, and whether all that was
    to be written was. Standard input is written to standard output, mended or not.

    The diff goes to standard error where something else is on standard output (`aside`).
    """
    texts, done, whole, out = dict(read), dict[str, str](), True, piped
    for name, new in told.mended.items():
        if name in left:
            whole = whole and not (write and left[name] == MIXED)
            _say(f"{visible(name)} is not mended: {left[name]}")
            continue
        _show(diff_of(name, texts[name], new, _data(name, piped)), aside=aside)
        if piped is not None:
            out = as_written(name, piped, new)  # what it cannot be written as is kept
        elif write and (why := rewrite(name, texts[name], new)):
            whole = False
            _say(f"{visible(name)} was not written: {why}")
            continue
        done[name] = new
    if write and done:
        after = {n: done.get(n, text) for n, text in read}
        again = judged(list(after.items()), asked, problems)
        told = without(again, kept(after, again, asked, piped))
        left_over = "; what is left:" if told.report.open or told.report.not_judged else ""
        _say(f"{len(done)} file{'s' * (len(done) != 1)} mended{left_over}")
    if piped is not None:
        pass_on(out or piped)
    return told, whole


def _data(name: str, piped: bytes | None) -> bytes:
    return (piped or b"") if name == PIPED else held(name)


def _show(diff: Iterable[str], *, aside: bool) -> None:
    """The diff with an empty line behind it, in colour where standard output is for people."""
    pen = Ink() if aside else ink(stdout_page())
    lines = "".join(f"{_line(x, pen)}\n" for x in [*diff, ""])
    sys.stderr.write(lines) if aside else say(lines)


def _say(says: str) -> None:
    sys.stderr.write(f"distcheck: {says}\n")


def _line(told: str, pen: Ink) -> str:
    """What a file's own line ends and mark are stays: without them nobody can apply it."""
    end, mark = "\r" * told.endswith("\r"), "\ufeff" * (told[1:2] == "\ufeff")
    own = told[1:].removeprefix(mark).removesuffix(end)
    text = told[:1] + mark + "\t".join(map(visible, own.split("\t")))
    style = _STYLES.get(told[:1])
    return (pen.paint(text, style) if style else text) + end


_STYLES = {"+": "green", "-": "red", "@": "dim"}


def pass_on(data: bytes) -> None:
    """What was on standard input to standard output, and what was too much to read behind it."""
    sys.stdout.flush()
    while data:
        sys.stdout.buffer.write(data)
        data = sys.stdin.buffer.read(1 << 20)
    sys.stdout.flush()
