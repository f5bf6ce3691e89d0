"""`distcheck.io/ignore` silences on paper and in the cluster, and is reported with its reason."""

import pytest
import yaml  # type: ignore[import-untyped]
from msgspec import structs
from tests.evidence_builder import healthy
from tests.lint.judge import found, judged

from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.manifests.live import judged_live
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.judging import judge
from distcheck.checks.on_paper import OnPaper, on_paper

LATEST = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: vllm
  annotations: {distcheck.io/ignore: "%s"}
spec:
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}, annotations: {distcheck.io/ignore: "%s"}}
    spec:
      containers:
      - {name: vllm, image: "vllm/vllm-openai:latest", resources: {limits: {nvidia.com/gpu: 1}}}
"""


@pytest.mark.parametrize(
    ("on_object", "on_template", "reason"),
    [
        ("CONF075 a test cluster", "", "a test cluster"),
        ("", "CONF075: a test cluster", "a test cluster"),
        ("CONF001, conf075 both", "", "both"),
        ("CONF060 one; CONF075 another", "", "another"),
        ("CONF060 one\\nCONF075 another", "", "another"),
        ("CONF075", "", "no reason given"),
        ("CONF075 far", "CONF075 near", "near"),
        ("CONF0755 no rule", "CONF060", None),
        ("image: CONF075", "ignore", None),
    ],
)
def test_an_annotation_silences_what_it_names_with_its_reason(
    on_object: str, on_template: str, reason: str | None
) -> None:
    (one,) = found(LATEST % (on_object, on_template), "CONF075")
    assert one.silenced == reason


def live(annotation: str) -> Manifests:
    told = judged_live(Written((yaml.safe_load(LATEST % (annotation, "")),)))
    assert isinstance(told, Manifests)
    return told


def test_a_finding_that_is_silenced_in_the_cluster_is_told_as_such_and_counts_nothing() -> None:
    (told,) = on_paper(live("CONF075 a test cluster"), OnPaper())
    assert (told.id, told.verdict.outcome) == ("CONF075", "skipped")
    assert told.verdict.says.endswith("distcheck.io/ignore: a test cluster")
    assert [c.source for c in told.verdict.cites] == [
        "deploy/vllm spec.template.spec.containers[0].image"
    ]
    (told,) = on_paper(live("CONF060 another rule"), OnPaper())
    assert (told.id, told.verdict.outcome) == ("CONF075", "warn")


def test_what_another_object_has_wrong_stays() -> None:
    other = yaml.safe_load(LATEST % ("", ""))
    other["metadata"]["name"] = "other"
    one = yaml.safe_load(LATEST % ("CONF075 known", ""))
    (told,) = on_paper(judged_live(Written((one, other))), OnPaper())
    assert (told.verdict.outcome, told.verdict.subjects) == ("warn", ("deploy/other",))


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        ("CONF075 a test cluster", None),
        ("CONF060 one; CONF075 another", "this annotation silences nothing: CONF060 finds nothing"),
        ("CONF075 one; CONF999 two", "CONF999 is no rule: `distcheck list --rules`"),
        ("CONF0755", "CONF0755 is no rule: `distcheck list --rules` names them all"),
        (
            "image is fine",
            "this annotation silences nothing: `distcheck.io/ignore: CONF075 reason`",
        ),
    ],
)
def test_an_annotation_that_silences_nothing_is_told(annotation: str, says: str | None) -> None:
    told = [n for n in judged(LATEST % ("", annotation)).not_judged if n.line == 10]
    assert [n.says[: len(says or "")] for n in told] == ([says] if says else [])


def test_annotations_of_rules_that_were_not_asked_for_are_not_told() -> None:
    assert not judged(LATEST % ("", "CONF060 one"), only="CONF075").not_judged


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        ("CONF075 a test cluster", None),
        ("CONF093 nothing there", "this annotation silences nothing: CONF093 finds nothing there"),
        ("CONF999 no such", "CONF999 is no rule: `distcheck list --rules` names them all"),
        ("ignore all", "this annotation silences nothing: `distcheck.io/ignore: CONF075 reason`"),
        ("CONF071 judged on files", None),
    ],
)
def test_an_annotation_that_silences_nothing_is_noted_in_verify(
    annotation: str, says: str | None
) -> None:
    report = judge(structs.replace(healthy(), manifests=live(annotation)), catalog()).report
    told = [n for n in report.notes if "distcheck.io/ignore" in n]
    assert [n.startswith(f"deploy/vllm, distcheck.io/ignore: {says}") for n in told] == (
        [True] if says else []
    )
