"""A hostile container harms nobody but its own verdict: real files of every bad kind."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.probes.node_folder import UID, Node
from tests.probes.tailing import Tailing, cri, init
from tests.waiting import within

from distcheck.agent import node as node_module
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.podlogs import pod_folders
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.ray_session import SESSION
from distcheck.agent.tail import Live
from distcheck.agent.tail_pod import TailedPod

GOOD = f"{0:08x}{UID[8:]}"
WORKER = f"{SESSION}/worker-{'a' * 56}-01000000-77.out"


@pytest.fixture
def tail(tmp_path: Path) -> Tailing:
    """A hostile pod, and a good one beside it."""
    tail = Tailing(tmp_path)
    tail.node.log("0.log", cri(init(0)))
    tail.node.log("0.log", cri(init(7)), pod="good", uid=GOOD)
    tail.node.process(600, ["VLLM::Worker"], uid=GOOD)
    return tail


def _good_is_unharmed(tail: Tailing) -> None:
    log = tail.shown(GOOD).nccl
    assert [r.rank for c in log.communicators for r in c.ranks] == [7]
    assert not [d for d in log.dropped if "session" not in d]


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _to_the_node(path: Path) -> None:
    outside = path.parents[5] / "of-the-node.log"
    outside.write_text(init(5))
    path.symlink_to(outside)


def _to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def _to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _to_the_kernel(path: Path) -> None:
    path.symlink_to("/proc/kmsg")


def _folder(path: Path) -> None:
    path.mkdir()


def _device(path: Path) -> None:
    if os.geteuid():
        assert not os.environ.get("CI"), "CI runs as root"
        pytest.skip("only root can make a device")
    os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))


@pytest.mark.parametrize(
    "make", [_fifo, _to_the_node, _to_itself, _to_a_device, _to_the_kernel, _folder, _device]
)
def test_what_is_no_log_inside_a_container_is_not_read(
    tail: Tailing, make: Callable[[Path], None]
) -> None:
    make(tail.node.root / "container" / WORKER.lstrip("/"))
    assert tail.tick().ranks == [0]
    _good_is_unharmed(tail)


@pytest.mark.parametrize("make", [_fifo, _to_itself, _folder, _device])
def test_what_is_no_log_in_the_log_folder_is_not_read(
    tail: Tailing, make: Callable[[Path], None]
) -> None:
    path = tail.node.log("0.log", "")
    path.unlink()
    make(path)
    tail.tick()
    assert "0.log" in " ".join(tail.tailer._pods[UID]._lost) or not tail.tailer._pods[UID].streams
    _good_is_unharmed(tail)


def test_a_line_without_an_end_takes_no_memory(tail: Tailing) -> None:
    path = tail.node.log("0.log", "")
    with path.open("wb") as file:
        for _ in range(20):
            file.write(b"x" * (1 << 20))
    tail.tick()
    (stream,) = tail.tailer._pods[UID].streams.values()
    assert len(stream._packed()) < 1 << 18
    _good_is_unharmed(tail)


def test_a_sparse_file_of_a_terabyte_is_passed_in_one_look(tail: Tailing) -> None:
    path = tail.node.log("0.log", "")
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    tail.tick()
    assert not tail.dropped
    _good_is_unharmed(tail)


def test_a_log_that_grows_without_end_gets_no_more_than_its_share(
    tail: Tailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distcheck.agent.tail.TICK_BYTES", 4 << 20)
    path = tail.node.log("0.log", "")
    real = TailedPod.fetch

    def grows(self: TailedPod, budget: int) -> object:
        with path.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(b"y" * (2 << 20))
        return real(self, budget)

    monkeypatch.setattr(TailedPod, "fetch", grows)
    tail.tick()
    assert "is read up to byte" in " ".join(tail.dropped)
    assert tail.shown().bytes <= 6 << 20
    _good_is_unharmed(tail)


def test_many_files_in_rays_folder_are_bounded_and_said(tail: Tailing) -> None:
    folder = tail.node.root / "container" / SESSION.lstrip("/")
    for number in range(700):
        (folder / f"worker-{number:056x}-01000000-{number}.out").touch()
    tail.tick()
    assert len(tail.tailer._pods[UID].streams) <= 576
    assert "700 files of workers: 512 are read" in " ".join(tail.dropped)
    _good_is_unharmed(tail)


def test_a_folder_of_more_files_than_are_looked_at_says_so(
    tail: Tailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distcheck.agent.probes.container_files._MAX_SCANNED", 50)
    folder = tail.node.root / "container" / SESSION.lstrip("/")
    for number in range(60):
        (folder / f"odd-{number}").touch()
    tail.tick()
    assert "holds too many files" in " ".join(tail.dropped)


def test_a_log_folder_of_many_files_is_bounded_and_said(tail: Tailing) -> None:
    path = tail.node.log("0.log", cri(init(0)))
    for number in range(4200):
        (path.parent / f"x{number}").touch()
    tail.tick()
    assert "holds too many files" in " ".join(tail.tailer._pods[UID]._lost)
    _good_is_unharmed(tail)


def test_names_that_are_no_text_do_not_reach_the_evidence(tail: Tailing) -> None:
    odd = os.fsdecode(b"odd\xff")
    (tail.node.root / f"pod-logs/llm_{odd}_{UID}/vllm").mkdir(parents=True)
    (tail.node.root / f"pod-logs/llm_vllm-head-0_{UID}" / odd).mkdir()
    (tail.node.root / "container" / SESSION.lstrip("/") / f"worker-{odd}.out").touch()
    tail.tick()
    agent = tail.agent()
    assert msgspec.json.encode(agent.look(node_module.Asked(("llm/vllm-head-0",))))
    _good_is_unharmed(tail)


def test_lines_that_name_another_pod_speak_for_the_pod_that_wrote_them(tail: Tailing) -> None:
    tail.node.log("0.log", cri(init(3).replace("vllm-head-0", "good")))
    assert tail.tick().ranks == [3]
    assert all("vllm-head-0:" in r.source for c in tail.shown().nccl.communicators for r in c.ranks)
    _good_is_unharmed(tail)


def test_a_file_system_that_never_answers_holds_up_nobody(
    tail: Tailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = _hanging(monkeypatch)
    tail.tailer = tail.agent().tail
    tail.tick()
    tail.tick(2)
    assert "earlier look has not ended" in tail.tailer._pods[UID].trouble
    assert not tail.tailer.outcomes["tail"].success
    assert within(60, lambda: not tail.tick(2).tailer._pods[GOOD].trouble)
    _good_is_unharmed(tail)
    gate.set()


def test_who_asks_for_logs_on_a_slow_disk_waits_for_the_look_that_is_under_way(
    tail: Tailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = _hanging(monkeypatch)
    monkeypatch.setattr("distcheck.agent.tail._GIVEN_UP_AFTER", 1000)
    tail.tailer = tail.agent().tail
    tail.tailer.start()
    try:
        assert within(60, lambda: UID in tail.tailer._pods and tail.tailer._pods[UID].hung > 0)
        threading.Timer(0.5, gate.set).start()
        seen = tail.tailer.look(Live(tail.tailer._pods[UID].folder, ()), 60)
    finally:
        tail.tailer.stop(5)
    assert seen is not None
    assert [r.rank for c in seen.nccl.communicators for r in c.ranks] == [0]


def test_who_asks_for_logs_on_a_dead_disk_does_not_wait_for_ever(
    tail: Tailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = _hanging(monkeypatch)
    tail.tailer = tail.agent().tail
    tail.tailer.start()
    try:
        assert within(60, lambda: UID in tail.tailer._pods and tail.tailer._pods[UID].hung > 0)
        with pytest.raises(ProbeError, match="earlier look has not ended"):
            tail.tailer.look(Live(tail.tailer._pods[UID].folder, ()), 3600)
    finally:
        gate.set()
        tail.tailer.stop(5)


def test_a_dead_disk_keeps_nobody_waiting_once_it_is_given_up(
    tail: Tailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = _hanging(monkeypatch)
    tail.tailer = tail.agent().tail
    assert within(60, lambda: tail.tick().tailer._pods[UID].hung >= 3)
    tail.tailer._probing._timeout = 3600.0
    tail.tick()
    gate.set()
    assert within(60, lambda: not tail.tick().tailer._pods[UID].hung)
    assert tail.ranks == [0]


def test_what_a_look_reads_of_a_pod_that_was_forgotten_meanwhile_is_not_taken(
    tail: Tailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = _hanging(monkeypatch)
    tail.tailer = tail.agent().tail
    tail.tick()
    assert tail.tailer._probing.is_late("tail", UID)
    tail.tailer._drop(set())
    assert not tail.tailer._probing.is_late("tail", UID)
    gate.set()
    assert within(60, lambda: not tail.tick().tailer._pods[UID].trouble)
    assert tail.ranks == [0]


def _hanging(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The hostile pod's logs cannot be read before the event that is returned."""
    monkeypatch.setattr("distcheck.agent.tail._HANGS_AFTER", 0.1)
    gate, real = threading.Event(), TailedPod.fetch

    def hangs(self: TailedPod, budget: int) -> object:
        if self.folder.uid == UID:
            gate.wait(60)
        return real(self, budget)

    monkeypatch.setattr(TailedPod, "fetch", hangs)
    return gate


def test_the_kernels_own_files_are_no_logs(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.process(77, ["x"])
    node.inside("/proc/kmsg", "x")
    container = Container(node.settings.host_proc, 77)
    with pytest.raises(ProbeError, match="no log is"), container.opened_log("/proc/kmsg"):
        pass


def test_a_folder_name_that_is_no_pods_is_left_out(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    for name in ("a_b_c d", "_b_c", "a_b_", "A_b_c", "a_b_c"):
        (tmp_path / "pod-logs" / name).mkdir()
    assert [f.path.name for f in pod_folders(node.settings.pod_logs)] == ["a_b_c"]
