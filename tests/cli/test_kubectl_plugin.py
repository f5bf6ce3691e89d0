"""`kubectl distcheck ...`: the scripts of the package as kubectl finds and runs them."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.deploy.manifests import tool

from distcheck.agent.cli.app import COMMANDS
from distcheck.agent.cli.completion import answer
from distcheck.exporters.formats import FORMATS

SCRIPTS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
    "scripts"
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts as an installer writes them."""
    folder = tmp_path_factory.mktemp("bin")
    for name, target in SCRIPTS.items():
        module, function = target.split(":")
        script = folder / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\n"
            f"sys.exit({function}())\n"
        )
        script.chmod(0o755)
    return folder


def kubectl(installed: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"PATH": f"{installed}:{os.environ['PATH']}", "KUBECONFIG": os.devnull}
    return subprocess.run(
        [tool("kubectl"), *words], capture_output=True, text=True, check=False, env=env, timeout=60
    )


def test_kubectl_lists_it_as_a_plugin(installed: Path) -> None:
    done = kubectl(installed, "plugin", "list")
    listed = [line for line in done.stdout.splitlines() if str(installed) in line]
    assert listed == [f"{installed}/kubectl-distcheck"]
    assert "distcheck" not in done.stderr


def test_its_help_says_how_it_was_called(installed: Path) -> None:
    done = kubectl(installed, "distcheck", "--help")
    assert done.returncode == 0
    assert "Usage: kubectl distcheck COMMAND" in done.stdout
    of_verify = kubectl(installed, "distcheck", "verify", "--help").stdout
    assert "Usage: kubectl distcheck verify " in of_verify


def test_options_and_exit_codes_pass_through_kubectl(installed: Path) -> None:
    refused = kubectl(installed, "distcheck", "verify", "vllm-0", "-n", "llm", "--no-such")
    assert refused.returncode == 2
    assert refused.stderr.startswith("distcheck: verify: no such option: --no-such")


def test_tab_offers_commands_then_options_formats_and_files() -> None:
    first = answer([""]).splitlines()
    assert [row.split("\t")[0] for row in first[:-1]] == list(COMMANDS)
    assert answer(["ver"]) == f"verify\t{COMMANDS['verify'][1]}\n:4\n"
    options = [row.split("\t")[0] for row in answer(["verify", "vllm-0", "--n"]).splitlines()]
    assert {"--namespace", "--no-agents"} <= set(options)
    formats = answer(["verify", "-o", ""]).splitlines()[:-1]
    assert [row.strip() for row in formats] == list(FORMATS)
    assert answer(["logs", "worker"]) == ":0\n"
    assert answer(["nonsense", "--"]) == ":0\n"


def test_kubectl_s_own_completion_asks_it(installed: Path) -> None:
    done = kubectl(installed, "__complete", "distcheck", "expl")
    assert done.stdout.splitlines()[0] == f"explain\t{COMMANDS['explain'][1]}"
