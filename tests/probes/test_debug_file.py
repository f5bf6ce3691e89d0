"""`NCCL_DEBUG_FILE` is written by a container: matching its form costs little, whatever it is."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.probes.node_folder import Node

from distcheck.agent.debug_file import MAX_FORMS, DebugFile, debug_file
from distcheck.agent.inside_logs import every_debug_path
from distcheck.agent.probes.container_files import Container


def _form(value: str) -> DebugFile:
    found = debug_file({"NCCL_DEBUG_FILE": f"/tmp/{value}"}, None)
    assert found is not None
    return found


@pytest.mark.parametrize("value", ["%p" * 8 + "x", "%h" * 8 + "x", "%h1%h1%h1%h1%h1%h1%h1%h"])
def test_many_placeholders_are_matched_in_time_that_grows_with_the_name_only(value: str) -> None:
    form = _form(value)
    for _ in range(20):
        assert not form.matches("1" * 254 + "/x")


def test_more_placeholders_than_a_name_has_use_for_are_not_looked_for() -> None:
    assert debug_file({"NCCL_DEBUG_FILE": "/tmp/" + "%p" * 60 + "x"}, None) is None


@pytest.mark.parametrize(
    ("value", "name", "matches"),
    [
        ("nccl.%h.%p", "nccl.node-1.example.77", True),
        ("nccl.%h.%p", "nccl.node-1.example.", False),
        ("%p", "1234567890", True),
        ("%p", "12345678901", False),
        ("%p%p", "12345678901", True),
        ("%p", "\u0661", False),
        ("%%p", "%p", True),
        ("%%p", "7", False),
        ("a%x", "a%x", True),
        ("a%", "a%", True),
        ("a%pa", "a1", False),
        ("aa%paa", "aa1aa", True),
        ("aba%hbab", "abab", False),
    ],
)
def test_a_name_matches_what_nccl_may_have_made_of_the_form(
    value: str, name: str, matches: bool
) -> None:
    assert _form(value).matches(name) is matches


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["%h", "%p", "%%", "a", "1", ".", "%x"]), min_size=1, max_size=6),
    st.text("a1.%x-", max_size=9),
)
def test_matching_by_hand_agrees_with_a_pattern(words: list[str], name: str) -> None:
    said = {"%h": r"[A-Za-z0-9._-]{1,253}", "%p": r"[0-9]{1,10}", "%%": "%"}
    pattern = "".join(said.get(word, re.escape(word)) for word in words)
    assert _form("".join(words)).matches(name) == (re.fullmatch(pattern, name) is not None)


def test_more_forms_than_eight_are_named_as_lost(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.process(77, ["VLLM::Worker"])
    node.inside("/tmp/n-0", "")
    lost: list[str] = []
    forms = [_form(f"n-{n}") for n in range(MAX_FORMS + 1)]
    found = every_debug_path(Container(node.settings.host_proc, 77), forms, lost)
    assert (found, len(lost)) == (["/tmp/n-0"], 1)
    assert "9 forms" in lost[0]
