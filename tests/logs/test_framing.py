import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.logs.framing import DOCKER_PART, LONGEST_LINE, Framing, unframe

AT = "2026-03-01T08:10:41.932415Z"


def test_a_cri_line_loses_its_stamp_stream_and_tag() -> None:
    assert Framing().push(f"{AT} stdout F a line".encode()) == [(AT, "a line")]


def test_cri_parts_are_joined_per_stream() -> None:
    framing = Framing()
    assert framing.push(f"{AT} stdout P one ".encode()) == []
    assert framing.push(f"{AT} stderr F between".encode()) == [(AT, "between")]
    assert framing.pending
    assert framing.push(f"{AT} stdout F two".encode()) == [(AT, "one two")]
    assert not framing.pending


def test_a_part_without_an_end_is_not_lost() -> None:
    framing = Framing()
    framing.push(f"{AT} stdout P half".encode())
    assert framing.flush() == [(None, "half")]


def test_docker_json_gives_text_and_time() -> None:
    line = json.dumps({"log": "\x1b[36mhello\x1b[0m\n", "stream": "stdout", "time": AT})
    assert Framing().push(line.encode()) == [(AT, "hello")]


def test_docker_parts_are_joined() -> None:
    framing = Framing()
    long = "x" * DOCKER_PART
    first = json.dumps({"log": long, "stream": "stdout", "time": AT})
    last = json.dumps({"log": "two\n", "stream": "stdout", "time": AT})
    assert framing.push(first.encode()) == []
    assert framing.push(last.encode()) == [(AT, f"{long}two")]


@pytest.mark.parametrize("key", ["log", "message", "msg", "textPayload", "line"])
def test_json_of_a_collector_gives_its_text_by_line(key: str) -> None:
    framing = Framing()
    raw = json.dumps({"time": AT, key: "one two", "pod": "a"}).encode()
    assert framing.push(raw) == [(AT, "one two")]
    assert not framing.pending


def test_a_kubectl_stamp_is_taken_off() -> None:
    assert unframe(f"{AT} a line".encode()).payload == b"a line"


def test_json_of_a_program_is_left_as_it_is() -> None:
    assert Framing().push(b'{"level": "info"}') == [(None, '{"level": "info"}')]


def test_a_carriage_return_starts_a_new_text() -> None:
    assert Framing().push(b"Loading 12%\rhost:1:2 [0] NCCL INFO x") == [
        (None, "Loading 12%"),
        (None, "host:1:2 [0] NCCL INFO x"),
    ]


def test_joined_parts_are_bounded() -> None:
    framing = Framing()
    for _ in range(40):
        framing.push(f"{AT} stdout P {'x' * 16000}".encode())
    ((_, whole),) = framing.push(f"{AT} stdout F end".encode())
    assert len(whole) == LONGEST_LINE


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_give_text_or_nothing(lines: list[bytes]) -> None:
    framing = Framing()
    for line in lines:
        for stamp, text in framing.push(line):
            assert isinstance(text, str)
            assert stamp is None or stamp
    framing.flush()
