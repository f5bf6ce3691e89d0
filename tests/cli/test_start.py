"""Help and version cost nothing, and every way to mistype is one line and exit code 2."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.process import Run

from distcheck import __version__
from distcheck.agent.cli.app import COMMANDS

HEAVY = ["typer", "click", "rich", "kubernetes", "grpc", "pynvml", "psutil", "msgspec"]


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], ["no-such-command"]])
def test_help_version_and_a_wrong_word_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys, json\nfrom distcheck.agent.cli.app import main\n"
        f"main({words!r})\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    modules = set(json.loads(done.stderr.splitlines()[-1]))
    assert not modules & set(HEAVY)


def test_help_names_every_command(distcheck: Run) -> None:
    done = distcheck("--help")
    assert done.returncode == 0
    assert all(name in done.stdout.decode() for name in COMMANDS)


def test_no_arguments_print_help_and_are_a_usage_error(distcheck: Run) -> None:
    done = distcheck()
    assert (done.returncode, b"Commands:" in done.stdout) == (2, True)


def test_version(distcheck: Run) -> None:
    done = distcheck("--version")
    assert (done.returncode, done.stdout) == (0, f"distcheck {__version__}\n".encode())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(distcheck: Run, name: str) -> None:
    done = distcheck(name, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Usage: distcheck " + name.encode() in done.stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["verfy"], "did you mean verify?"),
        (["--verbose"], "options come after the command"),
        (["verify"], "name a TARGET"),
        (["verify", "--bogus"], "--bogus"),
        (["verify", "x", "--wait", "5"], "'5'"),
        (["verify", "x", "--wait", "-5s"], "'-5s'"),
        (["verify", "x", "--timeout", "0s"], "'0s'"),
        (["verify", "x", "--timeout", "soon"], "'soon'"),
        (["verify", "x", "--expect", "tp=zero"], "tp=zero"),
        (["verify", "x", "--expect", "tp=0"], "tp=0"),
        (["verify", "x", "--expect", "tensor=16"], "'tensor'"),
        (["verify", "x", "--inconclusive", "warn"], "'warn'"),
        (["verify", "x", "-o", "jsn"], "did you mean json?"),
        (["verify", "x", "-o", "json="], "json="),
        (["verify", "x", "-o", "json=/no/such/folder/a.json"], "/no/such/folder"),
        (["verify", "x", "-o", "json=/"], "it is a folder"),
        (["verify", "x", "--model", "/no/such/model"], "/no/such/model"),
        (["verify", "x", "--only", "RAY01"], "did you mean RAY001?"),
        (["verify", "x", "--only", ","], "no check selected"),
        (["verify", "x", "--skip", "RAY001", "--require", "RAY001"], "RAY001"),
        (["verify", "x", "--evidence", "y"], "--evidence"),
        (["verify", "--evidence", "-", "--wait", "5s"], "--wait"),
        (["collect"], "TARGET"),
        (["collect", "x", "-f", "/no/such/folder/a.json"], "/no/such/folder"),
        (["explain"], "ID"),
        (["explain", "ray01"], "did you mean RAY001?"),
        (["schema", "reprt"], "did you mean report?"),
        (["lab"], "ommand"),
        (["lab", "run", "replicatd"], "did you mean replicated?"),
        (["lab", "run", "replicated", "--", "no-such-program"], "no-such-program"),
        (["lab", "check", "nothing-at-all"], "nothing-at-all"),
        (["logs", "/no/such/file.log"], "/no/such/file.log"),
        (["ray", "not an address"], "not an address"),
    ],
)
def test_a_word_that_does_not_fit_is_one_line_and_exit_code_2(
    distcheck: Run, words: list[str], named: str
) -> None:
    done = distcheck(*words)
    assert done.returncode == 2, done.stderr.decode()
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("distcheck: ")
    assert named in line


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """A kubeconfig whose server is a closed port."""
    config = tmp_path / "kubeconfig"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n"
    )
    return str(config)


def test_a_cluster_that_nobody_answers_for_is_unknown(distcheck: Run, nobody: str) -> None:
    done = distcheck("verify", "vllm-head-0", "--kubeconfig", nobody)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert b"cannot reach the API server at http://127.0.0.1:9" in done.stderr


def test_a_cluster_that_nobody_answers_for_is_a_report_for_pipelines(
    distcheck: Run, nobody: str
) -> None:
    done = distcheck("verify", "vllm-head-0", "--kubeconfig", nobody, "-o", "json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["verdict"] == "unknown"


@pytest.mark.parametrize(
    ("options", "code"), [(["--inconclusive", "fail"], 1), (["--wait", "1s"], 4)]
)
def test_an_unreachable_cluster_ends_as_any_unknown_does(
    distcheck: Run, nobody: str, options: list[str], code: int
) -> None:
    done = distcheck("verify", "vllm-head-0", "--kubeconfig", nobody, *options)
    assert done.returncode == code


def test_a_full_disk_is_no_bug_of_ours() -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "distcheck", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr == b"distcheck: standard output: No space left on device\n"


def test_a_kubeconfig_that_is_not_there_is_a_configuration_error(distcheck: Run) -> None:
    done = distcheck("verify", "vllm-head-0", "--kubeconfig", "/no/such/kubeconfig")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_lint_of_plain_words_imports_only_what_it_needs() -> None:
    """Typer alone would double the time of a pre-commit hook."""
    code = (
        "import sys, json\nfrom distcheck.agent.cli.app import main\n"
        "main(['lint', 'tests/lint/manifests/healthy'])\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    modules = set(json.loads(done.stderr.splitlines()[-1]))
    unwanted = {"typer", "pydantic", "kubernetes", "distcheck.checks.judging", "tempfile"}
    assert not modules & (unwanted | {"distcheck.agent.cluster.api", "importlib.metadata"})
