"""`distcheck lint`: manifests judged before they are applied."""

from typing import TYPE_CHECKING, Annotated, cast

import msgspec

from distcheck.agent.cli import exit as codes
from distcheck.agent.cli import options as opt
from distcheck.agent.cli.command import Program, argument, option
from distcheck.agent.cli.exit import did_you_mean, usage
from distcheck.agent.cli.output import Output, check_writable, ink, show_on
from distcheck.agent.manifests.lint import Asked, lint
from distcheck.checks.manifest.finding import LEVELS, Level
from distcheck.checks.manifest.report import LintReport, as_grave
from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules
from distcheck.exporters.formats import Page

if TYPE_CHECKING:
    from distcheck.checks.evidence import ModelConfig
    from distcheck.checks.knowledge.plan_fabric import Fabric

FORMATS = ("text", "json", "sarif", "junit", "github")

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
    option("--interconnect", says="Between nodes, for each GPU: 400gbps.", metavar="RATE"),
]
NothingIsFine = Annotated[
    bool, option("--nothing-is-fine", says="Exit 0, not 3, where nothing serves a model.")
]
Fix = Annotated[
    bool, option("--fix", says="Mend what is safe to mend: show a diff, and write the files.")
]
Diff = Annotated[bool, option("--diff", says="Show what --fix would write, and write nothing.")]
Formats = Annotated[
    list[str] | None,
    option("-o", "--output", says="text (default), json, sarif, junit or github. Repeatable.",
           metavar="FORMAT[=FILE]"),
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
    output: Formats = None,
) -> int:
    """Judge manifests before they are applied, by the rules that `verify` judges a group by.

    Reads YAML and JSON, as written or as `helm template` and `kustomize build` give it. Exit 0
    where nothing is wrong, 1 for findings of --level, 2 for input that cannot be read, 3 where
    nothing in it serves a model. `# distcheck: ignore CONF075 reason` silences a finding.
    """
    wanted = lint_outputs(output)
    failing = _level(level)
    chosen = chosen_rules(only, skip)
    fabric = _fabric(interconnect) if interconnect else None
    asked = Asked(chosen, "hint", _model(model) if model else None, fabric)
    if fix or diff:
        from distcheck.agent.cli.lint_fix import fix as mend  # noqa: PLC0415 - rarely asked for

        mend(paths, asked, write=fix and not diff, aside=_prints_for_machines(wanted))
    report = lint(paths, asked)
    show_on(wanted, lambda name, page: _show(report, name, page, failing, chosen))
    code = code_of(report, failing)
    return codes.PASS if nothing_is_fine and code == codes.UNKNOWN else code


def _model(path: str) -> "ModelConfig":
    from distcheck.agent.cli.model_file import read_model  # noqa: PLC0415 - only for --model

    return read_model(path)


def _fabric(text: str) -> "Fabric | None":
    from distcheck.agent.cli.plan_values import interconnect  # noqa: PLC0415 - as above

    return interconnect(text)


def lint_outputs(given: list[str] | None) -> tuple[Output, ...]:
    """What `-o` asks for; raises `Stop` for an unknown format, or two on standard output."""
    found = tuple(_output(word) for word in given or ("text",))
    printed = [o.format for o in found if o.path is None]
    if len(printed) > 1:
        raise usage(f"-o: {' and '.join(printed)} would both go to standard output")
    return found


def _prints_for_machines(wanted: tuple[Output, ...]) -> bool:
    return any(o.path is None and o.format != "text" for o in wanted)


def _output(word: str) -> Output:
    from pathlib import Path  # noqa: PLC0415 - only for a file

    name, _, file = word.partition("=")
    if name not in FORMATS:
        raise opt.refused("-o", name, FORMATS)
    path = Path(file) if file not in ("", "-") else None
    if path is not None:
        check_writable(path)
    return Output(name, path)


def _level(word: str) -> Level:
    opt.one_of("--level", word, LEVELS)
    return cast("Level", word)


def chosen_rules(only: list[str] | None, skip: list[str] | None) -> tuple[Rule, ...]:
    """The rules to judge by; raises `Stop` for an id that does not exist, or none left."""
    known = {r.id: r for r in rules()}
    kept, left = _ids("--only", only, known), _ids("--skip", skip, known)
    found = tuple(r for r in known.values() if (not kept or r.id in kept) and r.id not in left)
    if not found:
        raise usage("no rule selected; `distcheck list --rules` names them all")
    return found


def _ids(name: str, given: list[str] | None, known: dict[str, Rule]) -> set[str]:
    found = {w.upper() for w in opt.words(given)}
    for word in sorted(found - known.keys()):
        hint = did_you_mean(word, known)
        raise usage(f"{name}: no rule {word!r}{hint}; `distcheck list --rules` names them all")
    return found


def code_of(report: LintReport, failing: Level) -> int:
    """1 beats 2: what was found is sure; 2 beats 3."""
    if any(as_grave(f.level, failing) for f in report.open):
        return codes.FAIL
    if any(n.unreadable for n in report.not_judged):
        return codes.USAGE
    return codes.PASS if report.judged else codes.UNKNOWN


def _show(
    report: LintReport, name: str, page: Page, failing: Level, chosen: tuple[Rule, ...]
) -> str:
    if name == "json":
        return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
    if name == "sarif":
        from distcheck.exporters.lint_sarif import render_sarif  # noqa: PLC0415 - one format

        return render_sarif(report, chosen)
    if name == "junit":
        from distcheck.exporters.lint_junit import render_junit  # noqa: PLC0415 - one format

        return render_junit(report, failing)
    if name == "github":
        from distcheck.exporters.lint_github import render_github  # noqa: PLC0415 - one format

        return render_github(report)
    from distcheck.exporters.lint_text import render_text  # noqa: PLC0415 - one format

    return render_text(report, page, ink(page))


PROGRAM = Program(lint_)
