"""A container that lies to the look without agents: nothing leaves the copy, and all is bounded."""

import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.cluster.without_agents import container_copy, copy_folder
from distcheck.agent.cluster.without_agents.container_copy import ContainerCopy, new_copy
from distcheck.agent.cluster.without_agents.copy_folder import sweep
from distcheck.agent.cluster.without_agents.copy_reading import CopyReading, Inside
from distcheck.agent.cluster.without_agents.exec_in import ended
from distcheck.agent.cluster.without_agents.fallback import Outside, _share
from distcheck.checks.evidence import Missing, ModelConfig
from tests.evidence_builder import healthy

ENGINE = [
    ("v", "python", b"3.11"),
    ("f", "/proc/5/stat", b"5 (vllm) S 1 5 5 0 -1 4194304" + b" 0" * 13 + b" 100 0 0"),
    ("f", "/proc/5/cmdline", b"vllm\0serve\0m/x\0-tp\0" + b"16\0--api-key\0s3cr3t"),
    ("f", "/proc/5/status", b"Name:\tvllm\nNSpid:\t5\n"),
]
END = ("e", "/", b"")


def record(kind: str, path: str, data: bytes = b"") -> bytes:
    name, content = b64encode(os.fsencode(path)), b64encode(data) if data else b"-"
    return b" ".join((kind.encode(), b"b", name, content)) + b"\n"


def sent(*records: tuple[str, str, bytes]) -> bytes:
    return b"".join(record(*one) for one in records)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies are made; beside it lies what no container may touch."""
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(copy_folder, "_MEMORY", memory)
    return memory


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "victim"
    folder.mkdir()
    for name in ("authorized_keys", "stat", "environ"):
        (folder / name).write_text("mine")
    yield folder
    assert sorted(p.name for p in folder.iterdir()) == ["authorized_keys", "environ", "stat"]
    assert {p.read_text() for p in folder.iterdir()} == {"mine"}


def read(copy: ContainerCopy, seconds: float = 10.0) -> Inside:
    copy.finish()
    return CopyReading(healthy(2).pods[0], copy, "", time.monotonic() + seconds).inside()


def shapes(victim: Path) -> list[tuple[tuple[str, str, bytes], ...]]:
    """Ways in which a container may want to write where it has no place."""
    to, up = str(victim).encode(), b"../" * 12 + str(victim).encode().lstrip(b"/")
    link, keys = "/proc/5/cwd", ("f", "/app/cwd/authorized_keys", b"evil")
    return [
        (("d", "/app", b""), ("l", link, b"../../app"), ("l", f"{link}/cwd", to), keys),
        (("l", link, to), ("f", f"{link}/stat", b"evil"), ("a", f"{link}/environ", b"evil")),
        (("l", link, up), ("f", f"{link}/authorized_keys", b"evil")),
        (("l", link, to), ("d", f"{link}/new", b""), ("t", f"{link}/stat", b"99 1")),
        (("l", link, b"cwd2"), ("l", "/proc/5/cwd2", to), ("f", "/proc/5/cwd2/stat", b"evil")),
        (("l", "/app/cwd", to), keys),
        (("l", "/proc/5/stat", to + b"/stat"), ("f", "/proc/5/stat", b"5 (x) S 1")),
        (("f", "/proc/5/stat", b"x"), ("l", "/proc/5/stat", to), ("f", "/proc/5/stat/stat", b"e")),
        (("f", "/proc/5/root/stat", b"evil"), ("f", "/proc/5/net/tcp", b"evil")),
        (("l", "/proc/5/root", to), ("l", "/proc/5/net", to), ("l", "/proc/5", to)),
        (("l", "/proc/self/cwd", to), ("f", "/proc/self/cwd/stat", b"evil")),
        (("f", f"/../..{victim}/stat", b"evil"), ("a", f"/x/../../..{victim}/stat", b"evil")),
        (("f", "/a\0b", b"x"), ("f", "/a\nb", b"x"), ("f", "/" + "n" * 300, b"x")),
        (("t", str(victim / "stat"), b"0 1"), ("c", str(victim / "stat"), b"")),
    ]


@pytest.mark.parametrize("shape", range(14))
def test_nothing_is_written_through_a_link_or_out_of_the_copy(
    shape: int, victim: Path, place: Path
) -> None:
    with new_copy() as copy:
        copy.take(sent(*ENGINE, *shapes(victim)[shape], END))
        inside = read(copy)
        assert all(p.resolve().is_relative_to(place) for p in copy.root.rglob("*") if p.is_file())
    assert inside.logs == ()
    assert list(place.iterdir()) == []


def test_where_a_process_stands_leads_no_reader_out(victim: Path) -> None:
    (victim / "config.json").write_text('{"hidden_size": 8}')
    try:
        with new_copy() as copy:
            copy.take(sent(*ENGINE, ("l", "/proc/5/cwd", os.fsencode(victim)), END))
            model = read(copy).fields["model"]
    finally:
        (victim / "config.json").unlink()
    assert isinstance(model, Missing)


def test_where_a_process_stands_is_used_inside_the_copy() -> None:
    config = ("f", "/app/m/x/config.json", b'{"hidden_size": 8}')
    with new_copy() as copy:
        copy.take(sent(*ENGINE, ("l", "/proc/5/cwd", b"/app"), config, END))
        model = read(copy).fields["model"]
    assert isinstance(model, ModelConfig)
    assert model.path == "/app/m/x/config.json"


PATHS = st.lists(
    st.sampled_from(
        ["proc", "5", "self", "cwd", "root", "net", "stat", "..", ".", "", "app", "\n"]
    ),
    max_size=6,
)
RECORDS = st.lists(
    st.tuples(st.sampled_from("fatldxc"), PATHS, st.sampled_from([b"", b"/", b"../..", b"9 9"]))
)


@settings(deadline=None, max_examples=150)
@given(RECORDS)
def test_no_records_make_a_link_before_the_end(records: list[tuple[str, list[str], bytes]]) -> None:
    with new_copy() as copy:
        copy.take(sent(*((k, "/" + "/".join(p), d) for k, p, d in records)))
        assert not any(p.is_symlink() for p in copy.root.rglob("*"))
        copy.finish()
        links = [p for p in copy.root.rglob("*") if p.is_symlink()]
    assert {p.name for p in links} <= {"cwd", "root", "net"}


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=4096), st.integers(1, 4096))
def test_a_copy_takes_any_bytes_in_pieces_of_any_size(output: bytes, step: int) -> None:
    with new_copy() as copy:
        for at in range(0, len(output), step):
            copy.take(output[at : at + step])
        copy.finish()


def test_a_log_is_as_long_as_what_was_sent_and_not_as_it_claims() -> None:
    log = ("/tmp/x/nccl.log", "/tmp/x/log.safetensors")
    claims = [(k, p, d) for p in log for k, d in (("a", b"hi\n"), ("t", b"35184372088832 1"))]
    with new_copy() as copy:
        copy.take(sent(*ENGINE, *claims, END))
        inside = read(copy)
    assert [one.bytes for one in inside.logs] == [3, 3]


def test_a_claim_makes_no_file_of_proc_longer() -> None:
    mounts = ("f", "/proc/self/mountinfo", b"1 2 0:5 / / rw - x x rw\n")
    with new_copy() as copy:
        copy.take(sent(*ENGINE, mounts, ("t", mounts[1], b"4294967296 1"), END))
        copy.finish()
        assert (copy.proc / "self/mountinfo").stat().st_size == len(mounts[2])


def test_the_length_of_a_checkpoint_is_only_a_number() -> None:
    with new_copy() as copy:
        claims = ("t", "/m/a.safetensors", b"1000000000000 0")
        copy.take(sent(("f", "/m/a.safetensors", b"header"), claims, END))
        copy.finish()
        seen = (copy.root / "m/a.safetensors").stat()
    assert (seen.st_size, seen.st_blocks * 512 < 1 << 20) == (1_000_000_000_000, True)


def test_logs_are_read_until_the_deadline_and_the_rest_is_named() -> None:
    with new_copy() as copy:
        copy.take(sent(*ENGINE, *(("a", f"/tmp/{n}.log", b"x\n") for n in "abc"), END))
        inside = read(copy, seconds=-1)
    assert inside.logs == ()
    assert any("3 logs of the container were not read" in said for said in inside.lost)


def test_a_line_without_an_end_costs_as_much_as_it_is_long() -> None:
    with new_copy() as copy:
        for _ in range(32 << 10):
            copy.take(b"x" * 1024)
        assert "longer than can be kept" in copy.broken
        copy.take(b"\n" + sent(END))
        assert copy.whole


@pytest.mark.parametrize(
    ("limit", "most"), [("_MAX_TOTAL", 4096), ("_MAX_RECORDS", 16), ("_MAX_ENTRIES", 16)]
)
def test_bytes_records_and_files_are_counted(
    limit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = copy_folder if limit == "_MAX_ENTRIES" else container_copy
    monkeypatch.setattr(where, limit, most)
    with new_copy() as copy:
        copy.take(sent(*(("f", f"/x/{n}", b"y" * 200) for n in range(200))))
        assert "can be kept" in copy.broken
        assert sum(1 for p in copy.root.rglob("*")) < 64


def test_reasons_of_a_container_are_few_short_and_scrubbed() -> None:
    session = "/tmp/ray/session_latest/logs"
    gone = [("x", f"{session}/w{n}", b"HF_TOKEN=s3cr3t \x1b[31m" + b"z" * 900) for n in range(3000)]
    with new_copy() as copy:
        copy.take(sent(*ENGINE, *gone, ("x", f"{session}/\x1b[31m", b"x"), END))
        lost = read(copy).lost
    assert len(lost) < 32
    assert all(len(said) < 400 and said.isprintable() and "s3cr3t" not in said for said in lost)


def test_no_secret_of_a_command_line_or_of_settings_lies_on_the_disk() -> None:
    with new_copy() as copy:
        settings_file = ("f", "/etc/vllm.yaml", b"model: m/x\napi-key: s3cr3t\n")
        copy.take(sent(*ENGINE, settings_file, END))
        lies = {p.name: p.read_bytes() for p in copy.root.rglob("*") if p.is_file()}
    assert not any(b"s3cr3t" in data for data in lies.values())
    assert lies["cmdline"].startswith(b"vllm\0serve\0m/x\0-tp\0" + b"16\0")
    assert b"model: m/x" in lies["vllm.yaml"]


def test_what_a_command_prints_as_its_error_is_scrubbed_and_short() -> None:
    said = b"Authorization: Token s3cr3tvalue\x1b[2J " + b"z" * 4000
    status = b'{"status": "Failure", "message": "failed: HF_TOKEN=s3cr3t\\u001b[2J"}'
    why = ended(status, said).why
    assert "s3cr3t" not in why
    assert why.isprintable()
    assert len(why) < 420


def test_a_login_in_the_name_of_a_model_is_hidden_where_it_is_not_found() -> None:
    line = ("f", "/proc/5/cmdline", b"vllm\0serve\0https://user:hunter2@h/m")
    with new_copy() as copy:
        copy.take(sent(*ENGINE, line, END))
        model = read(copy).fields["model"]
    assert isinstance(model, Missing)
    assert "hunter2" not in model.reason


def test_a_folder_whose_process_was_killed_is_removed_at_the_next_start(place: Path) -> None:
    ended_pid = subprocess.Popen([sys.executable, "-c", ""])
    ended_pid.wait()
    left = place / f"distcheck-{ended_pid.pid}-abcd"
    mine, other = place / f"distcheck-{os.getpid()}-abcd", place / "distcheck-notes"
    for folder in (left, mine, other):
        folder.mkdir()
        (folder / "cmdline").write_text("x")
    target = place.parent / "kept"
    target.mkdir()
    (place / f"distcheck-{ended_pid.pid}-link").symlink_to(target)
    sweep()
    assert not left.exists()
    assert all(p.exists() for p in (mine, other, target))


LOOKING = """
import sys, threading, time
from pathlib import Path
from distcheck.agent.cli.ending import orderly_end
from distcheck.agent.cluster.gather import _pool
from distcheck.agent.cluster.without_agents import copy_folder
copy_folder._MEMORY = Path(sys.argv[1])
there = threading.Event()
def look():
    with copy_folder.new_folder() as folder:
        folder.write(("proc", "cmdline"), b"x")
        there.set()
        time.sleep(60)
def main():
    with orderly_end(), _pool() as pool:
        later = pool.submit(look)
        there.wait()
        print("there", flush=True)
        later.result()
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_look_at_once_and_leaves_no_copy(number: int, place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOOKING, str(place)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        assert len(list(place.iterdir())) == 1
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
    assert list(place.iterdir()) == []


def test_slow_pods_leave_time_for_the_others() -> None:
    outside = Outside(None, time.monotonic() + 60)  # type: ignore[arg-type] # never asked
    assert _share(outside, 2) == pytest.approx(60, abs=1)
    assert _share(outside, 64) == pytest.approx(15, abs=1)
    assert _share(outside, 10_000) == 5
