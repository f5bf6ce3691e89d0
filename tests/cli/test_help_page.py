"""Help is our own page: it says what typer would, at every width, and needs none of it."""

import importlib
import re
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from distcheck.agent.cli.app import COMMANDS
from distcheck.agent.cli.command import Program

SINGLE = [name for name in COMMANDS if name not in ("lab", "agent")]
WORD = 54
"""Columns up to the end of the longest word, which is never cut."""
_TYPE = re.compile(r"<(?:str|list\[str\])>|\.\.\.|[{}\[\]\s]")
"""How typer writes types and what is required, which differs by its version; and white space."""


def program(name: str) -> Program:
    found: Program = importlib.import_module(COMMANDS[name][0]).PROGRAM
    return found


def page(name: str, *argv: str) -> str:
    with redirect_stdout(StringIO()) as out:
        assert program(name).run(f"distcheck {name}", list(argv)) == 0
    return out.getvalue()


def typers(name: str, argv: list[str]) -> str:
    command: Any = program(name)._command()
    with redirect_stdout(StringIO()) as out:
        command.main(args=argv, prog_name=f"distcheck {name}", standalone_mode=False)
    return out.getvalue()


@pytest.mark.parametrize("name", SINGLE)
def test_it_says_what_typer_says(name: str) -> None:
    ours, theirs = page(name, "--help"), typers(name, ["--help"])
    assert _TYPE.sub("", ours) == _TYPE.sub("", theirs)


@pytest.mark.parametrize("words", [["run"], ["check"], ["list"]])
def test_so_it_does_of_a_group(words: list[str]) -> None:
    ours, theirs = page("lab", *words, "-h"), typers("lab", [*words, "-h"])
    assert _TYPE.sub("", ours) == _TYPE.sub("", theirs)


@pytest.mark.parametrize("columns", [20, 60, 80, 97, 102, 200])
def test_lines_fit_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in SINGLE:
        lines = page(name, "--help").splitlines()
        assert max(map(len, lines)) <= max(min(columns, 100), WORD), name
        assert [line for line in lines if line != line.rstrip()] == [], name


def test_a_group_names_its_commands() -> None:
    told = page("lab", "--help")
    assert all(f"\n  {name}" in told for name in ("list", "run", "check"))


@pytest.mark.parametrize("argv", [["-h"], ["a", "--help"], ["--level", "--help"], ["--no", "-h"]])
def test_help_beside_other_words_is_help(argv: list[str]) -> None:
    assert page("lint", *argv) == page("lint", "--help")


def test_what_follows_two_dashes_asks_for_no_help() -> None:
    job = program("lab").read("distcheck lab", ["run", "healthy", "--", "true", "--help"])
    assert job.keywords["rest"] == ["--", "true", "--help"]  # type: ignore[attr-defined]


def test_a_command_that_the_lab_runs_keeps_its_own_help() -> None:
    job = program("lab").read("distcheck lab", ["run", "healthy", "plan", "--help"])
    assert job.keywords["rest"] == ["plan", "--help"]  # type: ignore[attr-defined]
