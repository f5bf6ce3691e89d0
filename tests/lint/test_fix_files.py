"""What `--fix` and `-o` do to files: all of it or nothing, each once, with what they had."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from errno import ENOSPC
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from distcheck.agent.cli.app import main
from distcheck.agent.manifests.source import MOST_BYTES

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    env: [{name: Q, value: 7}]
"""
MENDED = POD.replace("7", '"7"')


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(data)))

    return give


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "b.yaml").write_text(POD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_a_file_and_its_link_are_one_file(
    folder: Path, link: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    link("b.yaml", "a.yaml")
    assert main(["lint", "--fix", "."]) == 0
    out, err = capsys.readouterr()
    assert ("1 file mended" in err, "not written" in err, "in 1 file" in out) == (True, False, True)
    assert [(folder / n).read_text() for n in ("a.yaml", "b.yaml")] == [MENDED, MENDED]


def test_a_file_with_two_names_keeps_both_and_its_attributes(folder: Path) -> None:
    os.link("b.yaml", "other")
    main(["lint", "--fix", "b.yaml"])
    assert ((folder / "other").read_text(), (folder / "b.yaml").stat().st_nlink) == (MENDED, 2)


def test_attributes_of_a_file_are_kept(folder: Path) -> None:
    try:
        os.setxattr("b.yaml", "user.note", b"x")
    except OSError:
        pytest.skip("a file system without attributes")
    main(["lint", "--fix", "b.yaml"])
    assert (os.getxattr("b.yaml", "user.note"), (folder / "b.yaml").read_text()) == (b"x", MENDED)


@pytest.mark.parametrize("names", [1, 2])
def test_a_full_disk_leaves_an_old_report_whole(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    names: int,
) -> None:
    (folder / "r.json").write_text("old")
    if names == 2:
        os.link("r.json", "other")
    write, done = os.write, list[int]()

    def full(handle: int, data: bytes) -> int:
        if len(data) > len("old"):
            done.append(write(handle, data[:10]))
            raise OSError(ENOSPC, "No space left on device")
        return write(handle, data)

    monkeypatch.setattr("os.write", full)
    assert main(["lint", "-o", "json=r.json", "b.yaml"]) == 2
    assert (done, (folder / "r.json").read_text()) == ([10], "old")
    assert "No space left" in capsys.readouterr().err
    assert len(list(folder.iterdir())) == 1 + names


def test_a_report_keeps_the_mode_of_the_old_one(folder: Path) -> None:
    made = folder / "a" / "dev" / "r.json"
    made.parent.mkdir(parents=True)
    made.touch(0o600)
    was = made.stat().st_ino
    main(["lint", "-o", "json=a/dev/r.json", "b.yaml"])
    assert json.loads(made.read_text())["files"] == 1
    assert (made.stat().st_mode & 0o777, made.stat().st_ino != was) == (0o600, True)


def test_a_report_goes_to_a_device_as_it_is(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["lint", "-o", "json=/dev/stdout", str(folder / "b.yaml")]) == 1
    assert json.loads(capfd.readouterr().out)["files"] == 1


def test_two_reports_for_one_file_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lint", "-o", "json=r", "-o", f"sarif={folder}/r", "b.yaml"]) == 2
    assert "would both be written to" in capsys.readouterr().err
    assert main(["lint", "-o", "json=/dev/null", "-o", "sarif=/dev/null", "b.yaml"]) == 1


@pytest.mark.parametrize("words", [["b.yaml"], ["."], ["--fix", "b.yaml"]], ids=" ".join)
@pytest.mark.parametrize("form", ["json", "text"])
def test_a_report_never_takes_the_place_of_a_manifest_that_is_read(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], form: str
) -> None:
    before = (folder / "b.yaml").read_bytes()
    assert main(["lint", "-o", f"{form}=./b.yaml", *words]) == 2
    assert "b.yaml, which is read" in capsys.readouterr().err
    assert (folder / "b.yaml").read_bytes() == before


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_a_report_in_the_folder_that_is_judged_may_be_written_again(
    folder: Path, form: str
) -> None:
    for _ in range(2):
        assert main(["lint", "-o", f"{form}=told.json", "."]) in (1, 2)
        assert b"distcheck" in (folder / "told.json").read_bytes()


@pytest.mark.parametrize(
    "data",
    [b"kind: \xff\r\n", POD.encode("utf-16"), b"a: 1\n" * (MOST_BYTES // 5 + 9)],
    ids=["no UTF-8", "UTF-16", "too large"],
)
def test_what_cannot_be_mended_goes_through_as_it_is(
    piped: Callable[[bytes], None], capfdbinary: pytest.CaptureFixture[bytes], data: bytes
) -> None:
    piped(data)
    assert main(["lint", "--fix", "-"]) == (1 if data[:2] == b"\xff\xfe" else 2)
    assert capfdbinary.readouterr().out == data


def test_windows_line_ends_stay_in_what_is_piped(
    piped: Callable[[bytes], None], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    piped(POD.replace("\n", "\r\n").encode())
    assert main(["lint", "--fix", "-"]) == 0
    assert capfdbinary.readouterr().out.decode() == MENDED.replace("\n", "\r\n")


def test_a_file_called_standard_input_is_a_file(folder: Path) -> None:
    (folder / "b.yaml").rename("standard input")
    assert main(["lint", "--fix", "standard input"]) == 0
    assert (folder / "standard input").read_text() == MENDED


def test_no_rule_is_not_every_rule(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--only", "", "b.yaml"]) == 2
    assert "--only names no rule" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["json", "sarif", "junit", "github", "concise", "text"])
def test_a_name_that_is_no_utf_8_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    (folder / "b.yaml").rename(os.fsdecode(b"\xff.yaml"))
    assert main(["lint", "-o", form, "."]) == 1
    told = capsys.readouterr().out
    assert ("%FF.yaml" if form == "sarif" else r"\udcff.yaml") in told.replace(r"\\", "\\")


def test_a_folder_that_is_gone_needs_no_root(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "gone").mkdir()
    os.chdir("gone")
    (folder / "gone").rmdir()
    assert main(["lint", "-o", "sarif", str(folder / "b.yaml")]) == 1
    assert (folder / "b.yaml").as_uri() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "closed", "code"),
    [
        (["b.yaml"], "stdout", 1),
        (["b.yaml"], "stderr", 1),
        (["-"], "stdin", 2),
        (["--fix", "-"], "stdin", 2),
        (["--fix", "-"], "stdout", 2),
    ],
)
def test_streams_may_be_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], closed: str, code: int
) -> None:
    monkeypatch.setattr(sys, closed, None)
    assert main(["lint", *words]) == code
    if closed != "stdin":
        getattr(sys, closed).close()
    assert (folder / "b.yaml").read_text() == POD


def test_json_is_mended_as_far_as_it_stays_json(folder: Path) -> None:
    (folder / "b.yaml").unlink()
    container = {"name": "vllm", "image": "vllm/vllm-openai:v0.11.0", "args": ["-tp", "2"]}
    more = {"env": [{"name": "Q", "value": 7}], "resources": {"limits": {"nvidia.com/gpu": 2}}}
    pod = {"kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [container | more]}}
    (folder / "b.json").write_text(json.dumps({"apiVersion": "v1", **pod}))
    main(["lint", "--fix", "b.json"])
    new = json.loads((folder / "b.json").read_text())
    assert new["spec"]["containers"][0]["env"][0]["value"] == "7"


LAST = "kind: Pod\nmetadata:\n  name: a\n  labels:\n    x: 1"


@pytest.mark.parametrize(
    "end", ["", "\n", "\n\n", "\n    y: t\n", "\n    y: t", "\n    y: t\n    z: u\n"]
)
def test_a_diff_applies_up_to_the_last_line(
    folder: Path, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    (folder / "a.yaml").write_text(LAST + end)
    main(["lint", "--diff", "-q", "a.yaml"])
    (folder / "d").write_text(capsys.readouterr().out)
    subprocess.run(["git", "apply", "-p0", "d"], check=True, capture_output=True)
    assert (folder / "a.yaml").read_text() == LAST.replace("1", '"1"') + end


ENDS = POD.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    "data", [ENDS, b"\xef\xbb\xbf" + ENDS, ENDS[:-2], POD.encode()[:-1]],
    ids=["windows", "with a mark", "windows without an end", "without an end"],
)  # fmt: skip
def test_git_and_patch_take_the_diff(
    folder: Path, data: bytes, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (folder / "b.yaml").write_bytes(data)
    main(["lint", "--diff", "b.yaml"])
    diff = capsysbinary.readouterr().out
    for program in (["git", "apply", "-p0"], ["patch", "-s", "-p0"]):
        (folder / "b.yaml").write_bytes(data)
        if shutil.which(program[0]):
            subprocess.run(program, input=diff, cwd=folder, check=True)
            assert (folder / "b.yaml").read_bytes() == data.replace(b"7", b'"7"')
    assert shutil.which("git")


@pytest.mark.parametrize("name", ["a b.yaml", "a\tb.yaml", 'a"b\\.yaml', "ä.yaml", "ä\tb.yaml"])
def test_git_and_patch_take_the_diff_of_a_file_with_an_odd_name(
    folder: Path, name: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = POD.replace("spec:", "# of\tus\nspec:").replace("env:", "# a\tb\n    env:")
    (folder / name).write_text(text)
    main(["lint", "--diff", name])
    diff = capsysbinary.readouterr().out
    for program in (["git", "apply", "-p0"], ["patch", "-s", "-p0"]):
        (folder / name).write_text(text)
        if shutil.which(program[0]):
            subprocess.run(program, input=diff, cwd=folder, check=True)
            assert (folder / name).read_text() == text.replace("7", '"7"')


@pytest.mark.parametrize(
    "data", [POD.replace("\n", "\r\n", 2).encode(), POD.replace("\n", "\r").encode(),
             POD.encode("utf-16")],
    ids=["mixed line ends", "carriage returns", "utf-16"],
)  # fmt: skip
def test_what_cannot_be_written_back_has_no_diff_and_is_not_called_fixable(
    folder: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b.yaml").write_bytes(data)
    for flags in ([], ["--diff"], ["--fix"]):
        main(["lint", *flags, "b.yaml"])
        told = capsys.readouterr()
        assert "CONF070" in told.out + told.err
        assert "--fix" not in told.out + told.err
        assert "\n+" not in told.out
        assert ("b.yaml is not mended: its line ends are mixed" in told.err) == bool(flags)
    assert (folder / "b.yaml").read_bytes() == data


@pytest.mark.parametrize("form", ["text", "concise"])
def test_a_diff_that_is_kept_is_a_patch_of_all_files(
    folder: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """Findings are on standard error: `lint --diff . > x.patch` has nothing else in it."""
    (folder / "c.yaml").write_text(POD.replace("{name: vllm}", "{name: other}"))
    assert main(["lint", "--diff", ".", "-o", form]) == 1
    out, err = capsys.readouterr()
    assert ("CONF070" in out, err.count("error[CONF070]")) == (False, 2)
    subprocess.run(["git", "apply", "-p0"], input=out.encode(), cwd=folder, check=True)
    assert [(folder / n).read_text().count('"7"') for n in ("b.yaml", "c.yaml")] == [1, 1]


def test_a_diff_that_shows_no_secret_writes_no_stars(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Git refuses it; patch leaves lines around as they are, and so takes it."""
    secret = "{name: HF_TOKEN, value: s3cr3t-9}"
    text = POD.replace("env: [{", f"env:\n    - {secret}\n    - {{").replace("7}]", "7}")
    (folder / "b.yaml").write_text(text)
    main(["lint", "--diff", "b.yaml"])
    diff = capsys.readouterr().out
    assert ("s3cr3t" in diff, "***" in diff) == (False, True)
    for program, code, left in (
        (["git", "apply", "-p0"], 1, text),
        (["patch", "-s", "-p0"], 0, text.replace("7}", '"7"}')),
    ):
        (folder / "b.yaml").write_text(text)
        if shutil.which(program[0]):
            done = subprocess.run(program, input=diff.encode(), check=False, capture_output=True)
            assert (done.returncode, (folder / "b.yaml").read_text()) == (code, left)
    (folder / "b.yaml").write_text(text)
    assert main(["lint", "--fix", "b.yaml"]) == 0
    assert (folder / "b.yaml").read_text() == text.replace("7}", '"7"}')


def test_a_diff_of_a_line_with_a_secret_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = POD.replace("[{", "[{name: HF_TOKEN, value: s3cr3t-9}, {")
    (folder / "b.yaml").write_text(text)
    main(["lint", "--diff", "b.yaml"])
    diff = capsys.readouterr().out
    assert ("s3cr3t" in diff, "+    env" in diff) == (False, True)
    for program in (["git", "apply", "-p0"], ["patch", "-s", "-p0", "-r-"]):
        if shutil.which(program[0]):
            done = subprocess.run(program, input=diff.encode(), check=False, capture_output=True)
            assert (done.returncode, (folder / "b.yaml").read_text()) == (1, text)
    main(["lint", "--fix", "b.yaml"])
    assert (folder / "b.yaml").read_text() == text.replace("7}", '"7"}')
