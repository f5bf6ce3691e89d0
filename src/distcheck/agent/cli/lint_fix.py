"""`lint --diff` and `--fix`: what can be mended, shown, and with `--fix` written."""

import sys
from collections.abc import Sequence

from distcheck.agent.cli.exit import usage
from distcheck.agent.cli.output import say
from distcheck.agent.manifests.files import STDIN
from distcheck.agent.manifests.lint import Asked
from distcheck.agent.manifests.rewriting import diff_of, mends_of, rewrite, why_left
from distcheck.exporters.typography import visible


def fix(paths: Sequence[str], asked: Asked, *, write: bool, aside: bool) -> None:
    """Show a diff of every file that can be mended, and with `write` mend it.

    The diff goes to standard error where something else is on standard output (`aside`).

    Raises:
        Stop: standard input is to be mended, which cannot be (exit code 2).
    """
    if STDIN in paths:
        raise usage("--fix and --diff need files: standard input cannot be written, or read twice")
    for name, (old, new) in mends_of(paths, asked).items():
        if left := why_left(old, new):
            sys.stderr.write(f"distcheck: {visible(name)} is not mended: {left}\n")
            continue
        lines = "".join(f"{visible(line)}\n" for line in diff_of(name, old, new))
        sys.stderr.write(lines) if aside else say(lines)
        why = rewrite(name, old, new) if write else None
        if why:
            sys.stderr.write(f"distcheck: {visible(name)} was not written: {why}\n")
