"""Each rule finds its own `Fails`, is silent on its `Passes`, and unsure on its `Unsure`."""

import pytest
from tests.lint.judge import found, judged

from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules

RULES = [pytest.param(r, id=r.id) for r in rules()]
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
    findings = found(rule.page.unsure, rule.id)
    assert all(f.level == "hint" for f in findings)


@pytest.mark.parametrize("rule", RULES)
def test_no_passing_example_is_an_error_by_another_rule(rule: Rule) -> None:
    errors = [f for f in judged(rule.page.passes).findings if f.level == "error"]
    assert [(f.id, f.says) for f in errors] == []
