"""The text report: right at any width, and never a way to drive a terminal."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Cite
from distcheck.checks.judging import judge
from distcheck.checks.on_paper import SILENCED
from distcheck.checks.report import Finding, Report, ReportPod, ReportTarget
from distcheck.checks.verdict import OUTCOMES
from distcheck.exporters.formats import Page
from distcheck.exporters.html import render as render_html
from distcheck.exporters.markdown import render as render_markdown
from distcheck.exporters.text import render_text
from distcheck.exporters.typography import Ink, columns, no_command, shorten, visible, wrap

SGR = re.compile(r"\x1b\[[\d;]*m")
HOSTILE = st.text(max_size=80) | st.sampled_from(
    [
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "a\rb",
        "\u202eevil",
        "line\nbreak",
        "\x9b2J",
        "\ud800",
        "模型" * 40,
        "x" * 300,
        "",
    ]
)
CITES = st.lists(st.builds(Cite, HOSTILE, HOSTILE), min_size=0, max_size=9).map(tuple)
FINDINGS = st.builds(
    Finding,
    st.from_regex(r"[A-Z]{2,6}[0-9]{3}", fullmatch=True),
    HOSTILE,
    st.sampled_from(OUTCOMES),
    st.booleans(),
    HOSTILE,
    st.none() | HOSTILE,
    st.lists(HOSTILE, max_size=20).map(tuple),
    CITES,
    HOSTILE,
)


@st.composite
def hostile_reports(draw: Any) -> Report:
    """Any outcome, with text from a log or a name that means harm."""
    report = judge(healthy(), catalog()[:1]).report
    pods = draw(st.lists(st.builds(ReportPod, HOSTILE, HOSTILE, st.just("worker"), st.just(8))))
    return structs.replace(
        report,
        target=ReportTarget(
            draw(HOSTILE), draw(HOSTILE), draw(HOSTILE), tuple(pods), draw(HOSTILE)
        ),
        verdict=draw(st.sampled_from(OUTCOMES)),
        summary=draw(HOSTILE),
        checks=tuple(draw(st.lists(FINDINGS, max_size=6))),
        notes=tuple(draw(st.lists(HOSTILE, max_size=2))),
    )


@given(hostile_reports(), st.sampled_from([60, 80, 120, 200]), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_control_character_and_no_line_beyond_the_width(
    report: Report, width: int, colour: bool, unicode: bool
) -> None:
    text = render_text(report, width, colour, unicode=unicode)
    bare = SGR.sub("", text) if colour else text
    assert all(c.isprintable() or c == "\n" for c in bare)
    assert unicode or bare.isascii()
    for line in bare.splitlines():
        words = line.split()
        assert columns(line) <= width or any(columns(w) > width - 20 for w in words), line


def test_the_verdict_comes_first_and_every_check_is_named() -> None:
    report = judge(healthy(), catalog()).report
    text = render_text(report)
    assert text.lstrip().startswith(report.verdict.upper())
    assert all(f.id in text for f in report.checks)


def test_a_wide_page_shows_what_a_pass_rests_on() -> None:
    report = judge(healthy(), catalog()).report
    text = render_text(report, 200)
    shown = [f for f in report.checks if f.outcome == "pass" and f.cites[0].source in text]
    assert shown


@pytest.mark.parametrize("width", [60, 80, 200])
def test_what_limits_a_pass_is_never_cut(width: int) -> None:
    limits = "two copies of the model, as DP=2 asks; allowed for: CPU offload of up to 2 GiB, "
    limits += "LoRA adapters, a draft model /models/Llama-3.1-70B-EAGLE3/config.json, sleep mode"
    report = judge(healthy(), catalog()[:1]).report
    says = f"16 of 16 GPUs hold 16.46 GiB of weights, 1/8 of the model, as TP=8 should; {limits}"
    finding = structs.replace(report.checks[0], outcome="pass", says=says, cites=())
    text = render_text(structs.replace(report, checks=(finding,)), width)
    assert limits in " ".join(text.split())
    assert all(columns(line) <= width for line in text.splitlines())


def test_a_long_pass_is_told_whole() -> None:
    report = judge(healthy(), catalog()[:1]).report
    finding = structs.replace(report.checks[0], outcome="pass", says="all ranks " * 20)
    text = render_text(structs.replace(report, checks=(finding,)))
    assert " ".join(text.split()).count("all ranks") == 20


@pytest.mark.parametrize(
    ("verdict", "heading"),
    [
        ("fail", "Failed"),
        ("warn", "Warnings"),
        ("unknown", "Unknown"),
        ("skipped", "Does not apply"),
    ],
)
def test_every_outcome_has_its_section(verdict: str, heading: str) -> None:
    report = judge(healthy(), catalog()[:1]).report
    finding = structs.replace(report.checks[0], outcome=verdict, core=True)
    assert f"  {heading}\n" in render_text(structs.replace(report, checks=(finding,)))


def test_what_an_annotation_silences_has_a_section_of_its_own() -> None:
    report = judge(healthy(), catalog()[:2]).report
    says = (f"{SILENCED}: a test cluster", "nothing here starts Ray")
    found = zip(report.checks, says, strict=True)
    checks = tuple(structs.replace(f, outcome="skipped", says=s) for f, s in found)
    told = render_text(structs.replace(report, checks=checks))
    _, hushed, aside = re.split(r"  (?:Silenced|Does not apply)\n", told)
    assert ("a test cluster" in hushed, "starts Ray" in hushed) == (True, False)
    assert ("a test cluster" in aside, "starts Ray" in aside) == (False, True)
    for other in (render_markdown, render_html):
        page = other((structs.replace(report, checks=checks),), Page())
        assert page.index("Silenced") < page.index("a test cluster") < page.index("Does not apply")


@given(st.sampled_from(["", " ", "\t", "x"]), st.text(":#[] a", max_size=9))
def test_no_line_is_a_command_to_a_runner(front: str, text: str) -> None:
    told = no_command(f"{front}::{text}")
    assert not told.lstrip().startswith("::")
    assert "##[" not in told


def test_colour_changes_nothing_but_colour() -> None:
    report = judge(healthy(), catalog()).report
    assert SGR.sub("", render_text(report, 80, colour=True)) == render_text(report, 80)


@given(st.text())
def test_what_is_made_visible_prints(text: str) -> None:
    assert visible(text).isprintable()


@given(st.text(alphabet="ab 模", max_size=200), st.integers(4, 40))
def test_wrapping_loses_no_word(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert " ".join(lines).split() == text.split()
    assert all(columns(line) <= width or " " not in line for line in lines)


@given(st.text(alphabet="ab 模,", max_size=60), st.integers(4, 40))
def test_shortened_text_fits(text: str, width: int) -> None:
    assert columns(shorten(text, width, "...")) <= width


def test_without_colour_paint_is_nothing() -> None:
    assert Ink().paint("text", "bold", "red") == "text"
