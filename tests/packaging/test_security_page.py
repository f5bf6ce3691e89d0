"""docs/security.md: every file that it rests a claim on is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()


def test_every_file_that_it_names_exists() -> None:
    paths = set(re.findall(r"`((?:src|tests|deploy|\.github)/[^`\s]+|Dockerfile)`", PAGE))
    assert len(paths) > 20
    assert sorted(p for p in paths if not (ROOT / p).exists()) == []


def test_the_ports_that_it_names_are_those_of_the_code() -> None:
    agent = (ROOT / "src/distcheck/agent/settings.py").read_text()
    assert "127.0.0.1:9411" in agent
    assert ":9410" in agent
    assert {"9410", "9411", "9412"} <= set(re.findall(r"\b94\d\d\b", PAGE))
