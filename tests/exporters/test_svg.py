"""The picture of a terminal needs no other file."""

import importlib.util
import re
import xml.dom.minidom
from pathlib import Path
from types import ModuleType

import pytest
from tests.evidence_builder import healthy

from distcheck.checks.catalog import catalog
from distcheck.checks.judging import judge
from distcheck.exporters.text import render_text


@pytest.fixture
def tool() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "svg.py"
    spec = importlib.util.spec_from_file_location("svg_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_whole_by_itself_and_holds_every_word(tool: ModuleType) -> None:
    text = render_text(judge(healthy(), catalog()).report, 100, colour=True)
    picture = tool.svg("distcheck verify vllm-head-0", text)
    xml.dom.minidom.parseString(picture)
    assert re.findall(r"https?://[^\"']+", picture) == ["http://www.w3.org/2000/svg"]
    assert "@font-face" not in picture
    assert "\x1b" not in picture
    assert all(c.id in picture for c in catalog())
