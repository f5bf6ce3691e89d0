"""The door to the cluster says in its own words what it was refused, and what it cannot reach."""

import socket
from pathlib import Path

import pytest

from distcheck.agent.cluster.api import connect
from distcheck.agent.cluster.errors import Misconfigured, NotFound, Refused, Unreachable
from distcheck.lab.apiserver import Denial, Fault, write_kubeconfig
from tests.cluster.manifests.build import two_nodes
from tests.cluster.manifests.world import cluster

PODS = "/api/v1/namespaces/llm/pods"


def test_objects_come_back_as_they_are_served(tmp_path: Path) -> None:
    with cluster(tmp_path, two_nodes()) as (api, server, _):
        assert api.namespace == "llm"
        assert api.get(f"{PODS}/vllm-head-0") == server.objects[5]
        assert len(api.items(PODS, [("labelSelector", "app=vllm-head")])) == 1


def test_an_absent_object_is_not_found(tmp_path: Path) -> None:
    with (
        cluster(tmp_path, []) as (api, _, _),
        pytest.raises(NotFound, match='pods "gone" not found'),
    ):
        api.get(f"{PODS}/gone")


def test_a_kind_that_is_not_served_is_not_found(tmp_path: Path) -> None:
    with cluster(tmp_path, []) as (api, _, _), pytest.raises(NotFound, match="404"):
        api.get("/apis/ray.io/v1/namespaces/llm/rayclusters/x")


def test_a_wrong_token_is_refused(tmp_path: Path) -> None:
    with cluster(tmp_path, []) as (_, server, _):
        api = connect(str(write_kubeconfig(tmp_path / "other", server.url, "wrong")))
        with pytest.raises(Refused, match="Unauthorized") as caught:
            api.get(PODS)
        assert caught.value.code == 401


@pytest.mark.parametrize("verb", ["get", "create"])
def test_a_forbidden_stream_names_the_verb_that_lacks(tmp_path: Path, verb: str) -> None:
    denied = (Denial((verb,), ("pods/portforward",)),)
    with cluster(tmp_path, two_nodes(), denied=denied) as (api, _, _):
        with pytest.raises(Refused, match=f'cannot {verb} resource "pods/portforward"') as caught:
            api.stream(f"{PODS}/vllm-head-0/portforward", [("ports", "9411")])
        assert caught.value.code == 403


def test_nobody_at_the_address_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    api = connect(str(write_kubeconfig(tmp_path / "k", url, "t")), timeout=2.0)
    for ask in (api.get, api.stream):
        with pytest.raises(Unreachable):
            ask(PODS)


@pytest.mark.parametrize("fault", [Fault(cut=20), Fault(status=503), Fault(latency=1.0)])
def test_a_faulty_server_is_unreachable(tmp_path: Path, fault: Fault) -> None:
    with (
        cluster(tmp_path, two_nodes(), timeout=0.3, faults=(fault,)) as (api, _, _),
        pytest.raises(Unreachable),
    ):
        api.get(PODS)


@pytest.mark.parametrize("text", ["", "not: [yaml", "{}", "[]", '{"current-context": "x"}'])
def test_an_unusable_kubeconfig_is_an_error_of_its_own(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(Misconfigured, match="kubeconfig"):
        connect(str(path))


def test_an_absent_kubeconfig_or_context_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no such file; name one with --kubeconfig"):
        connect(str(tmp_path / "absent"))
    path = write_kubeconfig(tmp_path / "k", "http://127.0.0.1:1", "t")
    with pytest.raises(Misconfigured, match="nowhere"):
        connect(str(path), "nowhere")
