"""`distcheck list`: the checks."""

from typing import Annotated

import msgspec

from distcheck.agent.cli.command import Program, option
from distcheck.agent.cli.output import ink, say, stdout_page
from distcheck.checks.catalog import catalog
from distcheck.exporters.explain_text import render_list, row_of

AsJson = Annotated[bool, option("--json", says="As JSON: id, family, core, title.")]


def list_(as_json: AsJson = False) -> int:
    """The checks: id, whether the group's verdict waits for it, and the fact it proves."""
    if as_json:
        rows = [row_of(c) for c in catalog()]
        say(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
        return 0
    page = stdout_page()
    say(render_list(catalog(), page.width, ink(page)))
    return 0


PROGRAM = Program(list_)
