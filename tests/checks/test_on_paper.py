"""Rules for manifests in a report: what they found, how it counts, and how they are named."""

import pytest
from msgspec import structs
from tests.evidence_builder import healthy, name_of, without_look

from distcheck.agent.cli.exit import Stop
from distcheck.agent.cli.select import select
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Evidence, Missing, decode_evidence, encode_evidence
from distcheck.checks.evidence.manifests import ManifestFinding, Manifests
from distcheck.checks.judging import judge
from distcheck.checks.on_paper import OnPaper
from distcheck.checks.on_paper import on_paper as tell
from distcheck.checks.report import Report

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


@pytest.mark.parametrize("rule", ["CONF035", "CONF116", "CONF008"])
def test_ranks_that_were_seen_as_one_world_have_met_whatever_the_manifest_says(rule: str) -> None:
    feared = structs.replace(ERROR, id=rule)
    assert [t.id for t in tell(Manifests(("a",), (rule,), (feared,)), OnPaper(), ())] == [rule]
    assert list(tell(Manifests(("a",), (rule,), (feared,)), OnPaper(), ("SHARD002",))) == []


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


def test_the_same_sentence_of_several_objects_is_told_once_with_each_place() -> None:
    again = structs.replace(WARNING, source="sts/worker image")
    other = structs.replace(WARNING, says="another one", source="sts/third image")
    one = next(f for f in told(with_findings(undecided(), WARNING, again, other)).checks
               if f.id == "CONF075")  # fmt: skip
    assert one.says == "no version (and 1 more)"
    assert [(c.what, c.source) for c in one.cites] == [
        ("as it is written", "sts/vllm image"),
        ("as it is written", "sts/worker image"),
        ("another one", "sts/third image"),
    ]
    assert one.subjects == ("sts/vllm", "sts/worker", "sts/third")


def test_a_rule_whose_objects_could_not_be_read_is_unknown_and_its_findings_are_told() -> None:
    rules = OnPaper({"CONF060": "T", "CONF075": "T"}, others=False)
    unread = dict.fromkeys(rules.named, "claims may not be read")
    manifests = Manifests(("sts/vllm",), tuple(rules.named), (WARNING,), unread)
    outcomes = {one.id: one.verdict.outcome for one in tell(manifests, rules)}
    assert outcomes == {"CONF060": "unknown", "CONF075": "warn"}


HIDDEN = structs.replace(ERROR, says="it never starts", silenced="trust me")


def test_a_required_rule_is_not_decided_by_an_annotation() -> None:
    chosen = select(None, None, ["CONF025"])
    report = judge(with_findings(healthy(), HIDDEN), chosen.checks, chosen.require,
                   rules=chosen.rules).report  # fmt: skip
    one = next(f for f in report.checks if f.id == "CONF025")
    assert (one.outcome, report.verdict) == ("unknown", "unknown")
    assert "silenced by the annotation distcheck.io/ignore: trust me" in report.summary


def test_a_warning_that_is_left_does_not_decide_for_a_silenced_error() -> None:
    left = structs.replace(ERROR, level="warning")
    manifests = Manifests(("sts/vllm",), RULES, (HIDDEN, left))
    rules = OnPaper({"CONF025": "T"}, others=False)
    for require, outcome in (((), "warn"), (("CONF025",), "unknown")):
        (one,) = tell(manifests, rules, require=require)
        assert one.verdict.outcome == outcome


def test_beside_an_open_finding_the_silenced_one_is_told() -> None:
    (one,) = tell(Manifests(("sts/vllm",), RULES, (HIDDEN, ERROR)), OnPaper())
    assert one.verdict.outcome == "fail"
    assert one.verdict.says.startswith("it waits for itself; 1 is silenced by the annotation")
    assert one.verdict.cites[-1].what == "silenced: it never starts"


def test_a_rule_with_nothing_to_judge_is_skipped_and_one_behind_the_bound_unknown() -> None:
    manifests = Manifests(
        ("sts/vllm",), RULES, unread={"CONF060": "there are more"}, aside={"CONF025": "no Ray"}
    )
    told = {t.id: t.verdict for t in tell(manifests, OnPaper({"CONF025": "T", "CONF060": "T"}))}
    assert (told["CONF025"].outcome, told["CONF025"].says) == ("skipped", "no Ray")
    assert told["CONF060"].outcome == "unknown"
