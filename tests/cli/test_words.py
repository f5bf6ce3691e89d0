"""Plain words are read as the library reads them; whatever is not plain is left to it."""

import importlib
import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.cli.app import COMMANDS
from distcheck.agent.cli.command import Program
from distcheck.agent.cli.exit import Stop
from distcheck.agent.cli.wait import wait
from distcheck.agent.cli.words import bound

NAMES = ("verify", "lint", "logs", "plan", "collect", "list", "explain")
ODD = ["-", "--", "-x", "--nope", "-ojson", "--level", "-o", "a", "a=b", "", "--output=json"]


def library(body: object, argv: list[str]) -> dict[str, object] | None:
    """What typer makes of the words; None where it refuses them or prints help."""
    told: dict[str, object] = {}

    def keep(**given: object) -> int:
        told.update(given)
        return 0

    def other() -> int:
        return 0

    keep.__signature__ = inspect.signature(body)  # type: ignore[attr-defined, arg-type]
    keep.__annotations__ = body.__annotations__
    try:
        Program(keep, other).run("distcheck x", ["keep", *argv])
    except Stop:
        return None
    return told or None


def body_of(name: str) -> object:
    return importlib.import_module(COMMANDS[name][0]).PROGRAM._alone


def words_of(name: str) -> list[str]:
    program = importlib.import_module(COMMANDS[name][0]).PROGRAM
    return [*program.options([]), *ODD]


WORDS = {name: words_of(name) for name in NAMES}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_plain_means_the_same_to_the_library(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    argv = data.draw(st.lists(st.sampled_from(WORDS[name]), max_size=5))
    body = body_of(name)
    ours = bound(body, argv)  # type: ignore[arg-type]
    if ours is not None:
        whole = inspect.signature(body).bind(**ours)  # type: ignore[arg-type]
        whole.apply_defaults()
        assert whole.arguments == library(body, argv)


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["-h"], [], ["-ojson", "a"], ["--", "a"], ["a", "--level"], ["a", "--nope"],
     ["a", "--level", "--only"], ["a", "--nothing-is-fine=yes"], ["a", "--level=x", "--level=y"]],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_library(argv: list[str]) -> None:
    assert bound(body_of("lint"), argv) is None  # type: ignore[arg-type]


def test_plain_words_are_read() -> None:
    argv = ["a", "-o", "json", "--only=CONF001", "--only", "CONF002", "-", "--nothing-is-fine"]
    assert bound(body_of("lint"), argv) == {  # type: ignore[arg-type]
        "paths": ["a", "-"], "output": ["json"], "only": ["CONF001", "CONF002"],
        "nothing_is_fine": True,
    }  # fmt: skip


def test_a_number_is_left_to_the_library() -> None:
    assert bound(wait, ["10.0.0.1:6379", "--gpus", "16"]) is None
    assert bound(wait, ["10.0.0.1:6379", "--once"]) == {"target": "10.0.0.1:6379", "once": True}
