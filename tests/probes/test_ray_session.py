"""Which of Ray's worker files are read: those of the job that runs, not of earlier ones."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.probes.node_folder import Node
from tests.probes.test_podlogs import LIMIT, _folder, _ranks

from distcheck.agent.logs.distil import Distilled
from distcheck.agent.pod_logs import PodLogs
from distcheck.agent.probes.container_files import Container
from distcheck.agent.ray_session import SESSION, session_of

HEAD = "vllm-head-0:{0}:90 [0] NCCL "
_RANK = (
    HEAD + "INFO ncclCommInitRank comm 0x55a00001 rank {1} nranks 2 cudaDev 0 nvmlDev 0 "
    "busId 1b000 commId 0x5dca21b0e1f3aa07 - Init "
)
INIT = f"{_RANK}START\n{_RANK}COMPLETE\n"
FAILED = HEAD + "WARN Cuda failure 2 'out of memory'\n"
FIRST, SECOND, NONE = "01000000", "02000000", "ffffffff"


class Ray:
    """A node with a pod in which Ray runs, and the session's files."""

    def __init__(self, root: Path) -> None:
        self.node = Node(root).start()
        self.node.log("0.log", "")
        self.node.process(77, ["raylet"])
        (root / "container/tmp/ray/session_1/logs").mkdir(parents=True)
        (root / "container/tmp/ray/session_latest").symlink_to("/tmp/ray/session_1")
        self.container = Container(self.node.settings.host_proc, 77)

    def worker(self, job: str, pid: int, text: str, *, at: int) -> str:
        """A worker's file, last written `at` seconds; its path."""
        part = f"{job}-" if job else ""
        path = f"{SESSION}/worker-{pid:056x}-{part}{pid}.out"
        real = path.replace("session_latest", "session_1")
        os.utime(self.node.inside(real, text), (at, at))
        return path

    def alive(self, pid: int, title: str = "ray::RayWorkerWrapper") -> None:
        """The container's own `/proc` shows the process."""
        self.node.inside(f"/proc/{pid}/cmdline", title)

    def look(self) -> Distilled:
        return PodLogs(LIMIT).look(_folder(self.node), self.container, ray=True)


@pytest.fixture
def ray(tmp_path: Path) -> Ray:
    return Ray(tmp_path)


def test_a_failure_of_an_earlier_job_is_not_read_and_is_named(ray: Ray) -> None:
    ray.worker(FIRST, 70, INIT.format(70, 1) + FAILED.format(70), at=100)
    ray.worker(SECOND, 80, INIT.format(80, 0), at=200)
    seen = ray.look().nccl
    assert (seen.failures, _ranks(seen)) == ((), [0])
    (mark,) = [m for m in seen.marks if m.id == "ray-earlier-jobs"]
    assert mark.says == "1 log file of earlier Ray jobs (01000000) left out"
    assert mark.source == f"vllm-head-0:{SESSION}"


def test_what_an_ended_job_left_is_no_gap(ray: Ray) -> None:
    ray.worker(FIRST, 70, FAILED.format(70), at=100)
    ray.worker(SECOND, 80, INIT.format(80, 0), at=200)
    assert ray.look().nccl.dropped == ()


def test_workers_of_another_job_that_still_run_are_read(ray: Ray) -> None:
    kept = ray.worker(FIRST, 70, INIT.format(70, 1), at=100)
    newer = ray.worker(SECOND, 80, "", at=200)
    ray.alive(70)
    session = session_of(ray.container)
    assert (session.paths, session.left_out) == ((kept, newer), None)


def test_another_process_with_the_pid_of_an_ended_worker_is_not_that_worker(ray: Ray) -> None:
    ray.worker(FIRST, 70, FAILED.format(70), at=100)
    newer = ray.worker(SECOND, 80, "", at=200)
    ray.alive(70, "sleep infinity")
    assert session_of(ray.container).paths == (newer,)


def test_the_job_that_wrote_last_counts_and_not_the_larger_number(ray: Ray) -> None:
    newer = ray.worker(FIRST, 70, "", at=200)
    ray.worker(SECOND, 80, "", at=100)
    assert session_of(ray.container).paths == (newer,)


def test_all_workers_of_the_job_are_read_whenever_they_wrote(ray: Ray) -> None:
    paths = tuple(ray.worker(FIRST, pid, "", at=pid) for pid in (70, 71, 72))
    assert session_of(ray.container).paths == paths


@pytest.mark.parametrize("named", [NONE, ""])
def test_a_worker_started_ahead_of_its_job_says_in_its_file_which_job_it_got(
    ray: Ray, named: str
) -> None:
    ray.worker(named, 70, f":job_id:{FIRST}\n" + FAILED.format(70), at=100)
    newer = ray.worker(named, 80, f":job_id:{SECOND}\n", at=200)
    assert session_of(ray.container).paths == (newer,)


def test_an_idle_worker_is_of_no_job_and_hides_none(ray: Ray) -> None:
    paths = {ray.worker(FIRST, 70, FAILED.format(70), at=100), ray.worker(NONE, 80, "", at=200)}
    assert set(session_of(ray.container).paths) == paths
    assert [f.id for f in ray.look().nccl.failures] == ["cuda"]


def test_a_proc_that_cannot_be_read_is_said_to_hide_who_runs(ray: Ray) -> None:
    ray.worker(FIRST, 70, FAILED.format(70), at=100)
    ray.worker(SECOND, 80, "", at=200)
    ray.node.inside("/proc/70/cmdline/x", "")
    (lost,) = ray.look().nccl.dropped
    assert "whether workers of earlier Ray jobs still run cannot be seen" in lost


@given(st.binary(max_size=200), st.text("0123456789abcdef-", max_size=20))
def test_any_file_has_a_job_or_none(text: bytes, name: str) -> None:
    import tempfile  # noqa: PLC0415 - for this one call

    with tempfile.TemporaryDirectory() as root:
        ray = Ray(Path(root))
        path = ray.worker(FIRST, 70, "", at=1).replace(FIRST, name or NONE)
        real = Path(root) / "container" / path.replace("session_latest", "session_1").lstrip("/")
        real.write_bytes(text)
        session = session_of(ray.container)
        assert 1 <= len(session.paths) + len(session.earlier) <= 2
        assert session.paths
