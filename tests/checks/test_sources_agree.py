"""GROUP002: places that ask for one layout, and places that ask for two."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.checks.cluster.sources_agree import sources_agree
from distcheck.checks.evidence import Conflict, Intent
from distcheck.checks.verdict import Verdict

ARGS, ARGV = "args of vllm-head-0", "argv of vllm-head-0 (pid 9)"


def verdict(**changes: Any) -> Verdict:
    base = Intent(tp=16, model="m", sources={"tp": ARGS, "model": ARGS})
    intent = structs.replace(base, **changes)
    return sources_agree.judge_evidence(structs.replace(healthy(), intent=intent))


def test_two_places_that_agree_pass_and_are_cited() -> None:
    found = verdict(agreed={"tp": (ARGS, ARGV)})
    assert found.outcome == "pass"
    assert found.says == f"TP=16, by {ARGS}, {ARGV}"
    assert [c.source for c in found.cites] == [ARGS, ARGV]


def test_one_place_alone_proves_nothing() -> None:
    found = verdict()
    assert (found.outcome, found.cause) == ("unknown", None)
    assert found.says.endswith(f"by {ARGS}: no command line that runs was seen to say so too")
    alone = {"tp": (ARGV,), "model": (ARGV,)}
    assert verdict(agreed=alone).says.endswith("no spec that was read says so too")


def test_specs_that_agree_with_each_other_alone_prove_nothing() -> None:
    assert verdict(agreed={"tp": (ARGS, "args of vllm-worker-0")}).outcome == "unknown"


def test_two_command_lines_that_run_alike_prove_nothing_of_what_was_asked() -> None:
    other = "argv of vllm-worker-0 (pid 9)"
    assert verdict(agreed={"tp": (ARGV, other)}).outcome == "unknown"


def test_a_model_alone_is_no_layout() -> None:
    found = verdict(agreed={"model": (ARGS, ARGV), "tp": (ARGV,)})
    assert found.outcome == "unknown"
    assert found.says == f"TP=16, by {ARGV}: no spec that was read says so too"
    only = verdict(tp=None, sources={"model": ARGS}, agreed={"model": (ARGS, ARGV)})
    assert only.outcome == "unknown"


@pytest.mark.parametrize(("name", "value"), [("pp", 2), ("dp", 4), ("ep", True), ("pp", 1)])
def test_a_degree_that_a_spec_names_and_nothing_confirms_is_unknown(name: str, value: int) -> None:
    told = {"tp": (ARGS, ARGV), name: (ARGS,)}
    sources = {"tp": ARGS, name: ARGS}
    found = verdict(**{name: value}, sources=sources, agreed=told)
    assert found.outcome == "unknown"
    assert "no command line that runs was seen to say so too" in found.says
    both = verdict(**{name: value}, sources=sources, agreed=told | {name: (ARGS, ARGV)})
    assert both.outcome == "pass"


def test_a_degree_that_only_runs_is_unknown_unless_it_is_the_default() -> None:
    told = {"tp": (ARGS, ARGV), "pp": (ARGV,)}
    sources = {"tp": ARGS, "pp": ARGV}
    assert verdict(pp=2, sources=sources, agreed=told).outcome == "unknown"
    assert verdict(pp=1, sources=sources, agreed=told).outcome == "pass"


def test_what_the_caller_expects_is_a_place_that_asks() -> None:
    found = verdict(sources={"tp": "--expect"}, agreed={"tp": (ARGV, "--expect")})
    assert (found.outcome, found.says) == ("pass", f"TP=16, by {ARGV}, --expect")


def test_what_could_not_be_read_is_said_where_nothing_is_confirmed() -> None:
    found = verdict(agreed={"tp": (ARGV,)}, unread={"tp": "args of a: -tp $TP is not known here"})
    assert found.outcome == "unknown"
    assert found.says.endswith("args of a: -tp $TP is not known here")


def test_a_command_line_of_a_pod_that_nobody_looked_at_is_no_witness() -> None:
    assert verdict(agreed={"tp": (ARGS, "argv of other-0 (pid 9)")}).outcome == "unknown"


def test_a_server_that_runs_otherwise_than_its_spec_fails() -> None:
    found = verdict(conflicts=(Conflict("tp", "8", ARGV, running=True),))
    assert (found.outcome, found.cause) == ("fail", "running_differs")
    assert found.says == f"{ARGV} runs with TP=8, {ARGS} says TP=16"
    assert [c.what for c in found.cites] == ["TP=16 is asked for", "TP=8 runs"]
    assert found.subjects == ("vllm-head-0",)


def test_a_model_of_another_name_is_a_warning() -> None:
    found = verdict(
        conflicts=(Conflict("model", "n", ARGV, running=True),), agreed={"tp": (ARGS, ARGV)}
    )
    assert (found.outcome, found.cause) == ("warn", "intent_conflict")


def test_two_specs_that_differ_are_a_warning() -> None:
    found = verdict(conflicts=(Conflict("tp", "8", "environment of vllm-head-0"),))
    assert (found.outcome, found.cause) == ("warn", "intent_conflict")
    assert found.says == f"environment of vllm-head-0 says TP=8, {ARGS} says TP=16"


def test_a_place_that_could_not_be_read_is_a_gap() -> None:
    found = verdict(agreed={"tp": (ARGS, ARGV)}, unread={"configmap/x": "forbidden"})
    assert found.outcome == "unknown"
    assert "forbidden" in found.says


def test_a_failure_stands_whatever_else_could_not_be_read() -> None:
    told = (Conflict("tp", "8", ARGV, running=True),)
    assert verdict(conflicts=told, unread={"dp": "$X"}).outcome == "fail"


def test_nothing_read_is_unknown_with_its_reason() -> None:
    found = verdict(tp=None, model=None, unread={"tp": "args of vllm-head-0: -tp $TP is not known"})
    assert found.outcome == "unknown"
    assert "$TP" in found.says


_NAMES = st.sampled_from(["tp", "ep", "nodes", "NCCL_NET", "x"])


@given(st.lists(st.builds(Conflict, _NAMES, st.text(), st.text(), st.booleans()), max_size=5))
def test_a_conflict_never_passes(conflicts: list[Conflict]) -> None:
    found = verdict(conflicts=tuple(conflicts), agreed={"tp": (ARGS, ARGV)})
    assert found.outcome == ("pass" if not conflicts else found.outcome)
    assert not (conflicts and found.outcome in ("pass", "unknown"))
