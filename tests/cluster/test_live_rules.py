"""What `lint` finds on paper, `verify` finds in the cluster, under the same id."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.agent.manifests.live import judged_live
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.manifest.rules import rules
from distcheck.lab.layout import Layout, make_members
from distcheck.lab.objects import objects_of
from distcheck.lab.scenarios import load, load_all
from tests.cluster.manifests.build import Object
from tests.cluster.manifests.world import cluster

_WRITTEN = ("StatefulSet", "Service", "LeaderWorkerSet")
Spoil = Callable[[Any], None]


def lab_objects(name: str, folder: Path) -> list[Object]:
    scene = load(name).world
    members = make_members(scene, folder, "127.9.9")
    return objects_of(Layout(scene, members, 6379, 0, datetime.now(UTC)))


def written(objects: list[Object]) -> list[Object]:
    """What a user would have applied: the LeaderWorkerSet without the StatefulSets it made."""
    kinds = {o["kind"] for o in objects}
    made = ("StatefulSet",) if "LeaderWorkerSet" in kinds else ()
    return [o for o in objects if o["kind"] in _WRITTEN and o["kind"] not in made]


def sure(found: Manifests | Missing) -> set[str]:
    assert isinstance(found, Manifests), found
    return {f.id for f in found.findings if f.level != "hint"}


def on_paper(objects: list[Object]) -> set[str]:
    texts = [(f"{n}.yaml", json.dumps(o | {"status": None})) for n, o in enumerate(objects)]
    return {f.id for f in lint_texts(texts, Asked(rules())).open if f.level != "hint"}


def live(objects: list[Object], target: str, tmp_path: Path) -> Manifests | Missing:
    with cluster(tmp_path, objects) as (api, _, _):
        return judged_live(find_group(api, "llm", target).objects)


def _first(spec: Any) -> Any:
    return spec["containers"][0]


def _nothing(_spec: Any) -> None:
    """As the lab has it."""


def _interface(spec: Any) -> None:
    _first(spec)["env"].append({"name": "NCCL_SOCKET_IFNAME", "value": "mlx5_0"})


def _fewer_gpus(spec: Any) -> None:
    _first(spec)["resources"]["limits"]["nvidia.com/gpu"] = "4"


def _one_string(spec: Any) -> None:
    _first(spec)["command"] = [" ".join(_first(spec)["command"] + _first(spec)["args"])]
    _first(spec)["args"] = []


@pytest.mark.parametrize(
    ("scenario", "spoil", "rule"),
    [
        ("shm-64m", _nothing, "CONF060"),
        ("shm-beside", _nothing, "CONF064"),
        ("shm-cut", _nothing, "CONF063"),
        ("rendezvous-name-wrong", _nothing, "CONF020"),
        ("memory-lock", _nothing, "CONF043"),
        ("ray-driver-node-full", _nothing, "CONF001"),
        ("healthy-tp16", _interface, "CONF041"),
        ("healthy-tp16", _fewer_gpus, "CONF003"),
        ("rank-dead", _fewer_gpus, "CONF001"),
        ("rank-dead", _one_string, "CONF074"),
    ],
)
def test_paper_and_cluster_agree(scenario: str, spoil: Spoil, rule: str, tmp_path: Path) -> None:
    objects = lab_objects(scenario, tmp_path)
    for one in objects:
        for spec in _specs(one):
            spoil(spec)
    found = sure(live(objects, "vllm-head-0", tmp_path))
    assert rule in found
    assert found == on_paper(written(objects))


def _specs(one: Object) -> list[Any]:
    """Its pod templates' specs, with GPUs in them."""
    spec = one.get("spec") or {}
    ways = [spec, *(spec.get("leaderWorkerTemplate") or {}).values()]
    found = [w.get("template", w) for w in ways if isinstance(w, dict)]
    return [t["spec"] for t in found if "containers" in (t.get("spec") or {})]


@pytest.mark.parametrize("name", [s.name for s in load_all() if s.expect.verdict == "pass"])
def test_healthy_groups_have_healthy_manifests(name: str, tmp_path: Path) -> None:
    assert sure(judged_live(Written(tuple(written(lab_objects(name, tmp_path)))))) == set()


def test_what_a_webhook_put_into_pods_is_not_judged(tmp_path: Path) -> None:
    objects = lab_objects("healthy-tp16", tmp_path)
    for one in objects:
        if one["kind"] == "Pod" and one["metadata"].get("namespace") == "llm":
            _interface(one["spec"])
    assert sure(live(objects, "vllm-head-0", tmp_path)) == set()


def test_a_secret_in_a_manifest_is_not_in_the_evidence(tmp_path: Path) -> None:
    objects = written(lab_objects("healthy-tp16", tmp_path))
    for one in objects:
        for spec in _specs(one):
            _first(spec)["env"].append({"name": "HF_TOKEN", "value": "hf_ThisIsMineAlone123456"})
    found = judged_live(Written(tuple(objects)))
    assert "CONF076" in sure(found)
    assert "ThisIsMineAlone" not in repr(found)


def test_a_secret_that_stands_twice_is_told_in_whole_words(tmp_path: Path) -> None:
    objects = written(lab_objects("healthy-tp16", tmp_path))
    for one in objects:
        for spec in _specs(one):
            _first(spec)["env"] += [{"name": "HF_TOKEN", "value": v} for v in ("a", "b")]
    found = judged_live(Written(tuple(objects)))
    assert isinstance(found, Manifests)
    says = next(f.says for f in found.findings if f.id == "CONF073")
    assert says.startswith("HF_TOKEN stands twice in container")


def test_pods_that_nothing_owns_are_said_not_to_be_judged() -> None:
    assert judged_live(Written()) == Missing(
        "no workload of the group could be read: nothing owns its pods"
    )
