"""Pages as they should be, in files; `UPDATE_GOLDEN=1 pytest tests/metrics` writes them anew."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
VOLATILE = (
    "distcheck_build_info",
    "distcheck_probe_duration_seconds",
    "distcheck_last_look_timestamp_seconds",
    "distcheck_answered_timestamp_seconds",
)
"""Series whose values change with every run; that they are there is compared."""


def steady(text: str, volatile: Iterable[str] = VOLATILE) -> str:
    """The page with `...` in place of what changes with every run."""
    names = "|".join(volatile)
    return re.sub(rf"^((?:{names})(?:{{.*}})?) \S+$", r"\1 ...", text, flags=re.MULTILINE)


def compare(name: str, text: str) -> None:
    """Fails where the page is not as the file has it."""
    path, seen = FOLDER / name, steady(text)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(seen, encoding="utf-8")
    assert seen == path.read_text(encoding="utf-8")


def promtool(*words: str, text: str = "") -> tuple[int, str]:
    """The exit code of promtool and what it said; skips where there is none, except in CI."""
    found = shutil.which("promtool")
    if found is None:
        assert not os.environ.get("CI"), "CI installs promtool"
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(
        [found, *words], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr
