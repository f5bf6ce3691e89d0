"""The wheels that the locks name, fetched once and kept in `build/`: pip checks their hashes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-build.lock")
_KEPT = ROOT / "build" / "wheels"


def wheels() -> Path:
    """A folder with a wheel for each row of LOCKS that this machine's Python takes."""
    kept = "\n".join(lock.read_text() for lock in LOCKS)
    told = _KEPT / "locks"
    if not told.exists() or told.read_text() != kept:
        words = ["download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
        rows = [word for lock in LOCKS for word in ("-r", str(lock))]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, *words, "--dest", str(_KEPT), *rows], check=True)
        told.write_text(kept)
    return _KEPT
