"""YAML from the cluster becomes plain values, or an error: never more than the text holds."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distcheck.agent.cluster.intent.yaml_text import NotYamlError, read_yaml

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"


def test_scalars_are_what_a_manifest_means() -> None:
    text = 'n: 16\nq: "16"\non: true\nnone: ~\nlist: [a, 0x10, 08, 1.5]\nt: 2024-01-01'
    assert read_yaml(text) == {
        "n": 16, "q": "16", "on": True, "none": None, "list": ["a", "0x10", "08", "1.5"],
        "t": "2024-01-01",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", [BOMB, "[" * 100, "a: [", "? {a: 1}\n: 2", "x" * (1 << 20) + "y", "- a\n" * 30_000]
)
def test_what_grows_or_is_broken_is_refused(text: str) -> None:
    with pytest.raises(NotYamlError):
        read_yaml(text)


def test_tags_make_nothing() -> None:
    assert read_yaml("!!python/object/apply:os.system ['true']") == ["true"]


def test_only_the_first_document_is_read() -> None:
    assert read_yaml("a: 1\n---\nb: 2\n") == {"a": 1}
    assert read_yaml("") is None


@given(st.text(max_size=200))
@example("\0")
@example("%YAML 9.9\n---\na")
@example("a: b: c")
@example("\ud800")
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(NotYamlError):
        read_yaml(text)


@pytest.mark.parametrize("part", ["[", "{a: ", "- ", "a\n", "'", "&a ", "a: {b: [", "| ", "\t"])
def test_a_long_text_takes_no_long_time(part: str) -> None:
    with contextlib.suppress(NotYamlError):
        read_yaml(part * ((1 << 20) // len(part)))
