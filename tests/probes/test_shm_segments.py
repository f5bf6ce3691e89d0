"""Files of `/dev/shm` and who holds them: in a folder, and in a real tmpfs with real maps."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.probes.node_folder import UID, Node, need_root

from distcheck.agent.node import Asked, NodeAgent
from distcheck.agent.probes import shm, shm_segments
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.shm_segments import Mounted, Segments
from distcheck.agent.shm_holders import Known
from distcheck.agent.shm_levels import ShmLevels
from distcheck.agent.shm_look import ShmLook
from distcheck.checks.evidence import Missing, ShmMount
from distcheck.checks.evidence.shm import ShmLevel
from distcheck.lab.nvml import LabNvml

GONE = Missing("no GCS here")
HOLDER = """
import mmap, os, sys
from pathlib import Path
name, how, size = sys.argv[1], sys.argv[2], 65536
handle = os.open(f"/dev/shm/{name}", os.O_RDWR | os.O_CREAT)
os.posix_fallocate(handle, 0, size)
kept = mmap.mmap(handle, size) if how != "open" else None
if how != "open":
    os.close(handle)
if how == "unlinked":
    os.unlink(f"/dev/shm/{name}")
print("ready", flush=True)
sys.stdin.readline()
"""


def _device(path: Path) -> str:
    made = path.stat().st_dev
    return f"{os.major(made)}:{os.minor(made)}"


def _folder(root: Path) -> Path:
    """A node with one process, 41, whose `/dev/shm` is a folder of this machine's disk."""
    Node(root).start().process(41, ["VLLM::Worker"])
    inside = root / "container" / "dev" / "shm"
    inside.mkdir(parents=True)
    _holds(root, 41)
    return inside


def _holds(root: Path, pid: int, *files: Path) -> None:
    folder = root / "proc" / str(pid)
    (folder / "fd").mkdir(exist_ok=True)
    lines = []
    for one in files:
        seen = one.stat()
        device = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}"
        lines.append(f"7f00-7f10 rw-s 00000000 {device} {seen.st_ino}   /dev/shm/{one.name}\n")
    (folder / "maps").write_text("5500-5600 r-xp 00000000 00:00 0\n" + "".join(lines))


def _look(root: Path, *pids: int, known: Known | None = None) -> Segments:
    inside = root / "container" / "dev" / "shm"
    proc = str(root / "proc")
    seen = shm_segments.look(Mounted(proc, 41, _device(inside)), lambda: pids or [41], known)
    assert seen is not None
    return seen


def test_a_mapped_file_is_held_and_one_that_nobody_maps_is_not(tmp_path: Path) -> None:
    inside = _folder(tmp_path)
    (inside / "nccl-a1b2c3").write_bytes(b"x" * 8192)
    (inside / "nccl-d4e5f6").write_bytes(b"x" * 4096)
    _holds(tmp_path, 41, inside / "nccl-a1b2c3")
    seen = _look(tmp_path)
    assert {s.name: s.held for s in seen.segments} == {"nccl-a1b2c3": True, "nccl-d4e5f6": False}
    assert (seen.unheld_files, seen.unheld_bytes, seen.unasked) == (1, 4096, "")


def test_an_open_file_is_held(tmp_path: Path) -> None:
    inside = _folder(tmp_path)
    (inside / "psm_1a2b3c4d").write_bytes(b"x")
    (tmp_path / "proc" / "41" / "fd" / "7").symlink_to(inside / "psm_1a2b3c4d")
    (one,) = _look(tmp_path).segments
    assert (one.kind, one.held) == ("psm", True)


def test_a_map_of_the_same_name_on_another_file_system_holds_nothing(tmp_path: Path) -> None:
    inside = _folder(tmp_path)
    (inside / "nccl-a1b2c3").write_bytes(b"x")
    inode = (inside / "nccl-a1b2c3").stat().st_ino
    (tmp_path / "proc" / "41" / "maps").write_text(
        f"7f00-7f10 rw-s 00000000 ff:ff {inode}   /dev/shm/nccl-a1b2c3\n"
    )
    assert _look(tmp_path).unheld_files == 1


def test_what_a_process_of_another_container_of_the_pod_maps_is_held(tmp_path: Path) -> None:
    inside = _folder(tmp_path)
    (inside / "nccl-a1b2c3").write_bytes(b"x")
    Node(tmp_path).process(42, ["sidecar"])
    _holds(tmp_path, 42, inside / "nccl-a1b2c3")
    assert _look(tmp_path, 41, 42).unheld_files == 0


def test_where_one_process_cannot_be_asked_nothing_is_called_leaked(tmp_path: Path) -> None:
    inside = _folder(tmp_path)
    (inside / "nccl-a1b2c3").write_bytes(b"x")
    Node(tmp_path).process(42, ["sidecar"])
    (tmp_path / "proc" / "42" / "maps").mkdir()
    seen = _look(tmp_path, 41, 42)
    assert [s.held for s in seen.segments] == [None]
    assert (seen.unheld_files, seen.unheld_bytes) == (None, None)
    assert seen.unasked.startswith("pid 42: ")


def test_a_process_that_has_ended_or_is_a_zombie_holds_nothing(tmp_path: Path) -> None:
    inside = _folder(tmp_path)
    (inside / "nccl-a1b2c3").write_bytes(b"x")
    Node(tmp_path).process(42, ["zombie"])
    stat = tmp_path / "proc" / "42" / "stat"
    stat.write_text(stat.read_text().replace(") S ", ") Z "))
    (tmp_path / "proc" / "42" / "maps").mkdir()
    assert _look(tmp_path, 41, 42, 4242).unheld_files == 1


def test_files_of_others_are_listed_and_not_counted_as_leaked(tmp_path: Path) -> None:
    inside = _folder(tmp_path)
    (inside / "model.safetensors").write_bytes(b"x")
    (inside / "cache").mkdir()
    (inside / "link").symlink_to("/etc/passwd")
    seen = _look(tmp_path)
    assert [(s.name, s.kind, s.held) for s in seen.segments] == [
        ("model.safetensors", "other", False)
    ]
    assert (seen.unheld_files, seen.unheld_bytes, seen.folders) == (0, 0, 1)


def test_names_are_cleaned_and_cut(tmp_path: Path) -> None:
    inside = _folder(tmp_path)
    (inside / ("nccl-\x1b[31m\n" + "é" * 100)).write_bytes(b"x")
    (one,) = _look(tmp_path).segments
    assert one.name.startswith("nccl-?[31m??")
    assert len(one.name) == 64
    assert one.name.endswith("..")


def test_only_the_largest_are_named_and_all_are_counted(tmp_path: Path) -> None:
    inside = _folder(tmp_path)
    for number in range(300):
        (inside / f"nccl-{number:06}").touch()
    (inside / "nccl-large").write_bytes(b"x" * 65536)
    seen = _look(tmp_path)
    assert (len(seen.segments), seen.segments_left) == (256, 45)
    assert seen.segments[0].name == "nccl-large"
    assert (seen.unheld_files, seen.unheld_bytes) == (301, 65536)


def test_bytes_are_those_taken_and_not_those_spanned(tmp_path: Path) -> None:
    """Python's SharedMemory is a hole until it is written."""
    inside = _folder(tmp_path)
    with (inside / "psm_1").open("wb") as file:
        file.truncate(1 << 30)
    (one,) = _look(tmp_path).segments
    assert one.bytes == 0


def test_a_folder_that_is_not_that_mount_is_not_listed(tmp_path: Path) -> None:
    _folder(tmp_path)
    assert shm_segments.look(Mounted(str(tmp_path / "proc"), 41, "0:302"), list) is None


def test_a_holder_that_still_runs_is_not_asked_again(tmp_path: Path) -> None:
    inside = _folder(tmp_path)
    (inside / "nccl-a1b2c3").write_bytes(b"x")
    _holds(tmp_path, 41, inside / "nccl-a1b2c3")
    known: Known = {}
    assert _look(tmp_path, known=known).unheld_files == 0
    (tmp_path / "proc" / "41" / "maps").unlink()
    assert _look(tmp_path, 41, known=known).unheld_files == 0
    assert _look(tmp_path, 4242, known=known).unheld_files == 1
    assert known == {}


@settings(deadline=None, max_examples=50)
@given(text=st.binary(max_size=300))
def test_any_map_is_read_or_refused(text: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("node")
    inside = _folder(root)
    (inside / "nccl-a").write_bytes(b"x")
    (root / "proc" / "41" / "maps").write_bytes(text)
    assert _look(root).unheld_files == 1


def test_levels_reach_back_to_the_first_and_are_bounded() -> None:
    levels = ShmLevels()
    for number in range(1000):
        levels.add("0:302", ShmLevel(f"{number:04}", number))
    kept = levels.of("0:302")
    assert len(kept) <= 32
    assert kept[0].used_bytes == 0
    assert kept[-1].used_bytes == 999
    assert [k.used_bytes for k in kept] == sorted(k.used_bytes for k in kept)
    assert levels.of("0:303") == ()


def test_of_the_nodes_own_dev_shm_nothing_is_called_leaked(tmp_path: Path) -> None:
    """hostIPC: processes of other pods may hold what this pod's do not."""
    inside = _folder(tmp_path)
    (inside / "nccl-a1b2c3").write_bytes(b"x")
    line = f"23 22 {_device(inside)} / /dev/shm rw - tmpfs tmpfs rw\n"
    (tmp_path / "proc" / "41" / "mountinfo").write_text(line)
    (tmp_path / "proc" / "1").mkdir()
    (tmp_path / "proc" / "1" / "mountinfo").write_text(line)
    look = ShmLook(str(tmp_path / "proc"), str(tmp_path / "sys"), ShmLevels())
    seen = look.look(41, lambda: [41], "now")
    assert seen.of_node
    assert seen.unheld_files is None
    assert not isinstance(seen.segments, Missing)
    assert [s.held for s in seen.segments] == [None]
    assert "other pods" in seen.unasked


def test_the_daemon_of_mps_is_told_from_a_volume() -> None:
    own = "23 22 0:302 / /dev/shm rw - tmpfs shm rw,size=65536k\n"
    pipes = "24 22 0:26 /mps/pipe /mps/nvidia.com/gpu/pipe rw - tmpfs tmpfs rw\n"
    assert shm.is_of_mps(own + pipes)
    assert not shm.is_of_mps(own)
    assert not shm.is_of_mps(own + pipes.replace(" /mps/nvidia", " /srv/mps/nvidia"))


class _Pod:
    """A real pod: a mount namespace with a tmpfs of its own at `/dev/shm`, and holders in it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        script = "mount -t tmpfs -o size=4m tmpfs /dev/shm && echo ready && read -r over"
        self.main = self._process("unshare", "-m", "sh", "-c", script)

    def _process(self, *command: str) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        one = self._stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe))
        self._stack.callback(one.kill)
        assert one.stdout is not None
        assert one.stdout.readline() == b"ready\n"
        return one

    def holder(self, name: str, how: str) -> subprocess.Popen[bytes]:
        """A process that holds a file of 64 KiB: `mapped`, `open`, or `unlinked` and mapped."""
        enter = ("nsenter", "-t", str(self.main.pid), "-m")
        return self._process(*enter, sys.executable, "-c", HOLDER, name, how)

    def look(self, *pids: int) -> Segments:
        place = Mounted("/proc", self.main.pid, shm.device("/proc", self.main.pid))
        found = shm_segments.look(place, lambda: pids)
        assert found is not None
        return found


@contextmanager
def _pod() -> Iterator[_Pod]:
    for tool in ("unshare", "nsenter"):
        why = need_root(tool)
        if why:
            assert not os.environ.get("CI"), f"CI {why}"
            pytest.skip(why)
    with ExitStack() as stack:
        yield _Pod(stack)


def test_real_segments_are_held_until_their_process_is_killed_and_leak_then() -> None:
    with _pod() as pod:
        rank, ring = pod.holder("nccl-4kTz0Q", "mapped"), pod.holder("psm_9d1e", "open")
        gone = pod.holder("nccl-unlnkd", "unlinked")
        pids = (pod.main.pid, rank.pid, ring.pid, gone.pid)
        before = pod.look(*pids)
        assert {s.name: s.held for s in before.segments} == {"nccl-4kTz0Q": True, "psm_9d1e": True}
        space = shm.look("/proc", pod.main.pid, "now")
        assert (space.size_bytes, space.used_bytes) == (4 << 20, 3 * 65536)
        rank.send_signal(signal.SIGKILL)
        rank.wait()
        after = pod.look(*pids)
        assert {s.name: s.held for s in after.segments} == {"nccl-4kTz0Q": False, "psm_9d1e": True}
        assert (after.unheld_files, after.unheld_bytes) == (1, 65536)


VOLUMES = "/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/{name}"


def _crashed(root: Path, *names: str, leaks: int = 2) -> Node:
    """A pod without a process, whose volumes the node still has mounted."""
    node = Node(root).start()
    node.log("0.log", "")
    (root / "proc" / "1" / "fd").mkdir(parents=True)
    lines = ""
    for name in names:
        point = VOLUMES.format(uid=UID, name=name)
        folder = root / "host" / point.lstrip("/")
        folder.mkdir(parents=True)
        for number in range(leaks):
            (folder / f"nccl-{number:06}").write_bytes(b"x" * 4096)
        lines += f"90 1 {_device(folder)} / {point} rw - tmpfs tmpfs rw,size=1024k\n"
    (root / "proc" / "1" / "mountinfo").write_text(lines)
    (root / "proc" / "1" / "root").symlink_to(root / "host")
    return node


def _asked(node: Node) -> ShmMount | Missing:
    agent = NodeAgent(node.settings, Nvml(LabNvml(node.root / "nvml.json")), lambda _: GONE)
    (look,) = agent.look(Asked(("llm/vllm-head-0",))).pods
    return look.shm


def test_what_ranks_left_is_seen_though_no_container_of_their_pod_runs(tmp_path: Path) -> None:
    """In a crash loop there is seldom a process: the volume lives as long as the pod."""
    seen = _asked(_crashed(tmp_path, "dshm", "cache"))
    assert isinstance(seen, ShmMount)
    assert seen.of_volume
    assert (seen.size_bytes, seen.unheld_files, seen.unheld_bytes) == (1 << 20, 2, 8192)
    assert seen.cited.startswith("vllm-head-0: /var/lib/kubelet/pods/")


@pytest.mark.parametrize("names", [(), ("dshm", "shm2"), ("models", "cache")])
def test_of_several_volumes_none_is_guessed_to_be_dev_shm(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    seen = _asked(_crashed(tmp_path, *names))
    assert isinstance(seen, Missing)
    assert "no process of vllm-head-0 is to be seen" in seen.reason
