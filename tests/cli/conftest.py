import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.process import Done, Run
from tests.evidence_builder import healthy
from tests.warm import warm

from distcheck.checks.evidence import encode_evidence

_SCRUBBED = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "KUBECONFIG", "KUBERNETES_SERVICE_HOST")


@pytest.fixture
def distcheck(tmp_path: Path) -> Run:
    """Runs `distcheck WORDS...` as a process, with no settings of this machine."""

    def run(*words: str, stdin: bytes = b"", **environ: str) -> Done:
        scrubbed = {k: v for k, v in os.environ.items() if k not in _SCRUBBED}
        env = scrubbed | {"HOME": str(tmp_path)} | environ
        if not any(name.startswith("PYTHON") for name in environ):
            return warm().run(
                ["distcheck", *words], stdin=stdin, env=env, cwd=tmp_path, strict=True
            )
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "distcheck", *words],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
            env=env,
        )

    return run


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """A file with the evidence of a healthy group."""
    path = tmp_path / "healthy.json"
    path.write_bytes(encode_evidence(healthy()))
    return path


@pytest.fixture
def packed(evidence: Path) -> Path:
    """The same, compressed."""
    path = evidence.with_suffix(".json.gz")
    path.write_bytes(gzip.compress(evidence.read_bytes()))
    return path
