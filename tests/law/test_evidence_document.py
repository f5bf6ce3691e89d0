"""The evidence file: what is written can be read, and what is not evidence is refused by name."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from distcheck.checks.evidence import (
    Evidence,
    EvidenceError,
    Intent,
    NodeLook,
    Pod,
    Target,
    decode_evidence,
    encode_evidence,
)

POD = Pod("llm", "vllm-head-0", node="gpu-a", role="leader", gpus=8)
SMALL = Evidence(
    "0.1.0",
    "2026-01-01T00:00:00Z",
    Target("llm", "pod", "vllm-head-0"),
    Intent(tp=16, pp=1, sources={"tp": "args of vllm-head-0"}),
    (POD,),
    (NodeLook.unseen("gpu-a", "2026-01-01T00:00:00Z", "no agent on gpu-a"),),
)


def test_what_is_written_is_read_back_the_same() -> None:
    assert decode_evidence(encode_evidence(SMALL)) == SMALL


def test_the_same_evidence_gives_the_same_bytes() -> None:
    assert encode_evidence(SMALL) == encode_evidence(decode_evidence(encode_evidence(SMALL)))


def test_a_pod_on_a_node_without_an_agent_is_unseen_with_the_reason() -> None:
    assert "no agent on gpu-a" in getattr(SMALL.look(POD).shm, "reason", "")


def test_a_pod_without_a_node_is_unseen_with_the_reason() -> None:
    pending = Pod("llm", "vllm-worker-0")
    assert "no node yet" in getattr(SMALL.look(pending).nccl, "reason", "")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "not evidence"),
        (b"{}", "not evidence"),
        (b'{"schema": "distcheck.evidence/v2"}', "distcheck.evidence/v2"),
        (b'{"schema": "distcheck.evidence/v1"}', "wrong shape"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"schema":' + b"[" * 100_000, "not "),
    ],
)
def test_what_is_not_evidence_is_refused_with_the_reason(data: bytes, says: str) -> None:
    with pytest.raises(EvidenceError, match=says):
        decode_evidence(data)


@pytest.mark.parametrize(
    ("twice", "says"),
    [
        (structs.replace(SMALL, pods=(POD, POD)), "pod llm/vllm-head-0 is .* more than once"),
        (structs.replace(SMALL, nodes=SMALL.nodes * 2), "node gpu-a is .* more than once"),
    ],
)
def test_a_pod_or_a_node_that_is_there_twice_is_refused_by_name(twice: Evidence, says: str) -> None:
    with pytest.raises(EvidenceError, match=says):
        decode_evidence(encode_evidence(twice))


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes_give_evidence_or_a_clear_error(noise: bytes, at: int) -> None:
    whole = encode_evidence(SMALL)
    with contextlib.suppress(EvidenceError):
        assert isinstance(decode_evidence(whole[:at] + noise + whole[at:]), Evidence)
