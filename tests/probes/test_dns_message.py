"""Answers of a name server that nobody trusts: read as RFC 1035 says, or refused."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.dns_message import AAAA, A, Answer, DnsError, question, read_answer

NAME = "vllm-head-0.vllm-head.llm.svc.cluster.local"
NUMBER = 0x1234


def reply(
    *records: bytes,
    flags: int = 0x8180,
    name: str = NAME,
    kind: int = A,
    count: int | None = None,
    number: int = NUMBER,
) -> bytes:
    asked = question(number, name, kind)
    head = struct.pack("!6H", number, flags, 1, len(records) if count is None else count, 0, 0)
    return head + asked[12:] + b"".join(records)


def record(data: bytes, kind: int = A, owner: bytes = b"\xc0\x0c") -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, 30, len(data)) + data


def read(message: bytes, kind: int = A) -> Answer:
    return read_answer(message, NUMBER, NAME, kind)


def test_a_question_is_what_rfc_1035_draws() -> None:
    assert question(7, "a.bc", A) == (
        b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02bc\x00\x00\x01\x00\x01"
    )


def test_addresses_of_both_families_are_read() -> None:
    assert read(reply(record(b"\x0a\0\0\x02"), record(b"\x0a\0\0\x02"))).addresses == ("10.0.0.2",)
    six = reply(record(b"\xfd" + b"\0" * 14 + b"\1", AAAA), kind=AAAA)
    assert read(six, AAAA).addresses == ("fd00::1",)


def test_an_alias_leads_to_the_address_of_what_it_stands_for() -> None:
    other = b"\x05other\x00"
    alias = record(other, kind=5)
    assert read(reply(alias, record(b"\x0a\0\0\x09", owner=other))).addresses == ("10.0.0.9",)


def test_an_address_of_a_name_that_was_not_asked_for_is_left_out() -> None:
    assert read(reply(record(b"\x0a\0\0\x09", owner=b"\x04evil\x00"))).addresses == ()


@pytest.mark.parametrize(("flags", "code"), [(0x8183, 3), (0x8182, 2), (0x8185, 5)])
def test_a_servers_code_is_told(flags: int, code: int) -> None:
    assert read(reply(flags=flags)) == Answer(code)
    assert read(reply(flags=0x8182)).says == "SERVFAIL"


def test_an_answer_that_is_cut_says_so() -> None:
    assert read(reply(flags=0x8380)).truncated


LOOP = b"\xc0\x0c"
HOSTILE = {
    "nothing": b"",
    "half a header": reply()[:7],
    "a question": question(NUMBER, NAME, A),
    "another number": reply(number=1),
    "another name": reply(name="evil.example"),
    "another type": reply(kind=AAAA),
    "more records than there are": reply(count=9),
    "a record that is longer than the answer": reply(record(b"\x0a\0\0\x02")[:-1]),
    "a pointer to itself": struct.pack("!6H", NUMBER, 0x8180, 1, 0, 0, 0) + LOOP + b"\0\1\0\1",
    "a pointer forward": struct.pack("!6H", NUMBER, 0x8180, 1, 0, 0, 0) + b"\xc0\x20" + b"\0" * 40,
    "a label that is too long": reply(record(b"\x0a\0\0\x02", owner=b"\x70" + b"a" * 112 + b"\0")),
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_answer_to_the_question_is_refused(message: bytes) -> None:
    with pytest.raises(DnsError):
        read(message)


def test_a_chain_of_pointers_ends() -> None:
    chain = b"\x01a\x00" + b"".join(
        b"\x01b" + struct.pack("!H", 0xC000 | at) for at in range(60, 1000, 4)
    )
    alias = record(chain, kind=5)
    with suppress(DnsError):
        read(reply(alias, record(b"\x0a\0\0\x02")))


@given(
    start=st.integers(0, 80),
    noise=st.binary(max_size=60),
    count=st.integers(0, 65535),
    flags=st.integers(0, 65535),
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(start: int, noise: bytes, count: int, flags: int) -> None:
    whole = reply(
        record(b"\x0a\0\0\x02"), record(b"\x05other\x00", kind=5), flags=flags, count=count
    )
    broken = whole[:start] + noise + whole[start + len(noise) :]
    for message in (noise, broken, whole[:start]):
        with suppress(DnsError):
            assert all(len(one) <= 39 for one in read(message).addresses)


@given(records=st.lists(st.binary(max_size=40), max_size=4), names=st.binary(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_records_are_read_or_refused(records: list[bytes], names: bytes) -> None:
    with suppress(DnsError):
        read(reply(*(record(data, kind=5, owner=names + b"\0") for data in records)))


@pytest.mark.parametrize("name", ["", "a..b", ".a", "x" * 64, "a." * 130 + "a", "höhe"])
def test_a_name_that_cannot_be_asked_for_is_refused(name: str) -> None:
    with pytest.raises(DnsError):
        question(1, name, A)
