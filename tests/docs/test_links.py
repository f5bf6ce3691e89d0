"""Every link of the documents leads somewhere: files, and headings of pages."""

import re
from pathlib import Path

import pytest
from tools.doc_blocks import ROOT, pages, prose

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
_GONE = re.compile(r"[^\w\- ]")


def anchors(page: Path) -> set[str]:
    """The fragments that GitHub gives the headings of a page."""
    text = page.read_text(encoding="utf-8")
    found: set[str] = set(_ANCHOR.findall(text))
    for heading in _HEADING.findall(prose(text)):
        slug = _GONE.sub("", re.sub(r"\]\([^)]*\)", "", heading).lower()).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def dead(page: Path, target: str) -> str:
    """Why a link of `page` leads nowhere; empty where it leads somewhere, or off these pages."""
    if target.startswith(("http://", "https://", "mailto:")):
        return ""
    name, _, fragment = target.partition("#")
    file = (page.parent / name).resolve() if name else page
    if not file.exists() or not file.is_relative_to(ROOT):
        return f"there is no {name}"
    if fragment and (file.suffix != ".md" or fragment not in anchors(file)):
        return f"{name or page.name} has no heading #{fragment}"
    return ""


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file of this repository, and to a heading that is there."""
    links = _LINK.findall(prose(page.read_text(encoding="utf-8")))
    assert [f"{x}: {why}" for x in links if (why := dead(page, x))] == []


def test_every_page_is_reached_from_the_index() -> None:
    """Nobody finds a page that no page leads to."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = _LINK.findall(prose(page.read_text(encoding="utf-8")))
        waiting += [
            (page.parent / x.partition("#")[0]).resolve() for x in links if not x.startswith("http")
        ]
    lost = {p for p in pages() if p not in seen and "decisions" not in p.parts}
    assert {str(p.relative_to(ROOT)) for p in lost} == set()


def test_a_link_that_leads_nowhere_is_found() -> None:
    """The test above can fail."""
    index = ROOT / "docs" / "README.md"
    assert dead(index, "nowhere.md") == "there is no nowhere.md"
    assert dead(index, "tutorial.md#no-such-heading")
    assert dead(index, "tutorial.md#1-start") == ""
