"""Agents of another version answer as far as both versions know the same forms."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from distcheck.agent.cluster.answer import decode_look, merge_second
from distcheck.agent.cluster.errors import Unreachable
from distcheck.checks.evidence import Missing, NcclLog, NodeLook, PodLook, Processes, VllmLog
from distcheck.checks.evidence.flows import TcpFlows
from distcheck.checks.evidence.gpu_health import GpuHealth
from tests.evidence_builder import healthy

LOOK = healthy().nodes[0]


def changed(**parts: Any) -> NodeLook:
    """The answer with parts of its one pod put in place, by an agent 0.9."""
    raw = json.loads(msgspec.json.encode(LOOK))
    raw["agent"] = "0.9.0"
    raw["pods"][0] |= parts
    return decode_look(json.dumps(raw).encode(), LOOK.node)


def test_the_answer_of_this_version_is_whole() -> None:
    assert decode_look(msgspec.json.encode(LOOK), LOOK.node) == LOOK


def test_a_part_of_another_form_is_missing_and_the_others_count() -> None:
    look = changed(nccl={"kind": "nccl-log-2", "lines": []})
    (pod,) = look.pods
    why = "agent 0.9.0 on gpu-0 says this in a form that this version does not know"
    assert pod.nccl == Missing(why)
    assert isinstance(pod.vllm, VllmLog)
    assert isinstance(pod.processes, Processes)
    assert look.gpus == LOOK.gpus


def test_a_part_of_the_wrong_type_without_a_reason_of_its_own_is_left_empty() -> None:
    assert changed(connections={"a": 1}).pods[0].connections == ()


def test_what_an_older_agent_does_not_say_is_missing() -> None:
    raw = json.loads(msgspec.json.encode(LOOK))
    del raw["pods"][0]["shm"]
    raw["agent"] = "0.9.0"
    look = decode_look(json.dumps(raw).encode(), LOOK.node)
    assert look.pods[0].shm == Missing("agent 0.9.0 on gpu-0 does not say this")
    assert isinstance(look.pods[0].nccl, NcclLog)


def test_fields_of_a_newer_agent_are_ignored() -> None:
    raw = json.loads(msgspec.json.encode(LOOK))
    raw |= {"fabric": {"kind": "fabric"}}
    raw["pods"][0] |= {"cgroup": 3}
    assert decode_look(json.dumps(raw).encode(), LOOK.node) == LOOK


def test_a_pod_without_a_name_is_no_pod() -> None:
    assert changed(pod=5).pods == ()


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
        lambda v: json.dumps({"node": "gpu-0", "pods": [{"pod": v, "nccl": v}], "gpus": v}).encode()
    )
)
@settings(max_examples=60)
def test_any_answer_is_a_look_or_unreachable(body: bytes) -> None:
    with contextlib.suppress(Unreachable):
        assert decode_look(body, "gpu-0").node == "gpu-0"


def test_an_answer_of_another_node_is_refused() -> None:
    with pytest.raises(Unreachable, match="answers for node gpu-0"):
        decode_look(msgspec.json.encode(LOOK), "gpu-9")


def test_a_second_look_adds_what_changed_since_the_first() -> None:
    """What the second could not see is kept from the first."""
    flows = TcpFlows((), "sock_diag", "2026-03-01T10:00:00Z")
    later = structs.replace(flows, seen_at="2026-03-01T10:00:09Z")
    first = _look_of(structs.replace(PodLook.unseen("llm/a", "x"), flows=flows))
    again = _look_of(structs.replace(PodLook.unseen("llm/a", "x"), flows=later))
    assert merge_second(first, again).pods[0].flows == later
    assert merge_second(first, NodeLook.unseen("n", "t", "gone")).pods[0].flows == flows


def test_a_second_look_has_how_busy_gpus_were_before() -> None:
    """And the first one's, where the second could not ask NVML."""
    busy = GpuHealth((), used_before={"GPU-1": 99}, before_at="2026-03-01T09:59:00Z")
    again = structs.replace(LOOK, health=busy)
    assert merge_second(LOOK, again).health == busy
    assert merge_second(again, NodeLook.unseen(LOOK.node, "t", "gone")).health == busy


def _look_of(pod: PodLook) -> NodeLook:
    gone = Missing("not seen")
    return NodeLook("n", "2026-03-01T10:00:00Z", "0.1.0", gone, gone, (pod,))
