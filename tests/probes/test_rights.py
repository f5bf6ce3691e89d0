"""A right that the agent lacks is named, with what stays unseen for it."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distcheck.agent import rights
from distcheck.agent.rights import ENTERING, granted, why_refused

REFUSED = OSError(errno.EACCES, "Permission denied")
UNPRIVILEGED = """
import os, sys
from distcheck.agent.probes.container_files import Container
os.setgid(65534); os.setuid(65534)
try:
    Container("/proc", int(sys.argv[1])).names("/")
except Exception as error:
    print(type(error).__name__, error)
"""


def _status(tmp_path: Path, bits: int) -> Path:
    path = tmp_path / "status"
    path.write_text(f"Name:\tx\nCapEff:\t{bits:016x}\nCapBnd:\t0\n")
    return path


def test_capabilities_are_read_from_the_kernels_bits(tmp_path: Path) -> None:
    assert granted(_status(tmp_path, 1 << 19 | 1 << 2)) == {"SYS_PTRACE", "DAC_READ_SEARCH"}
    assert granted(_status(tmp_path, 0)) == frozenset()
    assert granted(tmp_path / "none") == {"SYS_PTRACE", "DAC_READ_SEARCH", "SYS_ADMIN"}


@pytest.mark.parametrize(
    ("have", "needs", "says"),
    [
        (set(), rights.READING, "SYS_PTRACE and DAC_READ_SEARCH are not granted"),
        ({"DAC_READ_SEARCH"}, rights.READING, "SYS_PTRACE is not granted to the agent: files"),
        (set(rights.READING), ENTERING, "SYS_ADMIN is not granted to the agent: files"),
        (set(ENTERING), ENTERING, "files cannot be seen: Permission denied, though the agent has"),
    ],
)
def test_the_right_that_is_missing_is_named(
    have: set[str], needs: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "granted", lambda: frozenset(have))
    assert says in str(why_refused(REFUSED, "files", needs))


def test_another_error_is_no_missing_right() -> None:
    assert why_refused(FileNotFoundError(errno.ENOENT, "gone"), "files") is None


def test_a_process_of_another_user_is_refused_for_real_and_the_right_is_named() -> None:
    if os.geteuid():
        assert not os.environ.get("CI"), "CI runs as root"
        pytest.skip("needs root, to become another user")
    words = [sys.executable, "-c", UNPRIVILEGED, str(os.getpid())]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    said = "SYS_PTRACE and DAC_READ_SEARCH are not granted to the agent: files of containers"
    assert f"ProbeError {said} cannot be seen" in done.stdout, done.stderr
