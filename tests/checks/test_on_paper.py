"""Rules for manifests in a report: what they found, how it counts, and how they are named."""

import pytest
from msgspec import structs
from tests.evidence_builder import healthy, name_of, without_look

from distcheck.agent.cli.exit import Stop
from distcheck.agent.cli.select import select
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Evidence, Missing, decode_evidence, encode_evidence
from distcheck.checks.evidence.manifests import ManifestFinding, Manifests
from distcheck.checks.on_paper import OnPaper
from distcheck.checks.on_paper import on_paper as tell
from distcheck.checks.report import Report, judge

ERROR = ManifestFinding("CONF025", "error", "T", "it waits for itself", "wait less", "sts/vllm a")
WARNING = ManifestFinding("CONF075", "warning", "T", "no version", "name one", "sts/vllm image")
HINT = ManifestFinding("CONF062", "hint", "T", "no bound", "set one", "sts/vllm b")
UNSURE = structs.replace(ERROR, level="hint", unseen="the Secret")
RULES = ("CONF060", *(one.id for one in (ERROR, WARNING, HINT)))


def with_findings(evidence: Evidence, *found: ManifestFinding) -> Evidence:
    return structs.replace(evidence, manifests=Manifests(("sts/vllm",), RULES, found))


def undecided() -> Evidence:
    return without_look(healthy(), name_of(0))


def on_paper(report: Report) -> dict[str, str]:
    return {f.id: f.outcome for f in report.checks if f.id.startswith("CONF")}


def told(evidence: Evidence, rules: OnPaper = OnPaper()) -> Report:  # noqa: B008 - frozen
    return judge(evidence, catalog(), (), rules=rules).report


def test_an_error_on_paper_decides_where_nothing_shows_that_the_group_is_right() -> None:
    assert told(undecided()).verdict == "unknown"
    report = told(with_findings(undecided(), ERROR, WARNING, HINT))
    assert on_paper(report) == {"CONF025": "fail", "CONF075": "warn"}
    assert (report.verdict, report.summary) == ("fail", "CONF025: it waits for itself")


def test_a_group_that_is_proven_right_is_not_wrong_on_paper() -> None:
    report = told(with_findings(healthy(), ERROR, WARNING))
    assert on_paper(report) == {"CONF025": "warn", "CONF075": "warn"}
    assert report.verdict == "pass"


def test_what_a_check_saw_outweighs_what_a_rule_feared() -> None:
    feared = structs.replace(ERROR, id="CONF060")
    assert on_paper(told(with_findings(healthy(), feared))) == {}


MISSED = structs.replace(ERROR, id="CONF060", says="no volume at /dev/shm")


@pytest.mark.parametrize(("failing", "outcome"), [((), "warn"), (("SHM001",), "fail")])
def test_what_a_webhook_may_have_put_into_pods_is_no_error_until_the_check_fails(
    failing: tuple[str, ...], outcome: str
) -> None:
    manifests = Manifests(("sts/vllm",), ("CONF060",), (MISSED,))
    rules = OnPaper({"CONF060": "T"}, others=False)
    (one,) = tell(manifests, rules, failing=failing)
    assert (one.verdict.outcome, "webhook" in one.verdict.says) == (outcome, outcome == "warn")


def test_dev_shm_of_a_webhook_fails_no_group_whose_shm_was_not_looked_at() -> None:
    chosen = select(["CONF060"], None, None)
    evidence = with_findings(healthy(), MISSED)
    report = judge(evidence, chosen.checks, (), rules=chosen.rules).report
    assert (on_paper(report), report.verdict) == ({"CONF060": "warn"}, "unknown")


def test_a_finding_is_told_with_its_object_its_path_and_what_to_write() -> None:
    one = next(f for f in told(with_findings(undecided(), ERROR)).checks if f.id == "CONF025")
    assert (one.says, one.remedy, one.subjects) == (
        "it waits for itself",
        "wait less",
        ("sts/vllm",),
    )
    assert one.cites[0].source == "sts/vllm a"


@pytest.mark.parametrize(
    ("found", "outcome"),
    [((), "pass"), ((ERROR,), "fail"), ((HINT,), "pass"), ((UNSURE,), "unknown")],
)
def test_a_rule_that_is_named_is_told_of_in_any_case(
    found: tuple[ManifestFinding, ...], outcome: str
) -> None:
    chosen = select(["conf025"], None, None)
    assert (chosen.checks, set(chosen.rules.named)) == ((), {"CONF025"})
    report = judge(with_findings(healthy(), *found), chosen.checks, (), rules=chosen.rules).report
    assert on_paper(report) == {"CONF025": outcome}
    assert report.verdict == outcome
    assert all(f.cites for f in report.checks if f.outcome == "pass")


@pytest.mark.parametrize(
    ("evidence", "rule", "says"),
    [
        (healthy(), "CONF025", "were not judged"),
        (with_findings(healthy()), "CONF071", "judged on files only"),
        (structs.replace(healthy(), manifests=Missing("refused")), "CONF025", "refused"),
    ],
)
def test_a_rule_without_evidence_is_unknown(evidence: Evidence, rule: str, says: str) -> None:
    report = told(evidence, OnPaper({rule: "T"}, others=False))
    one = next(f for f in report.checks if f.id == rule)
    assert (one.outcome, says in one.says) == ("unknown", True)


def test_rules_can_be_left_out_and_checks_chosen_without_them() -> None:
    evidence = with_findings(undecided(), ERROR, WARNING)
    assert on_paper(told(evidence, select(None, ["CONF025"], None).rules)) == {"CONF075": "warn"}
    assert on_paper(told(evidence, select(["NCCL001"], None, None).rules)) == {}


def test_a_required_rule_counts_also_where_it_only_warns() -> None:
    chosen = select(None, None, ["CONF075"])
    evidence = with_findings(healthy(), WARNING)
    report = judge(evidence, chosen.checks, chosen.require, rules=chosen.rules).report
    assert report.verdict == "warn"


def test_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Stop, match="no rule 'CONF999'"):
        select(["CONF999"], None, None)


def test_findings_travel_in_the_evidence_file() -> None:
    evidence = with_findings(healthy(), ERROR)
    assert decode_evidence(encode_evidence(evidence)).manifests == evidence.manifests
