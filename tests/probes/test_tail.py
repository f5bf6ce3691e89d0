"""Logs that are followed: renamed, packed, cut, begun anew, inside containers."""

import gzip
import os
from pathlib import Path

import pytest
from tests.probes.node_folder import UID, Node
from tests.probes.tailing import Tailing, cri, init

from distcheck.agent.ray_session import SESSION


@pytest.fixture
def tail(tmp_path: Path) -> Tailing:
    tail = Tailing(tmp_path)
    tail.node.log("0.log", cri(init(0)))
    return tail


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _folder(tail: Tailing) -> Path:
    return tail.node.root / "pod-logs" / f"llm_vllm-head-0_{UID}" / "vllm"


def _rotate(tail: Tailing, when: str, *, packed: bool = False) -> None:
    """As the kubelet does it: rename, later pack into another file."""
    old = _folder(tail) / f"0.log.{when}"
    (_folder(tail) / "0.log").rename(old)
    if packed:
        new = old.with_name(f"{old.name}.gz")
        new.write_bytes(gzip.compress(old.read_bytes()))
        old.unlink()


def test_what_is_written_later_is_added_to_what_was_read(tail: Tailing) -> None:
    assert tail.tick().ranks == [0]
    _append(_folder(tail) / "0.log", cri(init(1)))
    assert tail.tick().ranks == [0, 1]
    assert tail.shown().bytes == (_folder(tail) / "0.log").stat().st_size


def test_the_rest_of_a_renamed_file_is_read_before_the_new_one(tail: Tailing) -> None:
    tail.tick()
    _append(_folder(tail) / "0.log", cri(init(1)))
    _rotate(tail, "20260101-000000")
    tail.node.log("0.log", cri(init(2)))
    assert (tail.tick().ranks, tail.dropped) == ([0, 1, 2], ())


def test_a_file_that_was_packed_between_two_looks_is_found_again(tail: Tailing) -> None:
    tail.tick()
    _append(_folder(tail) / "0.log", cri(init(1)))
    _rotate(tail, "20260101-000000", packed=True)
    tail.node.log("0.log", cri(init(2)))
    _rotate(tail, "20260101-000010", packed=True)
    tail.node.log("0.log", cri(init(3)))
    assert (tail.tick().ranks, tail.dropped) == ([0, 1, 2, 3], ())


def test_lines_of_files_that_are_gone_stay_known(tail: Tailing) -> None:
    tail.tick()
    for when in range(3):
        _rotate(tail, f"20260101-00000{when}", packed=True)
        tail.node.log("0.log", cri(init(when + 1)))
        tail.tick()
    for old in _folder(tail).glob("*.gz"):
        old.unlink()
    assert (tail.tick().ranks, tail.dropped) == ([0, 1, 2, 3], ())


def test_a_file_that_went_before_it_was_read_is_a_gap(tail: Tailing) -> None:
    tail.tick()
    (_folder(tail) / "0.log").unlink()
    tail.node.log("0.log.20260101-000000", cri(init(1)))
    tail.node.log("0.log", cri(init(2)))
    assert tail.tick().ranks == [0, 1, 2]
    assert "cut or rotated away" in tail.dropped[0]


def test_a_log_that_is_cut_to_nothing_is_a_gap_and_read_on(tail: Tailing) -> None:
    tail.tick()
    path = _folder(tail) / "0.log"
    with path.open("r+") as file:
        file.truncate(0)
    _append(path, cri(init(1)))
    assert tail.tick().ranks == [0, 1]
    assert "cut or rotated away" in tail.dropped[0]


def test_a_cut_log_that_was_copied_first_has_no_gap(tail: Tailing) -> None:
    tail.tick()
    path = _folder(tail) / "0.log"
    _append(path, cri(init(1)))
    (_folder(tail) / "0.log.1").write_bytes(path.read_bytes())
    path.write_text(cri(init(2)))
    assert (tail.tick().ranks, tail.dropped) == ([0, 1, 2], ())


def test_a_hole_at_the_start_of_a_cut_log_is_jumped_over(tail: Tailing) -> None:
    path = _folder(tail) / "0.log"
    with path.open("r+b") as file:
        file.truncate(0)
        file.seek(1 << 36)
        file.write(cri(init(3)).encode())
    assert tail.tick().ranks == [3]
    assert tail.shown().bytes < 2 << 20


def test_a_line_whose_end_has_not_come_is_not_taken_for_a_whole_one(tail: Tailing) -> None:
    whole = cri(init(1))
    path = _folder(tail) / "0.log"
    _append(path, whole[:-100])
    tail.tick()
    assert (tail.ranks, tail.shown().lines) == ([0], 3)
    _append(path, whole[-100:])
    assert (tail.tick().ranks, tail.shown().lines) == ([0, 1], 4)


def test_parts_of_a_line_are_joined_over_a_rotation(tail: Tailing) -> None:
    start, complete = init(1).splitlines()
    stamp = "2026-01-15T09:21:00.1Z stdout"
    _append(_folder(tail) / "0.log", f"{stamp} F {start}\n{stamp} P {complete[:40]}\n")
    tail.tick()
    _rotate(tail, "20260101-000000")
    tail.node.log("0.log", f"{stamp} F {complete[40:]}\n")
    assert tail.tick().ranks == [0, 1]


def test_dockers_json_is_followed_as_well(tail: Tailing) -> None:
    lines = init(1).splitlines()
    said = "".join(f'{{"log":"{one}\\n","stream":"stdout","time":"t"}}\n' for one in lines)
    tail.node.log("0.log", said)
    assert tail.tick().ranks == [1]


def test_an_earlier_start_of_the_container_is_left_out(tail: Tailing) -> None:
    tail.tick()
    tail.node.log("1.log", cri(init(5)))
    assert (tail.tick().ranks, tail.dropped) == ([5], ())


def test_a_pod_without_a_process_that_matters_is_not_followed(tail: Tailing) -> None:
    uid = "0" * 8 + UID[8:]
    tail.node.log("0.log", cri(init(0)), pod="web", uid=uid)
    tail.node.process(500, ["nginx"], uid=uid)
    tail.tick()
    assert set(tail.tailer._pods) == {UID}


def test_a_pod_on_a_gpu_is_followed_whatever_it_calls_itself(tail: Tailing) -> None:
    from tests.probes.node_folder import gpu  # noqa: PLC0415 - for this one test

    uid = "0" * 8 + UID[8:]
    tail.node.log("0.log", cri(init(0)), pod="odd", uid=uid)
    tail.node.process(500, ["/opt/own-server"], uid=uid)
    tail.node.gpus([gpu(0, 500)])
    tail.tick()
    assert set(tail.tailer._pods) == {UID, uid}


def test_rays_worker_logs_are_followed_and_once_renamed_read_to_the_end(tail: Tailing) -> None:
    path = f"{SESSION}/worker-{'a' * 56}-01000000-77.out"
    real = tail.node.inside(path, init(1))
    tail.node.inside("/proc/77/cmdline", "ray::RayWorkerWrapper")
    assert tail.tick().ranks == [0, 1]
    _append(real, init(2))
    real.rename(f"{real}.1")
    tail.node.inside(path, init(3))
    assert (tail.tick().ranks, tail.dropped) == ([0, 1, 2, 3], ())


def test_what_nccl_was_told_to_write_to_files_is_followed(tmp_path: Path) -> None:
    tail = Tailing(tmp_path)
    tail.node.log("0.log", "")
    environ = {"NCCL_DEBUG_FILE": "/var/nccl/d.%h.%p.log"}
    tail.node.process(78, ["VLLM::Worker_TP0"], environ=environ)
    tail.node.inside("/var/nccl/d.vllm-head-0.1.log", init(1))
    tail.node.inside("/var/nccl/d.vllm-head-0.x.log", init(6))
    assert tail.tick().ranks == [1]


def test_a_debug_file_that_a_new_process_writes_anew_tells_only_of_that_one(
    tmp_path: Path,
) -> None:
    tail = Tailing(tmp_path)
    tail.node.log("0.log", "")
    tail.node.process(78, ["VLLM::Worker"], environ={"NCCL_DEBUG_FILE": "/tmp/nccl.log"})
    path = tail.node.inside("/tmp/nccl.log", init(1) + init(2))
    assert tail.tick().ranks == [1, 2]
    path.write_text(init(3))
    assert (tail.tick().ranks, tail.dropped) == ([3], ())


def test_logs_inside_a_container_that_ended_stay_known_and_it_is_said(tail: Tailing) -> None:
    tail.node.inside(f"{SESSION}/worker-{'a' * 56}-01000000-77.out", init(1))
    tail.tick()
    (tail.node.root / "proc/77").rename(tail.node.root / "gone")
    assert tail.tick().ranks == [0, 1]
    assert "no process is left" in tail.dropped[0]


def test_a_pod_that_is_gone_is_forgotten(tail: Tailing) -> None:
    tail.tick()
    _folder(tail).parent.rename(tail.node.root / "elsewhere")
    tail.tick()
    assert tail.tailer._pods == {}


def test_a_log_in_which_nothing_was_written_is_not_opened(
    tail: Tailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail.tick()
    opened: list[object] = []
    real = os.open

    def noted(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        opened.append(path)
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", noted)
    tail.tick(2)
    assert not [p for p in opened if "0.log" in str(p)]


def test_what_is_not_read_yet_is_said(tail: Tailing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distcheck.agent.tail.TURN_BYTES", 1000)
    monkeypatch.setattr("distcheck.agent.tail.TICK_BYTES", 1000)
    size = tail.node.log("0.log", cri(init(0)) * 20).stat().st_size
    tail.tick()
    assert tail.dropped == (f"vllm-head-0:vllm/0.log is read up to byte 1000 of {size}",)
    for _ in range(20):
        tail.tick(2)
    assert not tail.shown().nccl.dropped


def test_a_pod_that_writes_much_does_not_keep_others_waiting(
    tail: Tailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distcheck.agent.tail.TICK_BYTES", 4 << 20)
    tail.node.log("0.log", "x" * 200 + "\n")
    with (_folder(tail) / "0.log").open("ab") as file:
        file.write((b"y" * 199 + b"\n") * 100_000)
    others = [f"{n:08x}{UID[8:]}" for n in range(4)]
    for number, uid in enumerate(others):
        tail.node.log("0.log", cri(init(number)), pod=f"p-{number}", uid=uid)
        tail.node.process(600 + number, ["VLLM::Worker"], uid=uid)
    tail.tick()
    assert [tail.shown(uid).nccl.communicators != () for uid in others] == [True] * 4
    assert tail.dropped[0].startswith("vllm-head-0:vllm/0.log is read up to byte")


def test_a_look_waits_until_all_that_is_there_was_read(tail: Tailing) -> None:
    from distcheck.agent.tail import Live  # noqa: PLC0415 - for this one test

    tail.tailer.start()
    try:
        live = tail.agent()._live()[0]
        _append(_folder(tail) / "0.log", cri(init(1)))
        seen = tail.tailer.look(Live(live.folder, live.tasks), 10)
    finally:
        tail.tailer.stop(2)
    assert seen is not None
    assert sorted(r.rank for c in seen.nccl.communicators for r in c.ranks) == [0, 1]


def test_without_a_pod_that_matters_a_look_is_left_to_the_caller(tmp_path: Path) -> None:
    tail = Tailing(tmp_path)
    node: Node = tail.node
    node.log("0.log", "", pod="web", uid="0" * 8 + UID[8:])
    tail.tailer.start()
    try:
        assert tail.tailer.look(tail.agent()._live()[0], 1) is None
    finally:
        tail.tailer.stop(2)
