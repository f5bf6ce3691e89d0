"""Which log files a pod has, in which order they are read, and what of them is lost."""

import gzip
from pathlib import Path

import pytest
from tests.probes.node_folder import UID, Node

from distcheck.agent.debug_file import debug_file
from distcheck.agent.pod_logs import PodLogs
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.podlogs import PodFolder, container_files, pod_folders
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.ray_session import SESSION
from distcheck.checks.evidence import NcclLog

LIMIT = 1 << 20
COMM = (
    "vllm-head-0:77:90 [0] NCCL INFO ncclCommInitRank comm 0x55a00001 rank {{rank}} nranks 2 "
    "cudaDev 0 nvmlDev 0 busId 1b000 commId 0x5dca21b0e1f3aa07 - Init {}\n"
)
INIT = COMM.format("START") + COMM.format("COMPLETE")
WORKER = f"{SESSION.replace('session_latest', 'session_1')}/worker-{'a' * 56}-01000000-77.out"


def _cri(text: str) -> str:
    return "".join(f"2026-01-15T09:20:00.1Z stdout F {line}\n" for line in text.splitlines())


def _folder(node: Node) -> PodFolder:
    (folder,) = pod_folders(node.settings.pod_logs)
    return folder


def _session(node: Node) -> Container:
    node.process(77, ["ray::RayWorkerWrapper"])
    node.inside(WORKER, INIT.format(rank=1))
    (node.root / "container/tmp/ray/session_latest").symlink_to("/tmp/ray/session_1")
    return Container(node.settings.host_proc, 77)


def _ranks(log: NcclLog) -> list[int]:
    return sorted(r.rank for c in log.communicators for r in c.ranks)


def test_the_folders_name_is_namespace_pod_and_uid(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.log("0.log", "")
    (tmp_path / "pod-logs" / "stray").mkdir()
    folder = _folder(node)
    assert (folder.key, folder.uid) == ("llm/vllm-head-0", UID)


def test_rotated_files_come_first_and_earlier_starts_not_at_all(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    names = ["1.log", "1.log.20260102-000000", "1.log.20260101-000000.gz", "0.log", "notes.txt"]
    for name in names:
        node.log(name, "")
    assert [f.name for f in container_files(_folder(node))] == [
        "1.log.20260101-000000.gz",
        "1.log.20260102-000000",
        "1.log",
    ]


def test_a_compressed_rotated_log_and_the_current_one_are_one_log(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.log("0.log.20260101-000000.gz", gzip.compress(_cri(INIT.format(rank=0)).encode()))
    node.log("0.log", _cri(INIT.format(rank=1)))
    seen = PodLogs(LIMIT).look(_folder(node), None, ray=False)
    assert _ranks(seen.nccl) == [0, 1]
    sources = {r.source for c in seen.nccl.communicators for r in c.ranks}
    assert "vllm-head-0:vllm/0.log:2" in sources


def test_rays_worker_logs_are_read_inside_the_container(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.log("0.log", _cri("ray start"))
    container = _session(node)
    seen = PodLogs(LIMIT).look(_folder(node), container, ray=True)
    assert _ranks(seen.nccl) == [1]
    assert seen.nccl.dropped == ()
    source = seen.nccl.communicators[0].ranks[0].source
    assert source.startswith("vllm-head-0:/tmp/ray/session_latest/logs/worker-")
    assert source.endswith(".out:2")


def test_worker_logs_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.log("0.log", _cri(INIT.format(rank=0)))
    node.process(77, ["ray::RayWorkerWrapper"])
    container = Container(node.settings.host_proc, 77)
    seen = PodLogs(LIMIT).look(_folder(node), container, ray=True)
    (lost,) = seen.nccl.dropped
    assert SESSION in lost
    assert "No such file" in lost


def test_a_pipe_in_place_of_a_log_is_named_not_waited_for(tmp_path: Path) -> None:
    import os  # noqa: PLC0415 - for this one call

    node = Node(tmp_path).start()
    os.mkfifo(node.log("1.log", "").with_name("2.log"))
    with pytest.raises(ProbeError, match="not a regular file"):
        PodLogs(LIMIT).look(_folder(node), None, ray=False)


def test_a_log_above_the_limit_is_read_in_part_and_says_so(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.log("0.log", _cri(INIT.format(rank=0)) * 100)
    seen = PodLogs(1000).look(_folder(node), None, ray=False)
    assert "only in part" in seen.nccl.dropped[0]


def test_a_damaged_compressed_log_says_so(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    packed = gzip.compress(_cri(INIT.format(rank=0)).encode() * 50)
    node.log("0.log.20260101-000000.gz", packed[:-20])
    seen = PodLogs(LIMIT).look(_folder(node), None, ray=False)
    assert "is damaged" in seen.nccl.dropped[0]


def test_a_file_that_grew_is_read_again_and_one_that_did_not_is_not(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    path = node.log("0.log", _cri(INIT.format(rank=0)))
    logs, folder = PodLogs(LIMIT), _folder(node)
    first = logs.look(folder, None, ray=False)
    assert logs.look(folder, None, ray=False).nccl.communicators == first.nccl.communicators
    with path.open("a") as file:
        file.write(_cri(INIT.format(rank=1)))
    assert _ranks(logs.look(folder, None, ray=False).nccl) == [0, 1]


def test_a_pod_without_any_log_is_missing(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.log("0.log", "").unlink()
    with pytest.raises(ProbeError, match="no log of vllm-head-0"):
        PodLogs(LIMIT).look(_folder(node), None, ray=False)


def test_what_nccl_was_told_to_write_to_files_is_read_on_demand_too(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.log("0.log", "")
    node.process(77, ["VLLM::Worker"])
    node.inside("/tmp/nccl.vllm-head-0.77.log", INIT.format(rank=1))
    debug = debug_file({"NCCL_DEBUG_FILE": "/tmp/nccl.%h.%p.log"}, None)
    assert debug is not None
    container = Container(node.settings.host_proc, 77)
    seen = PodLogs(LIMIT).look(_folder(node), container, ray=False, debug=[debug])
    assert (_ranks(seen.nccl), seen.nccl.dropped) == ([1], ())


@pytest.mark.parametrize("value", ["", "stdout", "/dev/stdout", "/proc/1/fd/1", "/%h/x", "x", "/"])
def test_a_debug_file_that_is_none_or_a_stream_is_not_looked_for(value: str) -> None:
    assert debug_file({"NCCL_DEBUG_FILE": value}, None) is None


def test_a_debug_files_pattern_is_no_pattern_of_anything_else() -> None:
    found = debug_file({"NCCL_DEBUG_FILE": "d.%h-%p%%[a].*"}, "/work")
    assert found is not None
    assert (found.folder, found.matches("d.node-1-7%[a].*")) == ("/work", True)
    assert not found.matches("d.node-1-7%a.log")


def test_a_debug_file_in_the_root_folder_is_looked_for_there() -> None:
    found = debug_file({"NCCL_DEBUG_FILE": "/nccl.%p"}, None)
    assert found is not None
    assert (found.folder, found.matches("nccl.7")) == ("/", True)
