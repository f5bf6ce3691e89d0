"""`collect` writes one redacted file, or leaves what was there; `verify` judges it the same."""

import errno
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.cluster.many_nodes import Doors, empty, objects
from tests.evidence_builder import healthy

from distcheck.agent.cli.app import main
from distcheck.lab.apiserver import ApiServer, write_kubeconfig


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[str]:
    group = healthy()
    doors = Doors(group)
    line = b"2026-11-20T08:00:01Z stdout F started with HF_TOKEN=hf_abcdefghijklmnopqrst\n"
    with ApiServer(
        objects(group), token="t", forward=doors.forward, execute=empty, logs=lambda *_: line
    ) as server:
        yield str(write_kubeconfig(tmp_path / "kubeconfig", server.url, "t"))
    doors.stop()


def run(*words: str) -> int:
    return main(list(words))


@pytest.mark.parametrize("ways", [[], ["--no-agents"], ["--no-agents", "--no-exec"]])
def test_the_file_is_judged_as_the_cluster_was(
    kubeconfig: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], ways: list[str]
) -> None:
    cluster = ["vllm-head-0", "--kubeconfig", kubeconfig, *ways]
    live = run("verify", *cluster, "-o", "json")
    seen = json.loads(capfd.readouterr().out)
    file = tmp_path / "evidence.json.gz"
    assert run("collect", *cluster, "-f", str(file)) == 0
    assert run("verify", "--evidence", str(file), "-o", "json") == live
    judged = json.loads(capfd.readouterr().out)
    assert untimed(judged) == untimed(seen)
    assert b"hf_abcdef" not in gzip.decompress(file.read_bytes())


def untimed(value: object) -> object:
    """Without times: two looks are not at the same moment."""
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if k not in ("observed_at", "seen_at")}
    return [untimed(v) for v in value] if isinstance(value, list) else value


def test_a_full_disk_is_said_and_the_old_file_stays(
    kubeconfig: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "evidence.json"
    file.write_text("before")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert run("collect", "vllm-head-0", "--kubeconfig", kubeconfig, "-f", str(file)) == 2
    assert f"{file} cannot be written: No space left on device" in capfd.readouterr().err
    assert file.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evidence.json", "kubeconfig"]


def test_a_link_and_the_mode_of_the_file_stay(kubeconfig: str, tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to(real)
    assert run("collect", "vllm-head-0", "--kubeconfig", kubeconfig, "-f", str(link)) == 0
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert msgspec.json.decode(real.read_bytes())["schema"] == "distcheck.evidence/v1"


def test_a_device_is_written_to_and_not_replaced(kubeconfig: str) -> None:
    assert run("collect", "vllm-head-0", "--kubeconfig", kubeconfig, "-f", "/dev/null") == 0
    assert Path("/dev/null").is_char_device()
