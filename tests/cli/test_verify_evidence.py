"""`verify --evidence`: what goes in, what comes out, and with which exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.cli.process import Done, Run
from tests.evidence_builder import healthy, without_look

from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import encode_evidence

IDS = [c.id for c in catalog()]


def report_of(done: Done) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_healthy_group_passes(distcheck: Run, evidence: Path) -> None:
    done = distcheck("verify", "--evidence", str(evidence), "-o", "json")
    assert (done.returncode, report_of(done)["verdict"]) == (0, "pass"), done.stdout.decode()


def test_a_compressed_file_a_folder_and_standard_input_are_read_alike(
    distcheck: Run, evidence: Path, packed: Path
) -> None:
    whole = distcheck("verify", "--evidence", str(evidence), "-o", "json").stdout
    assert distcheck("verify", "--evidence", str(packed), "-o", "json").stdout == whole
    for file in (evidence, packed):
        given = file.read_bytes()
        assert distcheck("verify", "--evidence", "-", "-o", "json", stdin=given).stdout == whole
    both = distcheck("verify", "--evidence", str(evidence.parent), "-o", "json")
    one, two = both.stdout.splitlines()
    assert json.loads(one) == json.loads(two) == json.loads(whole)


def test_of_several_files_the_worst_verdict_is_the_exit_code(
    distcheck: Run, evidence: Path
) -> None:
    blind = encode_evidence(structs.replace(healthy(), nodes=()))
    (evidence.parent / "blind.json").write_bytes(blind)
    assert distcheck("verify", "--evidence", str(evidence.parent)).returncode == 3


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "No such file"),
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "not evidence"),
        (b'{"schema": "distcheck.evidence/v2"}', "distcheck.evidence/v2"),
        (b'{"schema": "distcheck.evidence/v1"}', "wrong shape"),
        (b"\x1f\x8bbroken", "broken gzip"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 100_000, ""),
    ],
)
def test_what_is_no_evidence_is_an_input_error_that_names_the_file(
    distcheck: Run, tmp_path: Path, content: bytes | None, named: str
) -> None:
    path = tmp_path / "given.json"
    if content is not None:
        path.write_bytes(content)
    done = distcheck("verify", "--evidence", str(path))
    assert done.returncode == 2, done.stderr.decode()
    (line,) = done.stderr.decode().splitlines()
    assert str(path) in line
    assert named in line


def test_a_report_never_takes_the_place_of_the_evidence(distcheck: Run, evidence: Path) -> None:
    before = evidence.read_bytes()
    done = distcheck("verify", "--evidence", str(evidence), "-o", f"json={evidence}")
    assert (done.returncode, evidence.read_bytes()) == (2, before)
    assert b"which is read" in done.stderr


def test_a_folder_without_evidence_is_an_input_error(distcheck: Run, tmp_path: Path) -> None:
    assert distcheck("verify", "--evidence", str(tmp_path)).returncode == 2


def test_only_and_skip_choose_checks_in_any_case(distcheck: Run, evidence: Path) -> None:
    def ids(*words: str) -> list[str]:
        done = distcheck("verify", "--evidence", str(evidence), "-o", "json", *words)
        return [c["id"] for c in report_of(done)["checks"]]

    assert ids("--only", "ray001") == ["RAY001"]
    assert ids("--only", "RAY001,RAY002") == ["RAY001", "RAY002"]
    assert ids("--only", "RAY001", "--require", "RAY002") == ["RAY001", "RAY002"]
    assert ids("--skip", "RAY001") == [i for i in IDS if i != "RAY001"]


def test_nothing_left_to_judge_is_a_usage_error(distcheck: Run, evidence: Path) -> None:
    done = distcheck("verify", "--evidence", str(evidence), "--skip", ",".join(IDS))
    assert (done.returncode, b"no check selected" in done.stderr) == (2, True)


def test_unknown_has_its_own_code_and_inconclusive_changes_it(
    distcheck: Run, tmp_path: Path
) -> None:
    path = tmp_path / "e.json"
    path.write_bytes(encode_evidence(without_look(healthy(), "vllm-worker-0")))
    for extra, code in (((), 3), (("--inconclusive", "fail"), 1), (("--inconclusive", "pass"), 0)):
        assert distcheck("verify", "--evidence", str(path), *extra).returncode == code


def test_expect_overrides_the_intent_and_is_named_as_its_source(
    distcheck: Run, evidence: Path
) -> None:
    done = distcheck(
        "verify", "--evidence", str(evidence), "-o", "json", "--expect", "gpus=24,nodes=3"
    )
    assert done.returncode == 1, done.stdout.decode()
    assert report_of(done)["intent"]["from"]["gpus"] == "--expect"


def test_several_outputs_go_where_each_is_sent(
    distcheck: Run, evidence: Path, tmp_path: Path
) -> None:
    file = tmp_path / "out.json"
    done = distcheck("verify", "--evidence", str(evidence), "-o", "text", "-o", f"json={file}")
    assert "PASS" in done.stdout.decode()
    assert json.loads(file.read_bytes())["schema"] == "distcheck.report/v1"


def test_nothing_but_the_result_is_written_and_no_progress_in_a_pipe(
    distcheck: Run, evidence: Path
) -> None:
    assert distcheck("verify", "--evidence", str(evidence)).stderr == b""


def test_colour_is_for_terminals_and_for_those_who_force_it(distcheck: Run, evidence: Path) -> None:
    def coloured(**environ: str) -> bool:
        done = distcheck("verify", "--evidence", str(evidence), stdin=b"", **environ)
        return b"\x1b[" in done.stdout

    assert not coloured(TERM="xterm")
    assert coloured(FORCE_COLOR="1")
    assert coloured(FORCE_COLOR="1", TERM="dumb")
    assert not coloured(FORCE_COLOR="0")
    assert not coloured(FORCE_COLOR="1", NO_COLOR="1")


def test_an_output_that_cannot_show_a_symbol_still_gets_the_report(
    distcheck: Run, evidence: Path
) -> None:
    done = distcheck("verify", "--evidence", str(evidence), PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()


def test_a_reader_that_goes_away_ends_us_quietly(evidence: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "distcheck", "verify", "--evidence", str(evidence)],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_model_from_the_command_line_fills_in_where_the_pod_has_none(
    distcheck: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    path = tmp_path / "e.json"
    path.write_bytes(encode_evidence(structs.replace(healthy(), nodes=())))
    done = distcheck("verify", "--evidence", str(path), "--model", str(folder))
    assert (done.returncode, done.stderr) == (3, b"")


def test_a_result_in_a_file_alone_is_told_in_words_too(
    distcheck: Run, evidence: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    command = ("verify", "--evidence", str(evidence), "-o", f"html={page}")
    done = distcheck(*command)
    verdict, wrote = done.stderr.decode().splitlines()
    assert done.stdout == b""
    assert verdict.startswith("distcheck: llm/vllm-head: PASS: ")
    assert wrote == f"distcheck: wrote {page}"
    assert distcheck(*command, "--quiet").stderr == b""
    assert distcheck(*command, "-o", "text").stderr == b""


def test_what_skip_leaves_out_is_told(distcheck: Run, evidence: Path) -> None:
    command = ("verify", "--evidence", str(evidence), "--skip", "SHARD001,NCCL002")
    told = report_of(distcheck(*command, "-o", "json"))
    assert told["left_out"] == ["NCCL002", "SHARD001"]
    assert told["summary"].endswith("2 left out")
    text = distcheck(*command).stdout.decode()
    assert "  left out    NCCL002, SHARD001 (by --skip or --only)" in text


def test_what_only_does_not_name_is_left_out(distcheck: Run, evidence: Path) -> None:
    done = distcheck("verify", "--evidence", str(evidence), "--only", "SHARD001", "-o", "json")
    assert sorted(report_of(done)["left_out"]) == sorted(set(IDS) - {"SHARD001"})
