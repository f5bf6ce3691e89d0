"""The report as one HTML file: whole, safe, and readable at two widths in a real browser."""

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec import structs
from tests.evidence_builder import change_looks, healthy, without_look

from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Missing
from distcheck.checks.group_map import GroupMap
from distcheck.checks.judging import judge
from distcheck.checks.report import Report
from distcheck.exporters.formats import Page, render

HEALTHY = judge(healthy(), catalog()).report
HALF = judge(without_look(healthy(), "vllm-worker-0"), catalog()).report
_EMPTY = {"meta", "br", "path", "circle", "link"}


class Tags(HTMLParser):
    """Opens and closes, and every attribute that could load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.seen: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what has to be closed."""
        self.seen.append(tag)
        self.loads += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "data")]
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """The last one that is open."""
        if tag not in _EMPTY:
            assert self.open.pop() == tag


def shown(*reports: object) -> str:
    """The document."""
    return render("html", list(reports), Page())  # type: ignore[arg-type]


def test_the_document_is_well_formed_and_loads_nothing() -> None:
    """No script, no network: it can be attached to a ticket."""
    text = shown(HEALTHY, HALF)
    tags = Tags(text)
    assert tags.open == []
    assert tags.loads == []
    assert "script" not in tags.seen
    assert "url(" not in text
    assert "@import" not in text


def test_text_of_others_is_text() -> None:
    """A log cannot write into the page."""
    bad = structs.replace(HEALTHY, summary="<script>alert(1)</script>\x1b[31m", notes=("<b>",))
    text = shown(bad)
    assert "<script>" not in text
    assert "&lt;b&gt;" in text
    assert "\x1b" not in text


def test_every_gpu_is_a_tile_with_its_share_of_the_weights() -> None:
    """Sixteen of them, a sixteenth each."""
    text = shown(HEALTHY)
    assert text.count('class="gpu rank"') == 16
    assert text.count("<span>1/16</span>") == 16


def test_a_pod_whose_gpus_were_not_seen_says_why() -> None:
    """Not seen is not empty."""
    text = shown(HALF)
    assert text.count('class="gpu rank"') == 8
    assert "not seen: nobody looked at node gpu-1" in text


def test_links_between_pods_have_the_kind_of_their_worst_transport() -> None:
    """Both directions, with GPUDirect."""
    seen = HEALTHY.map
    assert isinstance(seen, GroupMap)
    assert {(link.source, link.target) for link in seen.links} == {
        ("vllm-head-0", "vllm-worker-0"),
        ("vllm-worker-0", "vllm-head-0"),
    }
    assert {link.kind for link in seen.links} == {"rdma"}
    assert shown(HEALTHY).count('<path class="rdma"') == 2


def test_without_any_look_there_is_no_map() -> None:
    """Nothing was seen, and nothing is drawn."""
    gone = Missing("not seen")
    bare = change_looks(healthy(), lambda look: structs.replace(look, nccl=gone, vllm=gone))
    empty = structs.replace(judge(bare, catalog()).report, map=None)
    assert 'class="map"' not in shown(empty)


@pytest.mark.parametrize("width", [360, 1100])
def test_nothing_is_wider_than_the_window(width: int, tmp_path: Path) -> None:
    """In headless Chromium, on a phone and on a desk."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        assert not os.environ.get("CI"), "CI installs chromium"
        pytest.skip("chromium is not installed")
    measure = (
        "<script>const d = document.documentElement; d.dataset.wide = "
        "Math.max(0, ...[...document.querySelectorAll('main *')].map("
        "e => Math.round(e.getBoundingClientRect().right)));</script>"
    )
    page = shown(HEALTHY, HALF).replace("</body>", f"{measure}</body>")
    page = page.replace('<html lang="en">', f'<html lang="en" style="width:{width}px">')
    (tmp_path / "page.html").write_text(page)
    assert _widest(browser, tmp_path / "page.html") <= width


def _widest(browser: str, page: Path) -> int:
    """The right edge of the element that goes furthest; no rule asks for the window's width."""
    command = [
        browser,
        *("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'user'}"),
        *("--window-size=1200,900", "--virtual-time-budget=2000", "--dump-dom"),
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    found = re.search(r'data-wide="(\d+)"', done.stdout)
    assert found, done.stdout[:400]
    return int(found[1])


def many_pods() -> Report:
    """Sixteen pods with names as long as they are in production, and a failed check."""
    pods = [f"deepseek-r1-multinode-prefill-0-{n}" for n in range(16)]
    assert HEALTHY.map is not None
    one, link = HEALTHY.map.gpus[0], HEALTHY.map.links[0]
    seen = GroupMap(
        gpus=tuple(structs.replace(one, pod=pod) for pod in pods),
        links=tuple(structs.replace(link, source=pods[0], target=pod) for pod in pods[:0:-1]),
    )
    bad = structs.replace(HEALTHY.checks[0], outcome="fail")
    return structs.replace(HEALTHY, map=seen, checks=(bad,))


def test_of_many_pods_a_label_shows_what_differs_and_its_title_the_whole_name() -> None:
    """Sixteen long names would lie over each other."""
    text = shown(many_pods())
    assert ">…15<title>deepseek-r1-multinode-prefill-0-15</title>" in text
    assert ">…0<title>" in text


def test_in_a_large_group_what_failed_stands_before_the_cards_of_all_pods() -> None:
    """In a small one the picture comes first: it is what failed, seen."""
    large, small = shown(many_pods()), shown(structs.replace(many_pods(), map=HEALTHY.map))
    assert large.index("<h2>Failed</h2>") < large.index("<h2>The group</h2>")
    assert small.index("<h2>The group</h2>") < small.index("<h2>Failed</h2>")


def test_the_picture_has_the_pods_in_the_order_of_their_cards() -> None:
    """Whatever order links were seen in: who is beside whom can be found again below."""
    labels = re.findall(r">…(\d+)<title>", shown(many_pods()))
    assert labels == [str(n) for n in range(16)]


def test_a_gpu_that_holds_too_much_says_what_was_asked_where_the_check_fails() -> None:
    asked = structs.replace(HEALTHY.intent, tp=64)
    wrong = tuple(structs.replace(f, outcome="fail") if f.id == "SHARD001" else f
                  for f in HEALTHY.checks)  # fmt: skip
    assert "<small>1/64 asked</small>" in shown(
        structs.replace(HEALTHY, intent=asked, checks=wrong)
    )
    assert "asked</small>" not in shown(structs.replace(HEALTHY, intent=asked))


def test_the_picture_of_the_group_has_a_key() -> None:
    assert "A tile is a GPU: its number" in shown(HEALTHY)


def test_the_nodes_of_the_group_are_named() -> None:
    group = re.search("<dt>Group</dt><dd>(.*?)</dd>", shown(HEALTHY))
    assert group is not None
    assert all(str(pod.node) in group[1] for pod in HEALTHY.target.pods)
