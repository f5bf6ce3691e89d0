"""Each rule finds its own `Fails`, is silent on its `Passes`, and unsure on its `Unsure`."""

import re

import pytest
from tests.lint.judge import found, judged

from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules

RULES = [pytest.param(r, id=r.id) for r in rules()]
NAMED = re.compile(
    r"https://|\w/\w|\w\.(?:md|py|cc|go|yaml|rst|proto|sh)\b|Kubernetes: [A-Z]|YAML 1\.2, \d"
)
MILD = frozenset({"CONF060"})
"""Hints of these need no reason: the example has what the rule asks for, and it seldom matters."""
UNSURE = [pytest.param(r, id=r.id) for r in rules() if r.page.unsure]


@pytest.mark.parametrize("rule", RULES)
def test_its_failing_example_fails_at_its_level(rule: Rule) -> None:
    findings = found(rule.page.fails, rule.id)
    assert [f.id for f in findings] == [rule.id] * len(findings)
    assert findings
    assert rule.level in {f.level for f in findings}


@pytest.mark.parametrize("rule", RULES)
def test_its_passing_example_passes(rule: Rule) -> None:
    report = judged(rule.page.passes, only=rule.id)
    assert report.judged
    assert not report.not_judged
    assert [f.says for f in report.findings] == []


@pytest.mark.parametrize("rule", UNSURE)
def test_it_is_no_more_than_a_hint_where_it_cannot_know(rule: Rule) -> None:
    report = judged(rule.page.unsure, only=rule.id)
    assert report.judged or report.not_judged, "no rule looks at what serves no model"
    assert not any(n.unreadable for n in report.not_judged)
    assert [f.says for f in report.findings if f.level != "hint"] == []
    assert [f.says for f in report.findings if not f.unseen and rule.id not in MILD] == []


@pytest.mark.parametrize("rule", RULES)
def test_each_has_a_page_that_says_why_it_is_sure_where_nothing_is_unsure(rule: Rule) -> None:
    page = rule.page
    assert bool(page.unsure) != bool(page.certain)
    told = (page.what, page.why, page.fix, page.source, page.certain or page.unsure)
    assert [t for t in told if len(t) < 12] == []
    assert NAMED.search(page.source), f"{page.source!r} names no page and no file"


@pytest.mark.parametrize("rule", RULES)
def test_no_passing_example_is_an_error_by_another_rule(rule: Rule) -> None:
    errors = [f for f in judged(rule.page.passes).findings if f.level == "error"]
    assert [(f.id, f.says) for f in errors] == []
