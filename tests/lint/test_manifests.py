"""Whole manifests as users write them: healthy ones are clean, broken ones say what is wrong.

The first lines of a broken one name what is found: `# expect: CONF001 CONF060`.
"""

import re
from pathlib import Path

import pytest
from tests.lint.judge import judged, sure

from distcheck.agent.manifests.streams import chunks

FOLDER = Path(__file__).parent / "manifests"
HEALTHY = sorted((FOLDER / "healthy").glob("*.yaml"))
BROKEN = sorted((FOLDER / "broken").glob("*.yaml"))


@pytest.mark.parametrize("path", HEALTHY, ids=lambda p: p.stem)
def test_a_healthy_manifest_is_clean(path: Path) -> None:
    report = judged(path.read_text("utf-8"))
    assert report.judged
    assert sure(report) == []


@pytest.mark.parametrize("path", HEALTHY, ids=lambda p: p.stem)
def test_a_part_of_a_healthy_manifest_has_no_error(path: Path) -> None:
    """pre-commit gives the files of a commit, in batches: what an error needs may be elsewhere."""
    parts = [text for _, text in chunks(path.read_text("utf-8"))]
    for number in range(len(parts) if len(parts) > 1 else 0):
        others = parts[:number] + parts[number + 1 :]
        for report in (judged(parts[number]), judged(*others)):
            assert [line for line in sure(report) if line.startswith("error")] == []


def test_a_healthy_manifest_is_there_for_every_kind_that_lint_reads() -> None:
    texts = "\n".join(p.read_text("utf-8") for p in HEALTHY)
    kinds = set(re.findall(r"^(?:- )? *kind: (\w+)", texts, re.MULTILINE))
    wanted = (
        "Deployment StatefulSet DaemonSet Job Pod Service ConfigMap PersistentVolumeClaim List"
        " NetworkPolicy LeaderWorkerSet RayCluster RayService RayJob NIMService MPIJob Rollout"
        " DynamoGraphDeployment"
    )
    assert set(wanted.split()) <= kinds


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.stem)
def test_a_broken_manifest_says_what_is_wrong(path: Path) -> None:
    text = path.read_text("utf-8")
    wanted = set(text.partition("\n")[0].removeprefix("# expect:").split())
    report = judged(text)
    assert {f.id for f in report.open if f.level != "hint"} == wanted


def test_pods_that_each_serve_a_whole_copy_are_called_copies() -> None:
    report = judged((FOLDER / "broken" / "lws-two-copies.yaml").read_text("utf-8"), only="CONF001")
    [finding] = report.findings
    assert "each serves a whole copy" in finding.says
    assert "join" in finding.fix
