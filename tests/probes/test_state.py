"""What the agent keeps of logs across its own restarts, and what it does when that is damaged."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.probes.node_folder import UID
from tests.probes.tailing import Tailing, cri, init

from distcheck.agent import state as state_module
from distcheck.agent.state import KeptLog, StateError, StateFolder
from distcheck.agent.tail_place import Place

LOG = KeptLog("vllm/0.log", Place("0.log", (1, 2), 3), ("a gap",), b"saved")


@pytest.fixture
def tail(tmp_path: Path) -> Tailing:
    (tmp_path / "state").mkdir()
    tail = Tailing(tmp_path, state=str(tmp_path / "state"))
    tail.node.log("0.log", cri(init(0)))
    return tail


def _files(tail: Tailing) -> list[Path]:
    return sorted(Path(tail.state).iterdir())


def _rotated_away(tail: Tailing) -> None:
    """What was read is not there any more: only what is kept still tells of it."""
    path = tail.node.log("0.log", "")
    path.rename(path.with_name("0.log.20260101-000000"))
    tail.node.log("0.log", cri(init(1)))


def test_what_was_read_is_known_after_a_restart_and_read_on_with(tail: Tailing) -> None:
    path = tail.node.log("0.log", cri(init(0)))
    tail.tick()
    tail.restart()
    kept = path.with_name("0.log.20260101-000000")
    path.rename(kept)
    tail.node.log("0.log", cri(init(1)))
    assert (tail.tick().ranks, tail.dropped) == ([0, 1], ())
    tail.restart()
    kept.unlink()
    assert (tail.tick().ranks, tail.dropped) == ([0, 1], ())


def test_a_log_is_not_read_twice_after_a_restart(tail: Tailing) -> None:
    tail.tick()
    lines = tail.shown().lines
    tail.restart().tick()
    assert tail.shown().lines == lines


def test_a_pod_whose_processes_are_gone_is_still_known_after_a_restart(tail: Tailing) -> None:
    tail.tick()
    (tail.node.root / "proc/77").rename(tail.node.root / "gone")
    assert tail.restart().tick().ranks == [0]


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    tail = Tailing(tmp_path)
    tail.node.log("0.log", cri(init(0)))
    before = sorted(tmp_path.rglob("*"))
    tail.tick().restart()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_pod_that_is_gone_leaves_nothing_behind(tail: Tailing) -> None:
    tail.tick()
    (tail.node.root / "pod-logs" / f"llm_vllm-head-0_{UID}").rename(tail.node.root / "gone")
    tail.tick()
    assert _files(tail) == []


def test_what_is_kept_of_pods_that_went_during_a_restart_is_removed(tail: Tailing) -> None:
    tail.tick().tick(100)
    (tail.node.root / "pod-logs" / f"llm_vllm-head-0_{UID}").rename(tail.node.root / "gone")
    tail.restart().tick()
    assert _files(tail) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-3],
        lambda data: data[:0],
        lambda data: b"\0" * len(data),
        lambda data: data.replace(b"-state 1\n", b"-state 99\n"),
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    ],
)
def test_what_is_damaged_or_foreign_is_a_gap_and_logs_are_read_again(
    tail: Tailing, damage: object
) -> None:
    tail.tick().restart()
    (kept,) = _files(tail)
    kept.write_bytes(damage(kept.read_bytes()))  # type: ignore[operator]
    _rotated_away(tail)
    assert tail.restart_without_saving().tick(0).ranks == [1]
    assert "before this agent started is lost" in tail.dropped[0]


def test_damage_is_no_gap_where_the_log_is_still_whole(tail: Tailing) -> None:
    tail.tick().restart()
    (kept,) = _files(tail)
    kept.write_bytes(b"damaged")
    assert (tail.restart_without_saving().tick(0).ranks, tail.dropped) == ([0], ())


def test_files_of_others_in_the_folder_stay(tail: Tailing) -> None:
    other = Path(tail.state) / "notes.txt"
    other.write_text("mine")
    tail.tick().restart().tick()
    assert other.read_text() == "mine"


def test_a_half_written_file_is_removed_at_the_next_start(tmp_path: Path) -> None:
    half = tmp_path / f"{UID}.{'a' * 32}.new"
    half.write_text("half")
    StateFolder(str(tmp_path))
    assert not half.exists()


def test_a_link_in_the_folder_is_neither_read_nor_written_through(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    folder = StateFolder(str(tmp_path / "state"))
    folder.save(UID, LOG)
    (name,) = (tmp_path / "state").iterdir()
    outside = tmp_path / "outside"
    name.rename(outside)
    name.symlink_to(outside)
    with pytest.raises(StateError, match="cannot be read"):
        folder.load(UID, LOG.key)
    before = outside.read_bytes()
    folder.save(UID, LOG)
    assert not name.is_symlink()
    assert outside.read_bytes() == before


def test_what_has_no_room_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MAX_FILE", 1000)
    folder = StateFolder(str(tmp_path))
    folder.save(UID, KeptLog("k", LOG.place, (), os.urandom(2000)))
    assert list(tmp_path.iterdir()) == []
    assert "no room" in str(folder.trouble)


def test_a_folder_that_cannot_be_written_ends_nobody(tmp_path: Path) -> None:
    folder = StateFolder(str(tmp_path / "none"))
    folder.save(UID, LOG)
    assert "cannot be written: No such file" in str(folder.trouble)


def test_a_folder_that_cannot_be_used_is_seen_in_the_metrics(tmp_path: Path) -> None:
    tail = Tailing(tmp_path, state=str(tmp_path / "none"))
    tail.node.log("0.log", cri(init(0)))
    assert tail.tick().ranks == [0]
    assert not tail.tailer.outcomes["state"].success
    tail.tailer = Tailing.over(tail.node).tailer
    assert "state" not in tail.tailer.outcomes


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_make_a_load_raise_anything_else(data: bytes, ours: bool) -> None:
    whole = state_module._encoded(LOG)
    with suppress(StateError):
        assert state_module._decoded(whole[:30] + data if ours else data) == LOG


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    StateFolder(str(tmp_path)).save(UID, LOG)
    assert StateFolder(str(tmp_path)).load(UID, LOG.key) == LOG


def test_a_folder_that_bears_a_name_of_ours_is_left_alone(tmp_path: Path) -> None:
    for end in ("new", "state"):
        (tmp_path / f"x.{'a' * 32}.{end}").mkdir()
    (tmp_path / f"{UID}.{'b' * 32}.state").write_bytes(b"")
    folder = StateFolder(str(tmp_path))
    assert (folder.uids, folder.trouble) == ({UID}, None)
    assert len(list(tmp_path.iterdir())) == 3
