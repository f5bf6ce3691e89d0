"""Which names specs join by, and what is behind the Services that they may mean."""

from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.written import services_of
from distcheck.agent.cluster.services import look_services
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.policy import NameWanted, PolicyPod, Services
from distcheck.lab.apiserver import Denial
from tests.cluster.manifests.build import obj, service, two_nodes
from tests.cluster.manifests.world import cluster

NAME = "vllm-head-0.vllm-head"
WANTED = (NameWanted("llm/w", NAME, "ray start --address", 6379),)
LEADER = PolicyPod("llm/vllm-head-0", {"app": "vllm-head", "role": "head"})


def slices(name: str, *endpoints: dict[str, Any]) -> dict[str, Any]:
    labels = {"labels": {"kubernetes.io/service-name": name}}
    return obj("discovery.k8s.io/v1", "EndpointSlice", f"{name}-x", meta=labels,
               addressType="IPv4", endpoints=list(endpoints))  # fmt: skip


def end(ip: str, host: str = "", *, ready: bool = True) -> dict[str, Any]:
    one: dict[str, Any] = {"addresses": [ip], "conditions": {"ready": ready}}
    return one | ({"hostname": host} if host else {})


def looked(
    tmp_path: Path, *objects: dict[str, Any], wanted: tuple[NameWanted, ...] = WANTED, **more: Any
) -> tuple[Services | Missing, int]:
    with cluster(tmp_path, list(objects), **more) as (api, _, _):
        listed = services_of(Namespace(api, "llm"))
        return look_services(api, "llm", listed, wanted, LEADER), api.calls


def test_the_services_that_a_name_may_mean_and_those_of_the_leader_are_read(tmp_path: Path) -> None:
    seen, calls = looked(
        tmp_path,
        service("vllm-head", {"app": "vllm-head"}),
        service("vllm-head-0", {"app": "x"}),
        service("by-role", {"role": "head"}),
        service("web", {"app": "web"}),
        slices("vllm-head", end("10.0.0.2", "vllm-head-0"), end("10.0.0.9", ready=False)),
        slices("web", end("10.0.0.4")),
    )
    assert isinstance(seen, Services)
    assert calls == 2
    assert {s.name for s in seen.services} == {"vllm-head", "by-role"}
    head = next(s for s in seen.services if s.name == "vllm-head")
    assert (head.headless, head.addresses, head.not_ready) == (True, ("10.0.0.2",), ("10.0.0.9",))
    assert head.hostnames == {"vllm-head-0": "10.0.0.2"}
    assert seen.unasked == ("Service by-role has no EndpointSlice",)


def test_endpoints_that_may_not_be_read_are_said(tmp_path: Path) -> None:
    denied = [Denial(resources=("endpointslices",))]
    seen, _ = looked(tmp_path, service("vllm-head", {"app": "vllm-head"}), denied=denied)
    assert isinstance(seen, Services)
    assert "EndpointSlices could not be listed" in seen.unasked[0]
    gone, _ = looked(tmp_path, denied=[Denial(resources=("services",))])
    assert isinstance(gone, Missing)


def test_without_a_name_nothing_is_asked(tmp_path: Path) -> None:
    seen, calls = looked(tmp_path, wanted=())
    assert (isinstance(seen, Missing), calls) == (True, 1)


def test_a_group_comes_with_the_names_of_its_specs(tmp_path: Path) -> None:
    with cluster(tmp_path, two_nodes()) as (api, _, _):
        wanted = find_group(api, "llm", "vllm-head-0").wanted
    assert wanted == (NameWanted("llm/vllm-worker-0", NAME, "ray start --address", 6379),)


def renamed() -> list[dict[str, Any]]:
    """The head's pod has another name than the one that its worker joins."""
    found = two_nodes()
    for one in found:
        meta = one["metadata"]
        if meta["name"] == "vllm-head-0":
            meta["name"] = "vllm-405b-head-0"
            one["spec"].pop("hostname", None)
    return found


@pytest.mark.parametrize("target", ["vllm-405b-head-0", "vllm-worker-0"])
def test_a_worker_that_its_name_keeps_out_of_the_group_is_told(tmp_path: Path, target: str) -> None:
    with cluster(tmp_path, renamed()) as (api, _, _):
        wanted = find_group(api, "llm", target).wanted
    assert [(w.pod, w.name) for w in wanted] == [("llm/vllm-worker-0", NAME)]


def test_a_leaders_address_of_the_environment_counts(tmp_path: Path) -> None:
    found = two_nodes()
    for one in found:
        if one["kind"] == "Pod" and one["metadata"]["name"] == "vllm-worker-0":
            env = [{"name": "LWS_LEADER_ADDRESS", "value": "vllm-0.vllm.llm"}]
            one["spec"]["containers"][0]["env"] = env
    with cluster(tmp_path, found) as (api, _, _):
        names = [w.name for w in find_group(api, "llm", "vllm-worker-0").wanted]
    assert "vllm-0.vllm.llm" in names
