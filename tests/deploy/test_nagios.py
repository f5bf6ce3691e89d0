"""The plugin for Nagios ends with Nagios's codes, whatever distcheck's own are."""

import subprocess
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY

PLUGIN = DEPLOY / "nagios" / "check_distcheck"


def plugin(tmp_path: Path, says: str, code: int) -> subprocess.CompletedProcess[str]:
    """The plugin beside a `distcheck` that says this and ends so; its arguments come first."""
    stand_in = tmp_path / "distcheck"
    stand_in.write_text(
        f"#!/bin/sh\necho \"$*\" > {tmp_path}/asked\nprintf '{says}'\nexit {code}\n"
    )
    stand_in.chmod(0o755)
    return subprocess.run(
        [str(PLUGIN), "lws/vllm", "-n", "llm"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("says", "code", "state"),
    [
        ("DISTCHECK OK - llm/vllm: all is well | pass=1", 0, 0),
        ("DISTCHECK WARNING - llm/vllm: small | warn=1", 0, 1),
        ("DISTCHECK CRITICAL - llm/vllm: sockets | fail=1", 1, 2),
        ("DISTCHECK UNKNOWN - llm/vllm: no log | unknown=1", 3, 3),
        ("DISTCHECK UNKNOWN - llm/vllm: no log | unknown=1", 0, 3),
        ("DISTCHECK CRITICAL - llm/vllm: waited | fail=1", 4, 2),
        ("DISTCHECK OK - llm/vllm: but a check broke | pass=1", 70, 3),
        ("", 2, 3),
        ("", 127, 3),
    ],
)
def test_the_exit_code_is_nagioss(tmp_path: Path, says: str, code: int, state: int) -> None:
    done = plugin(tmp_path, says, code)
    assert done.returncode == state
    told = says or f"DISTCHECK UNKNOWN - distcheck verify ended with code {code} and no verdict"
    assert done.stdout == f"{told}\n"
    asked = (tmp_path / "asked").read_text()
    assert asked == "verify lws/vllm -n llm --quiet --output nagios\n"
