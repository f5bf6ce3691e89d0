"""Where labelled public logs are kept beside the repository, and what to do without them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

CORPUS = Path(__file__).parents[2] / "../shared/corpus/nccl"


def labels() -> list[Path]:
    """Label files, or one skipped parameter; in CI their absence is an error."""
    found = sorted(CORPUS.glob("*.json"))
    if not found and os.environ.get("CI") == "true":
        raise FileNotFoundError(f"CI needs the labelled logs in {CORPUS}")
    return found


def expected(label: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(label.read_text())["expected"]
    return found


def need(found: list[Path]) -> None:
    if not found:
        pytest.skip(f"no labelled logs in {CORPUS}")
