"""One look at RAS for all pods of a job, and what the agent keeps of earlier ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Task
from distcheck.agent.ras_look import SHARED, RasMemory, RasPod, RasRound
from distcheck.agent.settings import Settings
from distcheck.checks.evidence.ras import RasCommunicator, RasRank, RasStatus
from distcheck.lab.connections import row_of
from distcheck.lab.ras_job import Job, JobCommunicator, JobRank
from distcheck.lab.ras_server import RasServer

HEAD, WORKER = "127.90.1.2", "127.90.1.3"
NOW = "2026-01-15T09:30:00Z"


def status(*counts: int, at: str) -> RasStatus:
    """A communicator whose ranks called AllReduce that often."""
    ranks = tuple(RasRank(n, HEAD, 7 + n, counts={"AllReduce": c}) for n, c in enumerate(counts))
    return RasStatus((RasCommunicator("0xc1", len(ranks), ranks),), "RAS", seen_at=at)


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def looked(*steps: tuple[float, tuple[int, ...]]) -> RasStatus:
    """The last of several looks at these moments."""
    clock = Clock()
    memory = RasMemory(clock)
    found = status(at="")
    for moment, counts in steps:
        clock.now = moment
        found = memory.with_before("vllm-head-0", status(*counts, at=f"{moment:g}"))
    return found


def test_a_first_look_has_none_before_it() -> None:
    """Nor has one that comes at once."""
    assert looked((0, (40, 40))).before_at is None
    assert looked((0, (40, 40)), (1, (40, 40))).before_at is None


def test_what_stands_still_is_as_old_as_its_first_look() -> None:
    """However often it was looked at since."""
    stands = (40, 39)
    assert looked((0, (30, 30)), (10, stands), (20, stands), (30, stands)).before_at == "10"


def test_what_moves_is_compared_with_the_last_look() -> None:
    """Ranks that differ in every look are a busy group."""
    found = looked((0, (30, 29)), (10, (35, 34)), (20, (40, 39)))
    assert found.before_at == "10"
    assert found.before[0].ranks[1].counts == {"AllReduce": 34}


def test_looks_of_half_an_hour_ago_are_forgotten() -> None:
    """A group may have been started again since."""
    assert looked((0, (40, 39)), (4000, (40, 39))).before_at is None


def test_text_of_another_pod_is_of_another_job() -> None:
    """Its groups have numbers only, which every job has."""
    clock = Clock()
    memory = RasMemory(clock)
    group = RasStatus((RasCommunicator("#0", 8),), "RAS", seen_at="0")
    memory.with_before("vllm-0", group)
    clock.now = 10
    assert memory.with_before("vllm-1", group).before_at is None
    assert memory.with_before("vllm-0", group).before_at == "0"


def job(version: tuple[int, int, int] = (2, 28, 9)) -> Job:
    """One rank in each of two pods."""
    ranks = (JobRank(0, HEAD, 7, 0, {"AllReduce": 4}), JobRank(1, WORKER, 7, 0, {"AllReduce": 4}))
    return Job((JobCommunicator(0xC1, ranks),), version)


@contextmanager
def pods(root: Path, version: tuple[int, int, int] = (2, 28, 9)) -> Iterator[list[RasServer]]:
    """Two pods of one job; each has a RAS thread at its own address, and a connection."""
    servers = [RasServer(ip, lambda: job(version)) for ip in (HEAD, WORKER)]
    for pid, (ip, server) in enumerate(zip((HEAD, WORKER), servers, strict=True), 11):
        folder = root / str(pid)
        (folder / "net").mkdir(parents=True)
        (folder / "ns").mkdir()
        (folder / "ns" / "net").symlink_to("/proc/self/ns/net")
        rows = [row_of(0, (ip, server.port)), row_of(1, (ip, 36000), ("127.90.1.9", 1))]
        (folder / "net" / "tcp").write_text("header\n" + "".join(rows))
        (folder / "net" / "tcp6").write_text("header\n")
    try:
        yield servers
    finally:
        for server in servers:
            server.close()


def pod(name: str, pid: int, port: int) -> RasPod:
    """A pod whose rank is number 7 in its container."""
    task = Task(pid, 1, (), "uid", "c", None)
    return RasPod(name, task, {"NCCL_RAS_ADDR": f"localhost:{port}"}, frozenset((7,)))


def test_one_pod_of_a_job_is_asked_for_all(tmp_path: Path) -> None:
    """RAS gathers from every process for each question: a job is asked once in a round."""
    settings = Settings(node="gpu-a", host_proc=str(tmp_path))
    with pods(tmp_path) as servers:
        asking = RasRound(settings, RasMemory(), NOW)
        seen = asking.look(pod("vllm-head-0", 11, servers[0].port))
        with pytest.raises(ProbeError, match="RAS in vllm-head-0 answers for"):
            asking.look(pod("vllm-worker-0", 12, servers[1].port))
        assert [s.questions for s in servers] == [1, 0]
        again = RasRound(settings, RasMemory(), NOW)
        assert again.look(pod("vllm-worker-0", 12, servers[1].port)).format == "json"
    assert (seen.seen_at, len(seen.communicators[0].ranks)) == (NOW, 2)


def test_text_on_the_nodes_own_network_says_that_it_cannot_tell_jobs_apart(tmp_path: Path) -> None:
    """Another job of the node may have answered."""
    (tmp_path / "1" / "ns").mkdir(parents=True)
    (tmp_path / "1" / "ns" / "net").symlink_to("/proc/self/ns/net")
    with pods(tmp_path, (2, 27, 3)) as servers:
        asking = RasRound(Settings(host_proc=str(tmp_path)), RasMemory(), NOW)
        seen = asking.look(pod("vllm-head-0", 11, servers[0].port))
    assert (seen.format, seen.notes) == ("text", (SHARED,))
    assert structs.replace(seen, notes=()).gpus == 2


def test_a_namespace_that_may_not_be_entered_is_said(tmp_path: Path) -> None:
    """Looks from inside pods are off unless the deployment grants them."""
    with pods(tmp_path) as servers:
        namespace = tmp_path / "11" / "ns" / "net"
        namespace.unlink()
        namespace.write_text("another one")
        asking = RasRound(Settings(node="gpu-a", host_proc=str(tmp_path)), RasMemory(), NOW)
        with pytest.raises(ProbeError, match=r"looks from inside pods are off on gpu-a: 127\.90"):
            asking.look(pod("vllm-head-0", 11, servers[0].port))
