"""The workflows of GitHub Actions: pinned, with few rights, and calling what is there."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yaml"))


def steps(file: Path) -> list[dict[str, Any]]:
    whole = yaml.safe_load(file.read_text())
    return [step for job in whole["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_actions_are_named_by_their_commit_and_keep_no_token(file: Path) -> None:
    used = [step for step in steps(file) if "uses" in step]
    assert used
    for step in used:
        assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", step["uses"])
        assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_workflow_may_read_and_a_job_asks_for_more_by_name(file: Path) -> None:
    whole = yaml.safe_load(file.read_text())
    assert whole["permissions"] == {"contents": "read"}
    writing = {k for job in whole["jobs"].values() for k, v in job.get("permissions", {}).items()
               if v == "write"}  # fmt: skip
    assert writing == ({"contents", "packages"} if file.stem == "release" else set())
    assert "pull_request_target" not in file.read_text()


def test_what_they_call_is_there_and_no_input_of_others_is_run() -> None:
    scripts = [step["run"] for file in FILES for step in steps(file) if "run" in step]
    assert ".ci/run" in scripts
    for script in scripts:
        assert "${{" not in script
        for line in re.findall(r"^\s*make (.*)$", script, re.MULTILINE):
            done = subprocess.run(["make", "-n", *line.split()], cwd=ROOT, capture_output=True)  # noqa: PLW1510 - its code is the answer
            assert done.returncode == 0, done.stderr
        for chart in re.findall(r"helm package (\S+)", script):
            assert (ROOT / chart / "Chart.yaml").exists()


def test_the_release_builds_the_image_that_the_manifests_name() -> None:
    image = yaml.safe_load((ROOT / ".github/workflows/release.yaml").read_text())["env"]["IMAGE"]
    assert f"image: {image}:" in (ROOT / "deploy/daemonset.yaml").read_text()
