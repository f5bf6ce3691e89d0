"""`/dev/shm` of a container, from its mountinfo and, where it can be reached, its file system."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.probes.node_folder import Node, need_root

from distcheck.agent.probes import shm
from distcheck.agent.probes.probe import ProbeError

LINE = "23 22 0:302 / /dev/shm rw,nosuid - tmpfs {} rw,{}\n"


@pytest.mark.parametrize(
    ("option", "size"),
    [
        ("size=65536k", 64 << 20),
        ("size=64m", 64 << 20),
        ("size=2G,inode64", 2 << 30),
        ("mode=755,size=4096", 4096),
    ],
)
def test_the_size_is_the_mounts_own_option(option: str, size: int) -> None:
    assert shm.parse(LINE.format("shm", option)) == ("0:302", "shm", size)


def test_the_last_mount_covers_the_earlier_one() -> None:
    two = LINE.format("shm", "size=64m") + LINE.format("tmpfs", "size=8g")
    assert shm.parse(two)[1:] == ("tmpfs", 8 << 30)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("22 1 0:301 / / rw - overlay overlay rw\n", "nothing is mounted"),
        ("23 22 8:1 / /dev/shm rw - ext4 /dev/sda1 rw\n", "is a ext4"),
        ("", "nothing is mounted"),
    ],
)
def test_what_is_not_written_is_not_guessed(text: str, reason: str) -> None:
    with pytest.raises(ProbeError, match=reason):
        shm.parse(text)


@settings(deadline=None)
@given(st.text() | st.from_regex(r"1 2 0:3 / /dev/shm rw - tmpfs shm (rw,)?size=[0-9]*\w?\Z"))
def test_any_text_is_parsed_or_refused_with_a_reason(text: str) -> None:
    try:
        _, _, size = shm.parse(text)
    except ProbeError:
        return
    assert size is None or size >= 0


def test_a_size_that_is_neither_written_nor_to_be_measured_is_not_guessed(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    mountinfo = node.process(41, ["VLLM::Worker"]) / "mountinfo"
    mountinfo.write_text(LINE.format("tmpfs", "inode64"))
    with pytest.raises(ProbeError, match="does not say its size"):
        shm.look(node.settings.host_proc, 41, "now")


def test_use_is_not_told_where_the_folder_is_not_that_mount(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.process(41, ["VLLM::Worker"])
    (tmp_path / "container" / "dev" / "shm").mkdir(parents=True)
    seen = shm.look(node.settings.host_proc, 41, "now")
    assert (seen.size_bytes, seen.source, seen.used_bytes) == (64 << 20, "shm", None)


def test_a_real_tmpfs_in_a_mount_namespace_is_measured(tmp_path: Path) -> None:
    why = need_root("unshare")
    if why:
        assert not os.environ.get("CI"), f"CI {why}"
        pytest.skip(why)
    script = (
        "mount -t tmpfs -o size=64m tmpfs /dev/shm && "
        "head -c 65536 /dev/zero > /dev/shm/nccl-x && echo ready && read -r over"
    )
    with _unshared(script) as inside:
        seen = shm.look("/proc", inside.pid, "now")
    assert (seen.size_bytes, seen.source, seen.used_bytes) == (64 << 20, "tmpfs", 65536)


def test_a_real_tmpfs_without_a_size_option_is_measured(tmp_path: Path) -> None:
    """Half of the machine's memory, as the host's own `/dev/shm` has."""
    why = need_root("unshare")
    if why:
        assert not os.environ.get("CI"), f"CI {why}"
        pytest.skip(why)
    script = "mount -t tmpfs tmpfs /dev/shm && echo ready && read -r over"
    with _unshared(script) as inside:
        seen = shm.look("/proc", inside.pid, "now")
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    assert seen.size_bytes == pytest.approx(half, rel=0.1)
    assert seen.used_bytes == 0


@contextmanager
def _unshared(script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a mount namespace of its own, once its script says that it is ready."""
    command = ["unshare", "-m", "sh", "-c", script]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as inside:
        assert inside.stdin is not None
        assert inside.stdout is not None
        assert inside.stdout.readline() == b"ready\n"
        yield inside
        inside.stdin.close()
