import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.logs import nccl_grammar as grammar
from distcheck.agent.logs.nccl_channels import parse_link
from distcheck.agent.logs.nccl_grammar_channels import CHANNEL_FORMS, ChannelForm

TABLES = {"info": grammar.FORMS, "diag": grammar.DIAG_FORMS}
EXAMPLES = [
    pytest.param(form, text, id=f"{form.kind}-{number}")
    for table in TABLES.values()
    for form in table
    for number, text in enumerate(form.examples)
]
KEPT = {
    *("init", "nodes", "closed", "network", "connected", "bootstrap", "version", "echo"),
    "provider",
}


@pytest.mark.parametrize(("form", "text"), EXAMPLES)
def test_a_form_takes_its_own_examples_and_no_other_form_does(
    form: grammar.Form, text: str
) -> None:
    table = next(t for t in TABLES.values() if form in t)
    taken = {f.kind for f in table if f.needle in text and f.pattern.search(text)}
    assert taken - set(form.also) == {form.kind}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_form_has_its_versions_its_meaning_and_an_example(
    table: tuple[grammar.Form, ...],
) -> None:
    assert len({f.kind for f in table}) == len(table)
    assert all(f.versions and f.proves and f.examples for f in table)


def test_the_kinds_that_the_reader_takes_are_in_the_table() -> None:
    assert {f.kind for f in grammar.FORMS} >= KEPT


@pytest.mark.parametrize("form", grammar.MARK_FORMS, ids=lambda f: str(f.id))
def test_a_mark_is_set_by_its_own_examples_and_no_other_mark_is(form: grammar.MarkForm) -> None:
    assert form.examples
    for text in form.examples:
        found = {f.id for f in grammar.MARK_FORMS if f.needle in text and f.pattern.search(text)}
        assert form.id in found
        assert found <= {form.id, *form.also}


@pytest.mark.parametrize("form", grammar.FAILURES, ids=lambda f: f"{f.id}-{f.weight}")
def test_a_warning_is_named_by_its_own_entry_and_weighed(form: grammar.FailureForm) -> None:
    assert form.examples
    assert form.versions
    for text in form.examples:
        found = grammar.failure_of(text)
        assert found is form


@pytest.mark.parametrize("form", grammar.WRAPPED_FORMS, ids=lambda f: str(f.id))
def test_a_callers_words_are_named_by_their_own_entry(form: grammar.FailureForm) -> None:
    assert form.examples
    assert all(grammar.wrapped_form_of(text) is form for text in form.examples)
    assert all(grammar.wrapped_of(text) == form.id for text in form.examples)


@pytest.mark.parametrize(
    "text",
    [
        "misc/socket.cc:543 -> 3",
        "NET/Plugin: Failed to find ncclCollNetPlugin_v8 symbol.",
        "NET/Plugin: Could not find: libnccl-net.so. Using internal network plugin.",
        "TUNER/Plugin: Plugin load returned 2 : libnccl-net.so: cannot open shared object file",
        "Using internal tuner plugin.",
    ],
)
def test_what_healthy_logs_say_is_no_failure(text: str) -> None:
    assert grammar.failure_of(text) is None
    assert grammar.wrapped_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Volatile Uncorrectable ECC errors: 0",
        "NVRM: Xid (PCI:0000:1b:00): 13, Graphics Exception",
        "PCIe Bus Error: severity=Corrected, type=Physical Layer",
    ],
)
def test_counters_and_events_that_a_gpu_survives_are_no_failure(text: str) -> None:
    assert grammar.wrapped_of(text) is None


def test_another_plugins_missing_file_says_nothing_of_the_network() -> None:
    text = "TUNER/Plugin: Plugin load returned 2 : libnccl-tuner.so: cannot open shared object"
    assert not [f.id for f in grammar.MARK_FORMS if f.pattern.search(text)]


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("Connect to 10.1.0.4<41000> failed : Connection refused", "10.1.0.4<41000>"),
        ("connect to fd00::4%eth0<41000> returned No route to host", "fd00::4%eth0<41000>"),
        ("connect to fe80::1%eth0.100<7> returned x", "fe80::1%eth0.100<7>"),
        ("Connection closed by remote peer vllm-worker-0<41000>", "vllm-worker-0<41000>"),
        ("Connection closed by remote peer vllm-0.vllm.ns.svc<1>", "vllm-0.vllm.ns.svc<1>"),
        ("Got completion from peer 10.1.0.4<41000> with status=12", "10.1.0.4<41000>"),
        ("Call to recv from 10.1.0.4<41000> failed : Broken pipe", "10.1.0.4<41000>"),
        ("connect returned No route to host, exceeded error retry count (35)", None),
    ],
)
def test_the_peers_address_is_read_in_every_form(text: str, peer: str | None) -> None:
    found = grammar.PEER.search(text)
    assert (None if found is None else found["peer"]) == peer


@pytest.mark.parametrize(
    ("who", "work", "want"),
    [
        ("[Rank 3]", "SeqNum=64, OpType=ALLREDUCE, NumelIn=1", ("3", "64", "ALLREDUCE")),
        ("[Rank 0]", "OpType=BROADCAST, Timeout(ms)=1800000", ("0", None, "BROADCAST")),
        ("[PG ID 1 PG GUID 1 Rank 7]", "SeqNum=9, OpType=SEND, x", ("7", "9", "SEND")),
    ],
)
def test_a_watchdog_names_its_victim(
    who: str, work: str, want: tuple[str, str | None, str]
) -> None:
    text = f"{who} Watchdog caught collective operation timeout: WorkNCCL({work})"
    found = grammar.VICTIM.search(text)
    assert found is not None
    assert (found["rank"], found["seq"], found["op"]) == want


def _channels() -> Iterator[tuple[ChannelForm, str]]:
    yield from ((form, text) for form in CHANNEL_FORMS for text in form.examples)


@pytest.mark.parametrize(("form", "text"), tuple(_channels()))
def test_a_channel_line_is_read_in_every_form(form: ChannelForm, text: str) -> None:
    left, _, right = text.partition(" via ")
    ends = grammar.COLLNET if form.transport == "COLLNET" else grammar.CHANNEL
    assert ends.match(left)
    assert form.pattern.match(right)
    link = parse_link(text)
    assert link is not None
    assert link.via.transport.startswith(form.transport) or "shared memory" in text


@pytest.mark.parametrize(
    "head",
    [
        "vllm-head-0:71:581 [0]",
        "10-1-16-226:1024:1024 [7]",
        "gpu_a:71:581 [-1] misc/socket.cc:58",
        "gpu-a:71:581 [0] transport/net_ib/p2p.cc:712 (ncclIbTest)",
        "gpu-a:71:581 [0] register_mr_buffers:647",
        "gpu-a:71:581 [0] " + "/" + "build/" * 25 + "src/misc/msccl.cc:9",
    ],
)
@pytest.mark.parametrize(
    "before", ["", "[2026-03-01 08:31:07] ", "0: ", "(W pid=9) ", "[1,3]<stdout>:"]
)
def test_heads_of_every_version_are_read_behind_any_prefix(head: str, before: str) -> None:
    found = grammar.HEAD.search(before + head)
    assert found is not None
    assert head.startswith(f"{found['host']}:{found['pid']}:{found['tid']} ")


def test_the_library_that_vllm_loads_is_read_from_its_own_words() -> None:
    found = grammar.CALLER_VERSION.search("INFO 03-01 pynccl.py:69] vLLM is using nccl==2.26.2")
    assert found is not None
    assert found["version"] == "2.26.2"


def test_a_source_prefix_is_not_an_arrow() -> None:
    assert grammar.SOURCE_PREFIX.match("init.cc:1912 (ncclCommInitRankFunc) Using network IB")
    assert grammar.SOURCE_PREFIX.match("init.cc:1912 (ncclCommInitRankFunc) -> 3") is None


PATTERNS = {
    **{f"form-{f.kind}": f.pattern for t in TABLES.values() for f in t},
    **{f"mark-{f.id}": f.pattern for f in grammar.MARK_FORMS},
    **{f"warn-{n}-{f.id}": f.pattern for n, f in enumerate(grammar.FAILURES)},
    **{f"wrapped-{f.id}": f.pattern for f in grammar.WRAPPED_FORMS},
    **{f"via-{f.transport}": f.pattern for f in CHANNEL_FORMS},
    "head": grammar.HEAD,
    "message": grammar.MESSAGE,
    "source": grammar.SOURCE_PREFIX,
    "bare": grammar.BARE_VERSION,
    "caller": grammar.CALLER_VERSION,
    "diag": grammar.DIAG,
    "repeated": grammar.REPEATED,
    "peer": grammar.PEER,
    "victim": grammar.VICTIM,
    "channel": grammar.CHANNEL,
    "collnet": grammar.COLLNET,
}
SIZE = 64 * 1024


def _hostile() -> Iterator[str]:
    """64 KiB of what a pattern may stumble over: runs, and starts of messages without an end."""
    yield from (
        unit * (SIZE // len(unit)) for unit in ("a", " ", "a.", "a-", "1", "x ", "[0]", "/")
    )
    for table in TABLES.values():
        for form in table:
            yield from _starts(form.examples[0])
    for mark in grammar.MARK_FORMS:
        yield from _starts(mark.examples[0])
    for failure in (*grammar.FAILURES, *grammar.WRAPPED_FORMS):
        yield from _starts(failure.examples[0])
    yield from _starts("gpu-a:71:581 [0] misc/socket.cc:58 (f) NCCL INFO x")
    yield from _starts("NET/IB/0/GDRDMA/Shared comm 0x1 nRanks 16")


def _starts(example: str) -> Iterator[str]:
    """The first two thirds of a message, again and again; and once, before a long run."""
    start = example[: max(len(example) * 2 // 3, 4)]
    yield start * (SIZE // len(start))
    yield start + " " * SIZE + "!"


HOSTILE = tuple(dict.fromkeys(_hostile()))


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_no_pattern_takes_long_over_a_hostile_line(pattern: re.Pattern[str]) -> None:
    slowest = max(_seconds(pattern, text) for text in HOSTILE)
    assert slowest < 1.0, "64 KiB take milliseconds, a quadratic pattern takes minutes"


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    began = time.process_time()
    pattern.search(text)
    pattern.match(text)
    return time.process_time() - began


@given(st.text(max_size=400))
def test_any_words_are_named_or_not_and_never_raise(text: str) -> None:
    grammar.failure_of(text)
    grammar.wrapped_of(text)
    shown, times = grammar.unfold(text)
    assert text.startswith(shown)
    assert times >= 1
