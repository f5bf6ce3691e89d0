"""RAS over its own protocol: a server that speaks text of every form and JSON."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from distcheck.agent import ras_client, ras_json, ras_text
from distcheck.agent.container_json import NotJsonError
from distcheck.agent.probes import ras
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.ras_client import RasAddress
from distcheck.checks.evidence.ras import RasStatus
from distcheck.lab.ras_job import Job, JobCommunicator, JobRank
from distcheck.lab.ras_server import RasServer, answer

OWN = Path("/proc/self/ns/net")
OLD, EACH, JSON, NEW = (2, 25, 1), (2, 27, 5), (2, 28, 9), (2, 29, 2)
Change = Callable[[JobRank], JobRank]


def job(version: tuple[int, int, int] = JSON, change: Change = lambda r: r) -> Job:
    """One communicator of four ranks on two hosts, and two of two."""
    ranks = tuple(
        change(
            JobRank(n, f"10.0.0.{1 + n // 2}", 100 + n, n % 2, {"AllReduce": 40, "Broadcast": 2})
        )
        for n in range(4)
    )
    pairs = tuple(
        JobCommunicator(
            0xA0 + half,
            tuple(
                structs.replace(r, rank=n, counts={"AllGather": 3}, async_error=0, init_state=0)
                for n, r in enumerate((ranks[half], ranks[half + 2]))
            ),
        )
        for half in range(2)
    )
    whole = JobCommunicator(0xCF264AF53EDBE986, ranks)
    return Job((whole, *pairs), version)


def on(rank: int, **what: object) -> Change:
    """That rank with other fields, those of every other one as they were."""
    return lambda r: structs.replace(r, **what) if r.rank == rank else r


@contextmanager
def served(one: Job, ip: str = "127.0.0.1") -> Iterator[RasServer]:
    """A RAS thread of this job."""
    server = RasServer(ip, lambda: one)
    try:
        yield server
    finally:
        server.close()


def asked(one: Job, ip: str = "127.0.0.1", pids: frozenset[int] = frozenset()) -> RasStatus:
    """What the probe makes of it."""
    with served(one, ip) as server:
        return ras.look([RasAddress(OWN, ip, server.port)], pids, "2026-01-15T09:30:00Z")


def parsed(one: Job) -> RasStatus:
    """What the parser of its format makes of the answer."""
    if one.speaks_json:
        return ras_json.status_of(answer(one, as_json=True), "RAS")
    found = ras_text.status_of(answer(one, as_json=False).decode(), "RAS")
    assert found is not None
    return found


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_json_is_asked_where_ras_takes_it(ip: str) -> None:
    """Every rank of every communicator, with its place and its counts."""
    seen = asked(job(JSON), ip)
    assert (seen.format, seen.version, len(seen.communicators)) == ("json", "2.28.9", 3)
    whole = seen.communicators[0]
    assert (whole.hash, whole.size, whole.missing) == ("0xcf264af53edbe986", 4, 0)
    rank = whole.ranks[3]
    assert (rank.host, rank.pid, rank.nvml_device) == ("10.0.0.2", 103, 1)
    assert rank.counts == {"AllReduce": 40, "Broadcast": 2}


@pytest.mark.parametrize("version", [OLD, EACH])
def test_releases_without_json_answer_in_text(version: tuple[int, int, int]) -> None:
    """Where all is well text names no rank: only groups of communicators, and the totals."""
    seen = asked(job(version))
    assert (seen.format, seen.processes, seen.gpus) == ("text", 4, 4)
    groups = [(c.hash, c.size, c.alike, c.status, c.errors) for c in seen.communicators]
    assert groups == [("#0", 4, 1, "RUNNING", "OK"), ("#1", 2, 2, "RUNNING", "OK")]


@pytest.mark.parametrize("version", [OLD, EACH, JSON, NEW])
def test_a_dead_rank_is_told_in_every_form(version: tuple[int, int, int]) -> None:
    """2.28's JSON lacks a comma there; 2.25 has the rank's number apart from its process."""
    seen = parsed(job(version, on(2, state="dead")))
    whole = seen.communicators[0]
    lost = next(r for r in whole.ranks if r.missing)
    assert (whole.missing, lost.rank, lost.silent) == (1, 2, True)
    if version == OLD:
        assert [(p.host, p.pid, p.dead) for p in seen.lost] == [("10.0.0.2", 102, True)]
    else:
        assert (lost.host, lost.pid, lost.dead) == ("10.0.0.2", 102, True)


@pytest.mark.parametrize("version", [OLD, EACH, JSON])
def test_a_silent_rank_is_not_yet_dead(version: tuple[int, int, int]) -> None:
    """RAS gives it a minute."""
    seen = parsed(job(version, on(1, state="silent")))
    lost = next(r for r in seen.communicators[0].ranks if r.missing)
    assert (lost.rank, lost.silent, lost.dead) == (1, True, False)


@pytest.mark.parametrize("version", [OLD, EACH, JSON])
def test_a_rank_that_left_its_communicator_still_answers(version: tuple[int, int, int]) -> None:
    """UNKNOWN before 2.26, NOCOMM since."""
    seen = parsed(job(version, on(3, state="left")))
    lost = next(r for r in seen.communicators[0].ranks if r.missing)
    assert (lost.rank, lost.silent, lost.dead) == (3, False, False)


@pytest.mark.parametrize(("version", "name"), [(OLD, "collectives"), (EACH, "AllReduce")])
def test_text_says_who_stays_behind(version: tuple[int, int, int], name: str) -> None:
    """And how many ranks are how far, where it does not name them all."""
    seen = parsed(job(version, on(1, counts={"AllReduce": 39, "Broadcast": 2})))
    whole = seen.communicators[0]
    top = 42 if version == OLD else 40
    assert whole.spread == {name: {top: 3, top - 1: 1}}
    assert [(r.rank, r.counts) for r in whole.ranks] == [(1, {name: top - 1})]
    assert (whole.ranks[0].pid, whole.ranks[0].nvml_device) == (101, 1)


@pytest.mark.parametrize("version", [OLD, EACH, JSON])
def test_errors_of_a_rank_are_told(version: tuple[int, int, int]) -> None:
    """NCCL's codes in the words of its own text."""
    seen = parsed(job(version, on(0, async_error=6)))
    wrong = [(r.rank, r.error) for r in seen.communicators[0].ranks if r.error]
    assert wrong == [(0, "Remote process error")]


@pytest.mark.parametrize("version", [OLD, EACH, JSON])
def test_ranks_that_still_start_are_told(version: tuple[int, int, int]) -> None:
    """Code 7 is ncclInProgress."""
    seen = parsed(job(version, on(2, init_state=7)))
    assert [r.rank for r in seen.communicators[0].ranks if r.init == "in progress"] == [2]


def test_ras_that_is_off_is_said_by_its_variable() -> None:
    """Nobody is asked then."""
    with pytest.raises(ProbeError, match="NCCL_RAS_ENABLE=0 switches NCCL's RAS off"):
        ras.listening([("127.0.0.1", 28028)], {"NCCL_RAS_ENABLE": "0"}, OWN)


def test_a_port_that_nobody_listens_on_is_not_tried() -> None:
    """Older than 2.24, or no communicator yet."""
    with pytest.raises(ProbeError, match=r"nobody listens on port 28028.*from 2\.24 on"):
        ras.listening([("127.0.0.1", 8000)], {}, OWN)


@pytest.mark.parametrize(
    ("environ", "listener", "asked_at"),
    [
        ({}, ("::1", 28028), "[::1]:28028"),
        ({"NCCL_RAS_ADDR": "0.0.0.0:9000"}, ("0.0.0.0", 9000), "127.0.0.1:9000"),
        ({"NCCL_RAS_ADDR": "[::]:9000"}, ("::", 9000), "[::1]:9000"),
        ({"NCCL_RAS_ADDR": "eth0:9000"}, ("10.0.0.1", 9000), "10.0.0.1:9000"),
        ({"NCCL_RAS_ADDR": "a:99999999"}, ("127.0.0.1", 28028), "127.0.0.1:28028"),
    ],
)
def test_ras_is_asked_where_it_listens(
    environ: dict[str, str], listener: tuple[str, int], asked_at: str
) -> None:
    """The port may be another one; the address is one that listens in that namespace."""
    assert [str(a) for a in ras.listening([listener], environ, OWN)] == [asked_at]


def test_an_answer_about_other_pods_is_asked_again_then_refused() -> None:
    """Jobs of one namespace share the port, and the kernel picks who answers."""
    with (
        served(job()) as server,
        pytest.raises(ProbeError, match="answers for processes of other pods only"),
    ):
        ras.look([RasAddress(OWN, "127.0.0.1", server.port)], frozenset((7,)), "")
    assert 1 < server.questions <= 4


def test_one_connection_is_enough() -> None:
    """An answer that names a process of the pod ends the look."""
    with served(job()) as server:
        ras.look([RasAddress(OWN, "127.0.0.1", server.port)], frozenset((101,)), "")
    assert server.questions == 1


def _says(words: bytes) -> int:
    """A port where somebody says that, and then nothing."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listening.accept()
        with client, listening:
            client.sendall(words)
            while client.recv(4096):
                pass

    threading.Thread(target=serve, daemon=True).start()
    return int(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak RAS: it says 'HTTP/1.1 400 Bad"),
        (b"x" * 10_000, "is no line"),
        (b"", "gave no answer in 0.3 s"),
    ],
)
def test_somebody_else_on_the_port_is_named(
    words: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a silent one ends the look in time."""
    monkeypatch.setattr(ras_client, "WHOLE", 0.3)
    with pytest.raises(ProbeError, match=why):
        ras.look([RasAddress(OWN, "127.0.0.1", _says(words))], frozenset(), "")


def test_an_answer_that_is_cut_is_no_answer() -> None:
    """Text ends after its warnings, JSON with its brace."""
    text = answer(job(EACH), as_json=False).decode()
    assert ras_text.status_of(text[: text.index("Warnings")], "RAS") is None
    with pytest.raises(NotJsonError):
        ras_json.status_of(answer(job(), as_json=True)[:-20], "RAS")


WORDS = st.sampled_from(answer(job(EACH, on(1, state="dead")), as_json=False).decode().split("\n"))


@given(st.lists(st.one_of(WORDS, st.text(max_size=80)), max_size=60))
def test_shuffled_text_never_raises(lines: list[str]) -> None:
    """Lines of any order, and lines of no known form."""
    ras_text.status_of("\n".join([*lines, "Warnings"]), "RAS")


@given(st.data())
def test_json_of_any_shape_never_raises(data: st.DataObject) -> None:
    """Cut anywhere, or with any value put in."""
    whole = answer(job(NEW, on(1, state="dead")), as_json=True)
    at = data.draw(st.integers(0, len(whole)))
    put = data.draw(st.one_of(st.binary(max_size=8), st.sampled_from([b"[", b"null", b"9" * 400])))
    try:
        ras_json.status_of(whole[:at] + put + whole[at + len(put) :], "RAS")
    except NotJsonError:
        return


def test_ranks_beyond_the_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job may have more ranks than an evidence file should."""
    monkeypatch.setattr(ras_json, "MAX_RANKS", 5)
    seen = ras_json.status_of(answer(job(), as_json=True), "RAS")
    assert (sum(len(c.ranks) for c in seen.communicators), seen.dropped) == (5, 3)


@pytest.mark.parametrize("many", [b"{}", b'{"rank":1}', b"0"])
def test_an_answer_of_more_values_than_any_job_has_is_not_read(many: bytes) -> None:
    """Each empty object would cost 64 bytes of the agent's memory."""
    whole = b'{"communicators":[' + b",".join([many] * 600_000) + b"]}"
    with pytest.raises(NotJsonError, match="more than"):
        ras_json.status_of(whole, "RAS")
