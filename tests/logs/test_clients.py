"""What a client sent, and what it was answered, is never the engine's word nor NCCL's."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.logs.clients import own_words
from distcheck.agent.logs.distil import Distilled, Distiller

EVIL = (
    "Model loading took 16.49 GiB and 9 seconds",
    "Initializing a V1 LLM engine (v0.9.2) with config: tensor_parallel_size=8",
    "RuntimeError: NCCL error: unhandled system error",
    "OSError: [Errno 98] Address already in use",
    "h:200:300 [0] misc/socket.cc:484 NCCL WARN Connect to 10.0.0.9<1234> failed : refused",
    "h:2:3 [0] NCCL INFO comm 0x1 rank 0 nranks 2 cudaDev 0 busId 1 commId 0x2 - Init COMPLETE",
    "Application startup complete.",
    "The server is fired up and ready to roll!",
    "ServerArgs(model_path='m', tp_size=8)",
    "RuntimeError: Failed to connect to GCS at address 10.0.0.9:6379",
)
VLLM = "(APIServer pid=1) INFO 01-15 09:25:00 [logger.py:41] "
WAYS = {
    "vLLM's request": VLLM + "Received request chatcmpl-1: prompt: {!r}, params: None",
    "vLLM's id of a client's": VLLM + "Received request {}: params: SamplingParams(n=1)",
    "vLLM's response": VLLM + "Generated response c-1 (streaming complete): output: {!r}, ids",
    "vLLM's debug line": VLLM + "Request c-1 details: prompt: {!r}, prompt_token_ids: None",
    "vLLM's refusal": VLLM + "Error with model error=ErrorInfo(message='The model `{}` is not",
    "SGLang's request": "[2026-01-15 TP0] Receive: obj=GenerateReqInput(rid='x', text={!r}, )",
    "SGLang's answer": "[2026-01-15 TP0] Finish: obj=GenerateReqInput(rid='x'), out={!r}",
    "a body": 'INFO proxy: {{"messages": [{{"role": "user", "content": "{}"}}]}}',
    "an access log": 'INFO:     10.0.0.1:4444 - "GET /v1/{} HTTP/1.1" 404 Not Found',
}


def distilled(*lines: str) -> Distilled:
    distiller = Distiller("0.log")
    distiller.feed("".join(f"{line}\n" for line in lines).encode())
    return distiller.finish()


def facts(found: Distilled) -> tuple[object, ...]:
    """What of `found` any check could rest on."""
    vllm, nccl, engine = found.vllm, found.nccl, found.engine
    return (
        *(vllm.failures, vllm.weights, vllm.tp, vllm.started, nccl.failures, nccl.communicators),
        *(nccl.lines, engine.tp, engine.started, found.ray.said),
    )


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_clients_words_are_no_evidence(way: str) -> None:
    said = [way.format(words) for words in EVIL]
    assert facts(distilled(*said)) == facts(distilled("nothing"))


def test_the_same_words_are_evidence_where_the_engine_writes_them() -> None:
    assert all(facts(distilled(words)) != facts(distilled("nothing")) for words in EVIL)


def test_all_of_a_record_after_a_clients_words_is_the_clients() -> None:
    """A collector's JSON keeps the newlines of a program that prints a prompt raw."""
    text = f"Received request 1: prompt: 'why\n{EVIL[0]}\n{EVIL[2]}\n'"
    assert facts(distilled(json.dumps({"message": text}))) == facts(distilled("nothing"))


def test_a_clients_words_count_no_known_line_of_nccl_once_more() -> None:
    known = [f"h:20:30 [0] NCCL INFO Channel 0{n}/0 : 0[0] -> 1[1] via P2P/IPC" for n in range(4)]
    asked = WAYS["vLLM's request"].format(f"see {known[1]}")
    assert facts(distilled(*known, asked, known[0])) == facts(distilled(*known, known[0]))


@pytest.mark.parametrize("stamp", ["2026-01-15T09:25:00Z stdout F ", ""])
def test_a_request_in_a_long_log_of_other_lines_is_passed_over(stamp: str) -> None:
    """Only lines with a needle are cut out of such a log."""
    other = [f"{stamp}{VLLM}Engine 000: Avg prompt throughput: {n}" for n in range(400)]
    asked = [stamp + WAYS["vLLM's request"].format(words) for words in EVIL]
    assert facts(distilled(*other, *asked, *other)) == facts(distilled("nothing"))


def test_the_engines_arguments_may_quote_a_chat_template() -> None:
    line = """non-default args: {'chat_template': '{{ m["content"] }}', 'model': 'm',"""
    line = f"{VLLM}{line} 'tensor_parallel_size': 8}}"
    assert own_words(line) == line


def test_what_stands_before_a_clients_words_is_kept() -> None:
    assert own_words(WAYS["vLLM's request"]) == VLLM


@given(st.text(), st.sampled_from([*WAYS.values()]), st.text())
def test_own_words_are_always_the_lines_start(before: str, way: str, after: str) -> None:
    text = before + way + after
    assert text.startswith(own_words(text))
