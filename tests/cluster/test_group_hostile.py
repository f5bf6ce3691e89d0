"""Odd, huge and secret things in specs neither stop the search for a group nor leave with it."""

import copy
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.cluster.api import connect
from distcheck.agent.cluster.errors import Unreachable
from distcheck.agent.cluster.finding.group import Group, find_group
from distcheck.agent.cluster.quantity import parse_quantity
from distcheck.agent.cluster.troubles.restarts import restarted_since
from distcheck.checks.evidence import Evidence, encode_evidence
from distcheck.lab.apiserver import write_kubeconfig
from distcheck.lab.apiserver.fault import Fault
from tests.cluster.manifests.build import Object, obj, two_nodes
from tests.cluster.manifests.controllers import named
from tests.cluster.manifests.world import cluster

WORKER = "vllm-worker-0"
MEMBERS = ["vllm-head-0", WORKER]


def found(tmp_path: Path, text: str, things: list[Object], *faults: Fault) -> Group:
    with cluster(tmp_path, things, faults=faults) as (api, _, _):
        return find_group(api, "llm", text)


def names(group: Group) -> list[str]:
    return [p.name for p in group.pods]


@pytest.mark.parametrize(
    "text", ["1e10000000", "1e5000", "1E999999999", "9" * 5000, "1e", "1ex", "é"]
)
def test_a_quantity_beyond_reason_is_none(text: str) -> None:
    assert parse_quantity(text) is None


def test_a_quantity_is_capped_where_the_api_server_caps_it() -> None:
    assert parse_quantity("1e900") == parse_quantity("900Ei") == parse_quantity(10**30) == 2**63 - 1


@given(st.text() | st.integers() | st.floats() | st.from_regex(r"[0-9.]{1,50}[eEkKMi0-9+-]{0,9}"))
def test_any_quantity_fits_into_64_bits_or_is_none(value: str | float) -> None:
    number = parse_quantity(value)
    assert number is None or 0 <= number < 2**63


def test_gpus_without_end_leave_evidence_that_can_be_written(tmp_path: Path) -> None:
    limits = {"resources": {"limits": {"nvidia.com/gpu": "9e300"}}}
    worker = {"spec": {"containers": [{"name": "vllm", "image": "x", **limits}] * 3}}
    spec = {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": worker}}
    group = found(tmp_path, "lws/l", [obj("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "l",
                                          spec=spec)])  # fmt: skip
    evidence = Evidence("0", "", group.target, group.intent, group.pods, (), notes=group.notes)
    assert b'"gpus":' in encode_evidence(evidence)


@pytest.mark.parametrize(
    "labels",
    [{"ray.io/cluster": ""}, {"training.kubeflow.org/job-name": ""},
     {"leaderworkerset.sigs.k8s.io/name": "", "leaderworkerset.sigs.k8s.io/group-index": "0"}],
)  # fmt: skip
def test_an_empty_label_is_no_label(tmp_path: Path, labels: dict[str, str]) -> None:
    things = two_nodes()
    named(things, WORKER)["metadata"]["labels"] |= labels
    group = found(tmp_path, WORKER, things)
    assert (names(group), group.troubles) == (MEMBERS, ())


def spec_is_null(things: list[Object]) -> None:
    stranger = copy.deepcopy(named(things, WORKER))
    stranger["metadata"] |= {"name": "stranger", "uid": "s", "ownerReferences": None}
    things.append({**stranger, "spec": None, "status": None})


def running_is_null(things: list[Object]) -> None:
    named(things, WORKER)["status"]["containerStatuses"][0]["state"] = {"running": None}


def restarts_are_null(things: list[Object]) -> None:
    named(things, WORKER)["status"]["containerStatuses"][0]["restartCount"] = None


def service_is_null(things: list[Object]) -> None:
    things.append({**obj("v1", "Service", "none"), "spec": None})


@pytest.mark.parametrize("change", [spec_is_null, running_is_null, restarts_are_null,
                                    service_is_null])  # fmt: skip
def test_null_means_absent_everywhere(tmp_path: Path, change: object) -> None:
    things = two_nodes()
    assert callable(change)
    change(things)
    assert names(found(tmp_path, "vllm-head-0", things)) == MEMBERS


@pytest.mark.parametrize("path", ["/deployments", "/statefulsets", "/events", "/rayclusters"])
def test_an_optional_question_that_fails_is_noted_and_not_fatal(tmp_path: Path, path: str) -> None:
    things = two_nodes()
    named(things, WORKER)["status"] = {"phase": "Pending"}
    group = found(tmp_path, "vllm-head", things, Fault(path=path, status=500))
    assert names(group) == MEMBERS
    assert any("could not be" in n and path in n for n in group.notes)


def test_a_broken_webhook_of_a_resource_leaves_its_pods_readable(tmp_path: Path) -> None:
    things = two_nodes()
    named(things, WORKER)["metadata"]["labels"] |= {
        "ray.io/cluster": "rc", "ray.io/node-type": "worker"}  # fmt: skip
    group = found(tmp_path, WORKER, things, Fault(path="/rayclusters", status=500))
    assert group.target.size_from == "raycluster/rc could not be read"
    assert any("raycluster/rc could not be read" in n for n in group.notes)


def test_what_a_pod_waits_for_is_scrubbed_cut_and_printable(tmp_path: Path) -> None:
    things = two_nodes()
    message = f"exec: vllm --api-key sk-verysecret123 failed\x1b[31m\u202e {'x' * 999}"
    waiting = {"reason": "RunContainerError", "message": message}
    named(things, WORKER)["status"]["containerStatuses"][0]["state"] = {"waiting": waiting}
    waits = found(tmp_path, WORKER, things).pods[1].waiting or ""
    assert waits.startswith("RunContainerError: exec: vllm --api-key (hidden)")
    assert waits.isprintable()
    assert len(waits) == 300


def test_a_login_in_an_address_is_no_part_of_the_host_and_never_told(tmp_path: Path) -> None:
    lost = "ray start --address=ray://admin:hunter2@other:6379 --block"
    group = found(tmp_path, WORKER, two_nodes(worker=lost))
    assert group.notes == ("vllm-worker-0 joins other, and no pod here has that name",)
    kept = "ray start --address=ray://admin:hunter2@vllm-head:6379 --block"
    assert names(found(tmp_path, WORKER, two_nodes(worker=kept))) == MEMBERS


@contextmanager
def endless(tmp_path: Path) -> Iterator[str]:
    """An API server whose lists go on with the same token."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"items": [{}], "metadata": {"continue": "same"}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        yield str(write_kubeconfig(tmp_path / "kubeconfig", url, "t"))
    finally:
        server.shutdown()
        server.server_close()


def test_a_list_whose_pages_repeat_is_an_error_and_no_loop(tmp_path: Path) -> None:
    with endless(tmp_path) as path, pytest.raises(Unreachable, match="the list has no end"):
        connect(path).items("/api/v1/pods")


def test_restarts_that_cannot_be_asked_for_are_noted(tmp_path: Path) -> None:
    notes: list[str] = []
    with cluster(tmp_path, two_nodes()) as (api, _, _):
        group = find_group(api, "llm", WORKER)
        late = api.until(time.monotonic() - 1)
        assert restarted_since(late, group.pods, "", notes.append) == ()
    assert notes[0].startswith("whether a pod was started again meanwhile is not known: ")
