"""`distcheck list`: the checks, and with `--rules` those of `lint`."""

from typing import Annotated

import msgspec

from distcheck.agent.cli import options as opt
from distcheck.agent.cli.command import Program, option
from distcheck.agent.cli.output import ink, say, stdout_page
from distcheck.checks.catalog import catalog
from distcheck.exporters.explain_text import render_list, row_of

AsJson = Annotated[bool, option("--json", says="As JSON: id, family, core, title.")]

Formats = Annotated[
    str | None, option("-o", "--output", metavar="FORMAT", says="text (default) or json.")
]
Rules = Annotated[bool, option("--rules", says="The rules of `lint` instead.")]


def list_(as_json: AsJson = False, rules: Rules = False, output: Formats = None) -> int:
    """The checks: id, whether the group's verdict waits for it, and the fact it proves."""
    as_json |= opt.one_of("--output", output, ("text", "json")) == "json"
    if rules:
        return _rules(as_json=as_json)
    if as_json:
        rows = [row_of(c) for c in catalog()]
        say(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
        return 0
    page = stdout_page()
    say(render_list(catalog(), page.width, ink(page)))
    return 0


def _rules(*, as_json: bool) -> int:
    from distcheck.checks.manifest.rules import rules  # noqa: PLC0415 - only rules pay for it
    from distcheck.exporters.rule_text import render_rules  # noqa: PLC0415

    if as_json:
        rows = [
            {"id": r.id, "level": r.level, "levels": r.levels, "title": r.page.title}
            for r in rules()
        ]
        say(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
        return 0
    page = stdout_page()
    say(render_rules(rules(), page.width, ink(page)))
    return 0


PROGRAM = Program(list_)
