"""The machinery of the law, on checks made for the purpose."""

import pytest

from distcheck.checks.check import Body, Check, check
from distcheck.checks.evidence import Cite, Evidence, Intent, Missing, Target
from distcheck.checks.facts.fact import Fact
from distcheck.checks.findings import group_verdict
from distcheck.checks.judging import judge
from distcheck.checks.report import Finding
from distcheck.checks.verdict import Outcome, Verdict, failed, passed, warned, worst

DOC = """A claim.

Proves:
    Something.

Causes:
    broken: It broke.

Remedy:
    Mend it.
"""
CITE = Cite("seen", "here:1")
NOTHING = Evidence("0", "2026-01-01T00:00:00Z", Target("llm", "pod", "x"), Intent(), (), ())


class Whole(Fact, frozen=True):
    """A fact that is always there."""

    @classmethod
    def fold(cls, evidence: Evidence) -> "Whole | Missing":
        return cls()


class Half(Fact, frozen=True):
    """A fact with a gap."""

    @classmethod
    def fold(cls, evidence: Evidence) -> "Half | Missing":
        return cls(gaps=("vllm-worker-0 was not seen",))


class Gone(Fact, frozen=True):
    """A fact that nobody could see."""

    @classmethod
    def fold(cls, evidence: Evidence) -> "Gone | Missing":
        return Missing("no agent on gpu-b")


def _check(body: Body) -> Check:
    """Declare `body` as a check with a docstring that fulfils the contract."""
    body.__doc__ = DOC
    return check("TEST001")(body)


def test_a_definite_verdict_that_cites_nothing_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="must cite"):
        passed("fine", [])
    with pytest.raises(ValueError, match="must cite"):
        warned("hm", None, [])
    with pytest.raises(ValueError, match="must cite"):
        failed("bad", None, [])


def test_a_pass_on_a_fact_with_gaps_becomes_unknown_and_names_them() -> None:
    def body(half: Half) -> Verdict:
        return passed("fine", [CITE])

    verdict = _check(body).judge_evidence(NOTHING)
    assert verdict.outcome == "unknown"
    assert "vllm-worker-0 was not seen" in verdict.says


def test_a_fail_on_a_fact_with_gaps_stays_a_fail() -> None:
    def body(half: Half) -> Verdict:
        return failed("bad", "broken", [CITE])

    assert _check(body).judge_evidence(NOTHING).outcome == "fail"


def test_a_missing_need_is_unknown_with_its_reason_and_the_body_is_not_asked() -> None:
    def body(gone: Gone) -> Verdict:
        raise AssertionError("asked")

    verdict = _check(body).judge_evidence(NOTHING)
    assert (verdict.outcome, verdict.says) == ("unknown", "no agent on gpu-b")


def test_an_optional_need_reaches_the_body_as_missing() -> None:
    def body(whole: Whole, gone: Gone | Missing) -> Verdict:
        assert isinstance(gone, Missing)
        return passed("fine", [CITE])

    assert _check(body).judge_evidence(NOTHING).outcome == "pass"


def test_a_cause_that_the_page_does_not_explain_is_refused() -> None:
    def body(whole: Whole) -> Verdict:
        return failed("bad", "mystery", [CITE])

    with pytest.raises(ValueError, match="mystery"):
        _check(body).judge_evidence(NOTHING)


def test_a_body_that_raises_is_our_bug_and_unknown_never_a_pass() -> None:
    def body(whole: Whole) -> Verdict:
        raise KeyError("oops")

    judged = judge(NOTHING, [_check(body)])
    assert judged.report.verdict == "unknown"
    assert "KeyError" in judged.bugs[0]


class Broken(Fact, frozen=True):
    """A fact whose fold has a bug."""

    @classmethod
    def fold(cls, evidence: Evidence) -> "Broken | Missing":
        raise IndexError("oops")


def test_a_fold_that_raises_is_our_bug_and_unknown_and_other_checks_are_judged() -> None:
    def broken(fact: Broken) -> Verdict:
        raise AssertionError("asked")

    def whole(fact: Whole) -> Verdict:
        return passed("fine", [CITE])

    judged = judge(NOTHING, [_check(broken), _check(whole)])
    assert judged.report.verdict == "unknown"
    assert [f.outcome for f in judged.report.checks] == ["unknown", "pass"]
    assert "internal error in Broken: IndexError: oops" in judged.report.checks[0].says
    assert len(judged.bugs) == 1
    assert "IndexError" in judged.bugs[0]


def test_a_docstring_without_its_sections_is_refused() -> None:
    def body(whole: Whole) -> Verdict:
        """Only a title."""
        return passed("fine", [CITE])

    with pytest.raises(TypeError, match="sections"):
        check("TEST001")(body)


def test_an_annotation_that_is_no_fact_is_refused() -> None:
    def body(number: int) -> Verdict:
        return passed("fine", [CITE])

    with pytest.raises(TypeError, match="must be a fact"):
        _check(body)


def test_no_check_at_all_is_an_error_not_a_pass() -> None:
    with pytest.raises(ValueError, match="no check selected"):
        judge(NOTHING, [])


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (["pass", "warn", "unknown", "fail"], "fail"),
        (["pass", "warn", "unknown"], "unknown"),
        (["pass", "warn"], "warn"),
        (["pass", "skipped"], "pass"),
        (["skipped"], "unknown"),
        ([], "unknown"),
    ],
)
def test_the_order_is_fail_unknown_warn_pass(outcomes: list[Outcome], verdict: Outcome) -> None:
    assert worst(outcomes) == verdict


def _finding(outcome: Outcome, *, core: bool) -> Finding:
    return Finding("TEST001", "A claim", outcome, core, "says", None, (), (CITE,), "")


def test_an_undecided_supporting_check_leaves_the_verdict_alone() -> None:
    both = [_finding("pass", core=True), _finding("unknown", core=False)]
    assert group_verdict(both) == "pass"


def test_a_failing_supporting_check_counts() -> None:
    both = [_finding("pass", core=True), _finding("fail", core=False)]
    assert group_verdict(both) == "fail"


def test_a_report_in_which_nothing_passed_is_no_pass() -> None:
    assert group_verdict([_finding("skipped", core=True)]) == "unknown"
    assert group_verdict([_finding("warn", core=True)]) == "unknown"
    assert group_verdict([_finding("pass", core=False)]) == "unknown"


def test_a_remedy_of_a_cause_that_the_page_lacks_is_refused() -> None:
    def body(whole: Whole) -> Verdict:
        return passed("fine", [CITE])

    body.__doc__ = DOC
    with pytest.raises(TypeError, match="which its page lacks"):
        check("TEST001", remedies={"burnt": "Cool it."})(body)
    assert check("TEST001", remedies={"broken": "Glue it."})(body).page.remedy_of("broken") == (
        "Glue it."
    )
