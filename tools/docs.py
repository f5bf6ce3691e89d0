"""Documents that are made from the code: `--write` makes them, `--check` shows what drifted."""

import difflib
import importlib
import io
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from alerts_page import alerts_page, prometheus_rule
from chart_page import chart_page
from dashboard.board import text as dashboard_text
from deploy_files import deploy_files
from lint_page import lint_page
from metrics_page import metrics_page
from nccl_page import nccl_page
from permissions_page import permissions_page
from symptoms_page import symptoms_page

from distcheck.agent.cli.app import COMMANDS, help_text
from distcheck.agent.cli.exit import MEANINGS
from distcheck.agent.cli.schema import TYPES, schema_text
from distcheck.checks.catalog import catalog
from distcheck.checks.check import Check
from distcheck.exporters.explain_text import needs_text

ROOT = Path(__file__).parents[1]
MADE = "<!-- Made by `make docs` from the code: edit the docstrings, not this file. -->"


def documents() -> dict[str, str]:
    """Every made file: path from the repository's root, and text."""
    schemas = {f"src/distcheck/schemas/{name}.json": schema_text(name) for name in TYPES}
    pages = {
        "deploy/prometheus/prometheusrule.yaml": prometheus_rule(),
        "docs/alerts.md": alerts_page(MADE),
        "docs/checks.md": checks_page(),
        "docs/cli.md": cli_page(),
        "docs/metrics.md": metrics_page(MADE),
        "docs/lint.md": lint_page(MADE),
        "docs/nccl-logs.md": nccl_page(MADE),
        "docs/permissions.md": permissions_page(MADE),
        "deploy/helm/distcheck/README.md": chart_page(MADE),
        "docs/symptoms.md": symptoms_page(MADE),
    }
    board = {"deploy/grafana/distcheck.json": dashboard_text()}
    return pages | schemas | board | deploy_files(board)


def checks_page() -> str:
    """One section a check, in the order of ids."""
    index = "\n".join(f"| [{c.id}](#{c.id.lower()}) | {c.page.title} |" for c in catalog())
    head = f"# Checks\n\n{MADE}\n\n| id | the fact it proves |\n|---|---|\n{index}\n"
    return "\n".join([head, *(_check(c) for c in catalog())])


def _check(check: Check) -> str:
    page = check.page
    causes = "".join(f"- `{cause}`: {says}\n" for cause, says in page.causes.items())
    parts = [
        f'<a id="{check.id}"></a>\n\n## {check.id}\n\n**{page.title}.**\n',
        f"{page.proves}\n",
        f"Judged from: {needs_text(check)}\n",
        f"Causes:\n\n{causes}" if causes else "",
        f"What to do: {page.remedy}\n",
    ]
    return "\n".join(filter(None, parts))


def cli_page() -> str:
    """The help of every command, and what exit codes mean."""
    codes = "\n".join(f"| {code} | {says} |" for code, says in MEANINGS.items())
    head = f"# Command line\n\n{MADE}\n\n```\n{help_text()}```\n"
    exits = f"## Exit codes\n\n| code | meaning |\n|---|---|\n{codes}\n"
    return "\n".join([head, exits, *(_command(name) for name in COMMANDS)])


def _command(name: str) -> str:
    program = importlib.import_module(COMMANDS[name][0]).PROGRAM
    texts = [_help(name, [*words, "--help"]) for words in program.paths()]
    return f"## distcheck {name}\n\n" + "\n".join(f"```\n{text.strip()}\n```\n" for text in texts)


def _help(name: str, words: list[str]) -> str:
    program = importlib.import_module(COMMANDS[name][0]).PROGRAM
    with redirect_stdout(io.StringIO()) as out:
        program.run(f"distcheck {name}", words)
    return out.getvalue()


def drift(made: dict[str, str]) -> str:
    """A diff from the files as they are to the files as they should be."""
    lines: list[str] = []
    for name, text in made.items():
        path = ROOT / name
        now = path.read_text(encoding="utf-8") if path.exists() else ""
        lines += difflib.unified_diff(
            now.splitlines(keepends=True), text.splitlines(keepends=True), name, f"{name} (made)"
        )
    return "".join(lines)


def main(argv: list[str]) -> int:
    """Write or check; the exit code."""
    if argv not in (["--write"], ["--check"]):
        print("usage: tools/docs.py --write|--check", file=sys.stderr)
        return 2
    os.environ["COLUMNS"] = "88"
    made = documents()
    if argv == ["--check"]:
        difference = drift(made)
        print(
            difference or f"{len(made)} documents are as the code says",
            end="" if difference else "\n",
        )
        return int(bool(difference))
    for name, text in made.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
