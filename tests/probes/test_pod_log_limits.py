"""Logs of pods that come and go for months: what is kept, and what is read again."""

from pathlib import Path

from tests.probes.node_folder import Node

from distcheck.agent.pod_logs import PodLogs
from distcheck.agent.probes.podlogs import container_files, pod_folders
from distcheck.checks.evidence import NcclLog

_LINE = (
    "2026-01-15T09:20:00.1Z stdout F vllm-head-0:77:90 [0] NCCL INFO ncclCommInitRank comm "
    "0x55a00001 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1b000 commId 0x5dca21b0e1f3aa07 "
    "- Init {}\n"
)
INIT = _LINE.format("START") + _LINE.format("COMPLETE")


def _ranks(log: NcclLog) -> int:
    return sum(len(c.ranks) for c in log.communicators)


def test_a_file_that_was_read_in_part_is_read_again_when_there_is_room(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.log("0.log.20260101-000000", "x\n" * 500)
    node.log("0.log", INIT)
    logs, (folder,) = PodLogs(1300), pod_folders(node.settings.pod_logs)
    first = logs.look(folder, None, ray=False)
    assert (_ranks(first.nccl), len(first.nccl.dropped)) == (0, 1)
    node.log("0.log.20260101-000000", "")
    second = logs.look(folder, None, ray=False)
    assert (_ranks(second.nccl), second.nccl.dropped) == (1, ())


def test_a_rotated_log_that_is_still_being_packed_is_not_read_twice(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    for name in ("0.log", "0.log.20260101-000000", "0.log.20260101-000000.tmp", "0.log.tmp"):
        node.log(name, INIT)
    (folder,) = pod_folders(node.settings.pod_logs)
    assert [f.name for f in container_files(folder)] == ["0.log.20260101-000000", "0.log"]


def test_a_log_that_the_runtime_made_a_link_is_read(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    real = tmp_path / "json.log"
    real.write_text(INIT)
    node.log("0.log", "").unlink()
    node.log("x", "").with_name("0.log").symlink_to(real)
    (folder,) = pod_folders(node.settings.pod_logs)
    assert _ranks(PodLogs(1 << 20).look(folder, None, ray=False).nccl) == 1


def test_pods_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    for number in range(70):
        node.log("0.log", INIT, pod=f"p-{number}", uid=f"{number:032x}")
    logs = PodLogs(1 << 20)
    for folder in pod_folders(node.settings.pod_logs):
        logs.look(folder, None, ray=False)
    assert len(logs._kept) == 64
