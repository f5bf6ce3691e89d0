"""`distcheck explain`: what a check proves."""

from typing import Annotated

from distcheck.agent.cli.command import Program, argument
from distcheck.agent.cli.output import ink, say, stdout_page
from distcheck.agent.cli.select import check_named
from distcheck.checks.catalog import catalog
from distcheck.exporters.explain_text import render_page

Id = Annotated[str, argument("Id of a check, or `all`.", "ID|all")]


def explain(check_id: Id) -> int:
    """What a check proves and does not, what it is judged from, its causes, what to do."""
    every = check_id.lower() == "all"
    chosen = catalog() if every else (check_named("explain", check_id),)
    page = stdout_page()
    say("\n\n".join(render_page(c, page.width, ink(page)) for c in chosen))
    return 0


PROGRAM = Program(explain)
