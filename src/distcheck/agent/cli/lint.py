"""`distcheck lint`: manifests judged before they are applied."""

import os
import sys
from contextlib import nullcontext, redirect_stdout
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, cast

from distcheck import __version__
from distcheck.agent.cli import exit as codes
from distcheck.agent.cli import options as opt
from distcheck.agent.cli.command import Program, argument, option
from distcheck.agent.cli.exit import usage
from distcheck.agent.cli.loading import loading
from distcheck.agent.cli.output import Output, keep, outputs, show_on
from distcheck.agent.manifests.files import STDIN, read_all, standard_input
from distcheck.checks.manifest.finding import LEVELS, Level
from distcheck.checks.manifest.report import SCHEMA, LintReport, as_grave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distcheck.agent.manifests.lint import Asked
    from distcheck.agent.manifests.source import Problem
    from distcheck.checks.manifest.rule import Rule

_HEAD = 400
"""Characters, in which a report of ours names itself."""

FORMATS = ("text", "concise", "json", "sarif", "junit", "github")

Paths = Annotated[
    list[str], argument("Manifests, or folders of them; - is standard input.", "PATH...")
]
AtLevel = Annotated[
    str,
    option("--level", says="Fail from this level on: error (default), warning or hint.",
           metavar="LEVEL"),
]  # fmt: skip
Only = Annotated[list[str] | None, option("--only", says="Judge by these rules.", metavar="IDS")]
Skip = Annotated[list[str] | None, option("--skip", says="Leave these rules out.", metavar="IDS")]
Model = Annotated[
    str | None, option("--model", says="The model's config.json, or its folder.", metavar="PATH")
]
Interconnect = Annotated[
    str | None,
    option(
        "--interconnect",
        says="Between nodes, for each GPU: 400gbps, ib-ndr, roce-100, ethernet-25.",
        metavar="RATE",
    ),
]
NothingIsFine = Annotated[
    bool, option("--nothing-is-fine", says="Exit 0, not 3, where nothing serves a model.")
]
Quiet = Annotated[
    bool, option("-q", "--quiet", says="Text tells findings and what is unreadable, nothing else.")
]
Fix = Annotated[
    bool, option("--fix", says="Mend what is safe to mend: show a diff, and write the files.")
]
Diff = Annotated[bool, option("--diff", says="Show what --fix would write; findings go to stderr.")]
Formats = Annotated[
    list[str] | None,
    option("-o", "--output", metavar="FORMAT[=FILE]",
           says="text (default), concise (a line each), json, sarif, junit, github. Repeatable."),
]  # fmt: skip


def lint_(
    paths: Paths,
    *,
    level: AtLevel = "error",
    only: Only = None,
    skip: Skip = None,
    model: Model = None,
    interconnect: Interconnect = None,
    fix: Fix = False,
    diff: Diff = False,
    nothing_is_fine: NothingIsFine = False,
    quiet: Quiet = False,
    output: Formats = None,
) -> int:
    """Judge manifests before they are applied, by the rules that `verify` judges a group by.

    Reads YAML and JSON, as written or as `helm template` and `kustomize build` give it. Exit 0
    where nothing is wrong, 1 for findings of --level, 2 for input that cannot be read, 3 where
    nothing in it serves a model. `# distcheck: ignore CONF075 reason` silences a finding.
    """
    wanted = outputs(output, FORMATS)
    failing = _level(level)
    asked = cache(partial(_asked, only, skip, model, interconnect))
    if only or skip or model or interconnect:
        asked()  # what is wrong with them is said before anything is read
    write = fix and not diff
    filters = write and _filters(paths, wanted)
    piped = standard_input() if filters else None
    read, problems = read_all(paths, piped)
    keep((name for name, text in read if not _is_ours(text)), wanted)
    aside = filters or _prints_for_machines(wanted)
    mends = {"write": write, "aside": aside, "piped": piped}
    report, whole = _judged(read, problems, asked, mends if fix or diff else None)
    chosen = asked().rules if read else ()
    with redirect_stdout(sys.stderr) if filters or (diff and not aside) else nullcontext():
        _tell(report, wanted, failing, chosen, quiet=quiet, diffed=diff)
    code = code_of(report, failing, whole=whole)
    return codes.PASS if nothing_is_fine and code == codes.UNKNOWN else code


def _judged(
    read: "Sequence[tuple[str, str]]", problems: "Sequence[Problem]", asked: "Callable[[], Asked]",
    mends: "dict[str, Any] | None",
) -> tuple[LintReport, bool]:  # fmt: skip
    """The report, and whether all that `--fix` was to write was written.

    Rules, and all that understands manifests, are loaded once there is something to judge.
    """
    if not read:
        if mends and mends["piped"] is not None:
            from distcheck.agent.cli.lint_fix import pass_on  # noqa: PLC0415 - rarely asked for

            pass_on(mends["piped"])
        told = tuple(p.not_judged for p in problems)
        return LintReport(SCHEMA, __version__, 0, 0, 0, (), (), told, 0), True
    with loading():
        from distcheck.agent.manifests.lint import judged  # noqa: PLC0415 - see above
        from distcheck.agent.manifests.yaml_tree import load_parser  # noqa: PLC0415 - as above

        load_parser()
        by = asked()
    found, whole, kept = judged(read, by, problems), True, dict[str, str]()
    if found.mended:
        from distcheck.agent.manifests import rewriting  # noqa: PLC0415 - as below

        kept = rewriting.kept(dict(read), found, by, mends["piped"] if mends else None)
        found = rewriting.without(found, kept)
    if mends is not None:
        from distcheck.agent.cli.lint_fix import mend  # noqa: PLC0415 - rarely asked for

        found, whole = mend(read, problems, found, by, kept, **mends)
    return found.report, whole


def _asked(
    only: list[str] | None, skip: list[str] | None, model: str | None, interconnect: str | None
) -> "Asked":
    from distcheck.agent.cli.lint_asked import asked  # noqa: PLC0415 - see `_judged`

    return asked(only, skip, model, interconnect)


def _filters(paths: list[str], wanted: tuple[Output, ...]) -> bool:
    """Whether `--fix` reads standard input, and so writes standard output."""
    if STDIN not in paths:
        return False
    if paths != [STDIN]:
        raise usage("--fix -: the mended text goes to standard output, so give no other files")
    if getattr(sys.stdout, "name", "") == os.devnull:
        raise usage("--fix -: the mended text goes to standard output, which is closed")
    if _prints_for_machines(wanted):
        raise usage("--fix -: the mended text goes to standard output: give -o FORMAT=FILE")
    return True


def _is_ours(text: str) -> bool:
    """Whether it is a report of `distcheck` in a folder that is judged again."""
    return '"distcheck' in text[:_HEAD]


def _prints_for_machines(wanted: tuple[Output, ...]) -> bool:
    return any(o.path is None and o.format not in ("text", "concise") for o in wanted)


def _level(word: str) -> Level:
    opt.one_of("--level", word, LEVELS)
    return cast("Level", word)


def code_of(report: LintReport, failing: Level, *, whole: bool = True) -> int:
    """1 beats all: what was found is sure; our own bugs beat 2, and that beats 3.

    `whole`: what `--fix` was to write was written.
    """
    if any(as_grave(f.level, failing) for f in report.open):
        return codes.FAIL
    if report.bugs:
        return codes.BUG
    if not whole or any(n.unreadable for n in report.not_judged):
        return codes.USAGE
    return codes.PASS if report.judged else codes.UNKNOWN


def _tell(
    report: LintReport, wanted: tuple[Output, ...], failing: Level, chosen: "tuple[Rule, ...]",
    *, quiet: bool, diffed: bool,
) -> None:  # fmt: skip
    from distcheck.agent.cli.lint_show import show, tell_misspelt  # noqa: PLC0415 - not for --help

    code = code_of(report, failing) if report.bugs else None
    how = partial(show, report, failing=failing, chosen=chosen, code=code)
    show_on(wanted, partial(how, quiet=quiet, diffed=diffed))
    if any(n.misspelt for n in report.not_judged):
        tell_misspelt(report, wanted, quiet=quiet)
    if report.bugs:
        from distcheck.agent.cli.bugs import tell_bugs  # noqa: PLC0415 - only a bug pays for it

        tell_bugs((bug.trace for bug in report.bugs if bug.trace), of_manifests=True)


PROGRAM = Program(lint_)
