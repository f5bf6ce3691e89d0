"""What a kustomization of the input changes is a hint in the files that it names."""

import pytest

from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.checks.manifest.rules import rules

BASE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: vllm}
spec:
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai
        args: [--model, m/x, --tensor-parallel-size, "8"]
        env: [{name: A, value: 1}]
"""
PATCH = """\
apiVersion: apps/v1
kind: %s
metadata: {name: vllm}
spec: {template: {spec: {containers: [{name: vllm, resources: {limits: {nvidia.com/gpu: 8}}}]}}}
"""
IMAGES = "resources: [d.yaml]\nimages: [{name: %s, newTag: v0.11.0}]\n"


def levels(files: dict[str, str]) -> dict[str, str]:
    """By rule, the level of its finding in the base."""
    report = lint_texts([*files.items()], Asked(tuple(rules())))
    return {f.id: f.level for f in report.open if f.at.file == "base/d.yaml"}


def test_without_a_kustomization_all_is_as_it_stands() -> None:
    told = levels({"base/d.yaml": BASE})
    assert (told["CONF075"], told["CONF010"], told["CONF070"]) == ("warning", "warning", "error")


@pytest.mark.parametrize(
    ("image", "level"), [("vllm/vllm-openai", "hint"), ("r.io/other", "warning")]
)
def test_a_tag_that_a_kustomization_sets_is_not_missed(image: str, level: str) -> None:
    told = levels({"base/d.yaml": BASE, "base/kustomization.yaml": IMAGES % image})
    assert (told["CONF075"], told["CONF010"]) == (level, "warning")


@pytest.mark.parametrize(
    ("patch", "level"),
    [
        ("patches: [{path: p.yaml}]", "hint"),
        ("patchesStrategicMerge: [p.yaml]", "hint"),
        ("patches: [{path: other.yaml}]", "warning"),
        ("patches: [{patch: '[]', target: {kind: Deployment}}]", "hint"),
        ("patches: [{patch: '[]', target: {kind: Service}}]", "warning"),
        ("components: [../gpus]", "hint"),
        ("namespace: a", "warning"),
    ],
)
def test_what_an_overlay_of_the_base_adds_is_not_missed(patch: str, level: str) -> None:
    told = levels(
        {
            "base/d.yaml": BASE,
            "base/kustomization.yaml": "resources: [d.yaml]\n",
            "dev/kustomization.yaml": f"resources: [../base]\n{patch}\n",
            "dev/p.yaml": PATCH % "Deployment",
            "dev/other.yaml": PATCH % "StatefulSet",
        }
    )
    assert (told["CONF010"], told["CONF070"]) == (level, "error")


SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: vllm}
spec: {selector: {app: vllm}, ports: [{port: 8000}]}
"""


@pytest.mark.parametrize(
    ("overlay", "level"),
    [("namePrefix: dev-", "hint"), ("nameSuffix: -a", "hint"), ("", "warning")],
)
def test_a_service_that_an_overlay_renames_may_not_be_called_vllm(overlay: str, level: str) -> None:
    told = levels(
        {
            "base/d.yaml": BASE.replace("vllm/vllm-openai", "vllm/vllm-openai:v0.11.0") + SERVICE,
            "base/kustomization.yaml": "resources: [d.yaml]\n",
            "dev/kustomization.yaml": f"resources: [../base]\n{overlay}\n",
        }
    )
    assert (told["CONF030"], told["CONF010"]) == (level, "warning")


def test_bases_that_name_each_other_are_read_once() -> None:
    assert (
        levels(
            {
                "base/d.yaml": BASE,
                "base/kustomization.yaml": "resources: [d.yaml, ../dev]\n",
                "dev/kustomization.yaml": "resources: [../base, ../dev]\npatches: [{patch: x}]\n",
            }
        )["CONF010"]
        == "hint"
    )


def test_a_file_that_a_kustomization_names_as_a_patch_is_no_whole_object() -> None:
    part = BASE.replace("  selector: {matchLabels: {app: vllm}}\n", "").replace(
        "value: 1", "value: a"
    )
    patched = [("o/kustomization.yaml", "patches: [{path: p.yaml}]\n"), ("o/p.yaml", part)]
    alone, beside = (lint_texts(f, Asked(tuple(rules()))) for f in (patched[1:], patched))
    assert "CONF078" in {f.id for f in alone.findings}
    assert not beside.findings
    assert any("a kustomization names it" in n.says for n in beside.not_judged)


PROBES = "        readinessProbe: {periodSeconds: 5, failureThreshold: 3}\n"


def alone(name: str, text: str) -> tuple[str, ...]:
    report = lint_texts([(name, text)], Asked(tuple(rules())))
    assert any("a patch for Deployment" in n.says for n in report.not_judged) != report.judged
    return tuple(f.id for f in report.findings if f.level == "error")


def test_a_part_of_a_probe_tells_a_patch_where_there_is_no_selector() -> None:
    whole = BASE.rstrip("\n") + f"\n{PROBES}"
    part = whole.replace("  selector: {matchLabels: {app: vllm}}\n", "")
    assert "CONF087" in alone("d.yaml", whole)
    assert set(alone("d.yaml", part)) == {"CONF070"}


@pytest.mark.parametrize(
    "name", ["patch-vllm.yaml", "d.patch.yaml", "patches/d.yaml", "d-patch.yml"]
)
def test_a_file_that_is_called_a_patch_needs_no_selector(name: str) -> None:
    part = BASE.replace("  selector: {matchLabels: {app: vllm}}\n", "")
    assert "CONF078" not in alone(name, part)
    assert "CONF078" in alone("dispatch.yaml", part)
    assert "CONF010" not in alone(name, part)
    assert alone(name, BASE) == alone("d.yaml", BASE)
