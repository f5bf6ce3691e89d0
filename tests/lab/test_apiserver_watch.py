"""The stand-in's watches, faults and reviews are believed by the real clients."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, stream, watch
from tests.cluster.manifests.build import Object, container, pod, two_nodes

from distcheck.lab.apiserver import ApiServer, Denial, Fault, write_kubeconfig

TOKEN = "test-token"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer(two_nodes(), token=TOKEN) as one:
        yield one


@pytest.fixture
def core(server: ApiServer, tmp_path: Path) -> Any:
    settings = client.Configuration()
    path = write_kubeconfig(tmp_path / "python", server.url, TOKEN)
    config.load_kube_config(str(path), client_configuration=settings)
    return client.CoreV1Api(client.ApiClient(settings))


def new_pod(name: str) -> Object:
    return pod(name, "gpu-a", "10.0.0.7", container("exec sleep 1"))


def without(server: ApiServer, name: str) -> list[Object]:
    return [o for o in server.objects if o["metadata"]["name"] != name]


def lines(server: ApiServer, query: str) -> list[dict[str, Any]]:
    """The events of one watch, to its end."""
    request = urllib.request.Request(f"{server.url}/api/v1/namespaces/llm/pods?watch=1&{query}")
    request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return [json.loads(line) for line in answer]


def told(server: ApiServer, query: str) -> list[tuple[str, str]]:
    return [(e["type"], e["object"]["metadata"].get("name", "")) for e in lines(server, query)]


def test_a_watch_begins_with_what_there_is(server: ApiServer) -> None:
    assert told(server, "timeoutSeconds=1") == [
        ("ADDED", "vllm-head-0"),
        ("ADDED", "vllm-worker-0"),
    ]


def test_a_watch_from_a_revision_tells_only_what_changed_since(server: ApiServer) -> None:
    revision = server.state[0]
    server.objects = [*server.objects, new_pod("late-0")]
    changed = [{**o, "status": {}} for o in server.objects if o["metadata"]["name"] == "late-0"]
    server.objects = [*without(server, "late-0"), *changed]
    server.objects = without(server, "late-0")
    seen = told(server, f"resourceVersion={revision}&timeoutSeconds=1")
    assert seen == [("ADDED", "late-0"), ("MODIFIED", "late-0"), ("DELETED", "late-0")]


def test_an_object_bears_the_revision_in_which_it_changed(server: ApiServer) -> None:
    first = server.objects[0]["metadata"]["resourceVersion"]
    server.objects = [*server.objects, new_pod("late-0")]
    assert server.objects[0]["metadata"]["resourceVersion"] == first
    assert server.objects[-1]["metadata"]["resourceVersion"] == str(server.state[0])


def test_an_object_that_no_longer_fits_the_selector_is_deleted(server: ApiServer) -> None:
    revision = server.state[0]
    moved = [
        {**o, "spec": {**o["spec"], "nodeName": "gpu-z"}}
        if o["metadata"]["name"] == "vllm-worker-0" and o["kind"] == "Pod"
        else o
        for o in server.objects
    ]
    server.objects = moved
    query = f"resourceVersion={revision}&timeoutSeconds=1&fieldSelector=spec.nodeName%3Dgpu-b"
    assert told(server, query) == [("DELETED", "vllm-worker-0")]


def test_a_revision_that_is_compacted_away_is_gone(server: ApiServer) -> None:
    revision = server.state[0]
    server.objects = [*server.objects, new_pod("late-0")]
    server.history.compact()
    (event,) = lines(server, f"resourceVersion={revision}&timeoutSeconds=5")
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_a_bookmark_ends_a_watch_that_asked_for_them(server: ApiServer) -> None:
    revision = server.state[0]
    query = f"resourceVersion={revision}&timeoutSeconds=1&allowWatchBookmarks=true"
    (event,) = lines(server, query)
    assert event["type"] == "BOOKMARK"
    assert event["object"]["metadata"]["resourceVersion"] == str(revision)


def test_the_python_client_watches(server: ApiServer, core: Any) -> None:
    revision = server.state[0]
    later = threading.Timer(
        0.3, lambda: setattr(server, "objects", [*server.objects, new_pod("late-0")])
    )
    later.start()
    events = watch.Watch().stream(core.list_namespaced_pod, "llm", resource_version=str(revision))
    seen = next(events)
    later.join()
    assert (seen["type"], seen["object"].metadata.name) == ("ADDED", "late-0")


def test_the_python_client_is_told_that_its_revision_has_expired(
    server: ApiServer, core: Any
) -> None:
    revision = server.state[0]
    server.objects = [*server.objects, new_pod("late-0")]
    server.history.compact()
    events = watch.Watch().stream(core.list_namespaced_pod, "llm", resource_version=str(revision))
    with pytest.raises(client.ApiException, match="Expired") as gone:
        next(events)
    assert gone.value.status == 410


def test_the_python_client_is_cut_off_in_the_middle_of_a_line(server: ApiServer, core: Any) -> None:
    server.faults = (Fault("/pods", cut=40),)
    stream = watch.Watch().stream(core.list_namespaced_pod, "llm", timeout_seconds=2)
    with pytest.raises(Exception, match="ended prematurely"):
        list(stream)


def test_kubectl_watches(server: ApiServer, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        assert os.environ.get("CI") != "true", "CI installs kubectl"
        pytest.skip("kubectl is not installed")
    path = write_kubeconfig(tmp_path / "kubectl", server.url, TOKEN)
    command = ["kubectl", f"--kubeconfig={path}", f"--cache-dir={tmp_path}", "get", "pods", "-w"]
    with subprocess.Popen([*command, "-o", "name"], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "pod/vllm-head-0\n"
        assert watching.stdout.readline() == "pod/vllm-worker-0\n"
        server.objects = [*server.objects, new_pod("late-0")]
        assert watching.stdout.readline() == "pod/late-0\n"
        watching.kill()


def test_a_field_that_pods_are_not_selected_by_is_refused(core: Any) -> None:
    with pytest.raises(Exception, match="field label not supported"):
        core.list_namespaced_pod("llm", field_selector="spec.nodename=gpu-a")


def test_a_fault_ends_after_so_many_times_and_says_when_to_come_back(
    server: ApiServer, core: Any
) -> None:
    server.faults = (Fault("/pods", status=429, retry_after=1, times=1),)
    begun = time.monotonic()
    assert len(core.list_namespaced_pod("llm").items) == 2
    assert time.monotonic() - begun >= 1


def test_a_rules_review_grants_what_no_row_denies(server: ApiServer, tmp_path: Path) -> None:
    settings = client.Configuration()
    path = write_kubeconfig(tmp_path / "python", server.url, TOKEN)
    config.load_kube_config(str(path), client_configuration=settings)
    server.denied = (Denial(("create",), ("pods/exec",)), Denial(resources=("nodes",)))
    body = client.V1SelfSubjectRulesReview(spec={"namespace": "llm"})
    api = client.AuthorizationV1Api(client.ApiClient(settings))
    rules = api.create_self_subject_rules_review(body).status.resource_rules
    granted = {resource: rule.verbs for rule in rules for resource in rule.resources}
    assert granted["pods/exec"] == ["get", "list", "watch"]
    assert granted["pods"] == ["get", "list", "watch", "create"]
    assert "nodes" not in granted


def test_an_exec_is_cut_off_before_its_status(tmp_path: Path) -> None:
    def execute(*_: object) -> tuple[int, bytes, bytes]:
        return 0, b"x" * 1000, b""

    with ApiServer(two_nodes(), token=TOKEN, execute=execute) as server:
        server.faults = (Fault("/exec", cut=11),)
        path = write_kubeconfig(tmp_path / "python", server.url, TOKEN)
        settings = client.Configuration()
        config.load_kube_config(str(path), client_configuration=settings)
        call = stream.stream(
            client.CoreV1Api(client.ApiClient(settings)).connect_get_namespaced_pod_exec,
            *("vllm-head-0", "llm"),
            command=["cat"],
            stdout=True,
            _preload_content=False,
        )
        with pytest.raises(Exception, match="Connection to remote host was lost"):
            call.run_forever(timeout=60)


def test_every_request_is_remembered_as_rbac_sees_it(server: ApiServer, core: Any) -> None:
    core.list_namespaced_pod("llm")
    core.read_namespaced_pod("vllm-head-0", "llm")
    seen = [(a.verbs, a.resource, a.namespace, a.name) for a in server.asked]
    assert seen == [
        (("list",), "pods", "llm", ""),
        (("get",), "pods", "llm", "vllm-head-0"),
    ]


def test_a_stopped_server_ends_its_watches(server: ApiServer) -> None:
    ended = threading.Event()

    def watch_on() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            told(server, "timeoutSeconds=600")
        ended.set()

    threading.Thread(target=watch_on, daemon=True).start()
    time.sleep(0.3)
    server.stop()
    assert ended.wait(60)
