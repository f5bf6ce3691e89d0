"""Messages are sentences: also of objects without names, and of one of what is mostly many."""

import re

import pytest
from tests.lint.judge import found, judged

from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules
from distcheck.exporters.formats import Page
from distcheck.exporters.lint_text import render_text
from distcheck.exporters.typography import Ink

_ODD = re.compile(
    r"\S  \S|\b1 (?:pods|GPUs|ranks|nodes|objects|files|groups)\b| ,|\bof  |None\b(?!`)"
)
RULES = [pytest.param(r, id=r.id) for r in rules()]
CHANGES = {
    "as it is": (),
    "objects without names": (("metadata: {name: [a-z0-9-]+(?:, )?", "metadata: {"),),
    "containers without names": (("- name: ", "- x: "), (r"- \{name: ", "- {x: ")),
    "one of each": (("(gpu|size|replicas): [0-9]+", r"\1: 1"), (r"\b(8|16)\b", "1")),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_message_reads_well_whatever_is_missing(rule: Rule) -> None:
    for change, pairs in CHANGES.items():
        text = rule.page.fails
        for old, new in pairs:
            text = re.sub(old, new, text)
        report = judged(text)
        told = [t for f in report.findings for t in (f.says, f.unseen)]
        told += [*report.groups, *(n.says for n in report.not_judged)]
        told.append(render_text(report, Page(width=200), Ink()).splitlines()[-1])
        assert [t for t in told if _ODD.search(t)] == [], change


ONE_TEMPLATE = """
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate: &t
      spec: {containers: [{name: vllm, image: vllm/vllm-openai:v0.11.0,
                           resources: {limits: {nvidia.com/gpu: 8}}}]}
"""


def test_one_template_of_leader_and_workers_has_each_fault_once() -> None:
    (one,) = found(ONE_TEMPLATE, "CONF060")
    assert one.says.startswith("LeaderWorkerSet vllm: container vllm has 8 GPUs")


def test_two_templates_have_two_each_with_its_part() -> None:
    both = found(ONE_TEMPLATE + "    leaderTemplate: *t\n", "CONF060")
    assert {f.says.partition(":")[0] for f in both} == {
        "LeaderWorkerSet vllm (leader)",
        "LeaderWorkerSet vllm (worker)",
    }


def test_a_port_that_is_a_list_is_told_and_nothing_breaks() -> None:
    text = ONE_TEMPLATE.replace(
        "image: vllm/", "readinessProbe: {httpGet: {port: [1]}}, image: vllm/"
    )
    assert {f.id for f in judged(text).findings} >= {"CONF060"}
