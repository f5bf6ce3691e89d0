"""The stand-in API server is believed by real kubectl and by the real Python client."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.manifests.build import STARTED, Object, container, obj, pod, two_nodes

from distcheck.lab.apiserver import ApiServer, Denial, Fault, write_kubeconfig

TOKEN = "test-token"
LOG = (
    b"2026-11-20T08:00:01.123456789Z stdout F one\n"
    b"2026-11-20T08:00:02Z stderr P tw\n"
    b"2026-11-20T08:00:03Z stderr F o\n"
    b"2026-11-20T08:00:04Z stdout F three\n"
)
TWO_CONTAINERS = pod("pair-0", "gpu-a", "10.0.0.5", container("a", "a"), container("b", "b"))


def event(name: str) -> Object:
    involved = {"kind": "Pod", "name": name, "namespace": "llm", "uid": f"pod-{name}"}
    said: Object = {"reason": "Started", "message": "Started container vllm", "type": "Normal"}
    when: Object = {"count": 1, "firstTimestamp": STARTED, "lastTimestamp": STARTED}
    return obj("v1", "Event", f"{name}.1", involvedObject=involved, **said, **when)


def logs(_namespace: str, _pod: str, _container: str, previous: bool) -> bytes | None:
    return None if previous else LOG


def execute(
    _namespace: str, _pod: str, container: str, argv: list[str]
) -> tuple[int, bytes, bytes]:
    if argv[0] == "nothing":
        raise FileNotFoundError("executable file not found in $PATH")
    return int(argv[1]), f"{container} says {argv[0]}\n".encode(), b"to stderr\n"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    objects = [*two_nodes(), event("vllm-head-0"), TWO_CONTAINERS]
    with ApiServer(objects, token=TOKEN, logs=logs, execute=execute) as one:
        yield one


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A TCP server that answers each line with itself, doubled."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


def _echo(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(connection.recv(65536) * 2)


class Kubectl:
    def __init__(self, server: ApiServer, home: Path, token: str = TOKEN) -> None:
        self._config = write_kubeconfig(home / f"kubeconfig-{token}", server.url, token)
        self._cache = home / "cache"

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", f"--kubeconfig={self._config}", f"--cache-dir={self._cache}"]
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=30, check=False
        )


@pytest.fixture
def kubectl(server: ApiServer, tmp_path: Path) -> Kubectl:
    if shutil.which("kubectl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("kubectl is not installed, and CI must not skip what only it can show")
        pytest.skip("kubectl is not installed")
    return Kubectl(server, tmp_path)


def rows(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_kubectl_lists_pods_in_columns(kubectl: Kubectl) -> None:
    table = rows(kubectl("get", "pods"))
    assert table[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [r[:4] for r in table[2:]] == [
        ["vllm-head-0", "1/1", "Running", "0"],
        ["vllm-worker-0", "1/1", "Running", "0"],
    ]


def test_kubectl_shows_addresses_and_nodes_on_request(kubectl: Kubectl) -> None:
    table = rows(kubectl("get", "pods", "-A", "-o", "wide", "-l", "app=vllm-head"))
    assert table[1][-2:] == ["127.77.0.2", "gpu-a"]
    assert len(table) == 2


def test_kubectl_selects_by_field(kubectl: Kubectl) -> None:
    done = kubectl("get", "pods", "--field-selector=spec.nodeName=gpu-b", "-o", "name")
    assert done.stdout == "pod/vllm-worker-0\n"


def test_kubectl_gets_json_and_short_names(kubectl: Kubectl) -> None:
    found = json.loads(kubectl("get", "sts", "vllm-head", "-o", "json").stdout)
    assert found["spec"]["serviceName"] == "vllm-head"


def test_kubectl_continues_a_list_in_pages(kubectl: Kubectl) -> None:
    assert len(rows(kubectl("get", "pods", "--chunk-size=1"))) == 4


def test_kubectl_describes_a_pod_with_its_events(kubectl: Kubectl) -> None:
    done = kubectl("describe", "pod", "vllm-head-0")
    assert done.returncode == 0, done.stderr
    for text in (
        "Controlled By:  StatefulSet/vllm-head",
        "nvidia.com/gpu:  8",
        "Started container",
    ):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        ((), "one\ntwo\nthree\n"),
        (("--tail=1",), "three\n"),
        (("--timestamps", "--tail=2"), "2026-11-20T08:00:02Z two\n2026-11-20T08:00:04Z three\n"),
        (("--since-time=2026-11-20T08:00:04Z",), "three\n"),
        (("--limit-bytes=5",), "one\nt"),
    ],
)
def test_kubectl_reads_logs(kubectl: Kubectl, options: tuple[str, ...], printed: str) -> None:
    assert kubectl("logs", "vllm-head-0", *options).stdout == printed


def test_kubectl_is_told_that_no_previous_log_exists(kubectl: Kubectl) -> None:
    done = kubectl("logs", "--previous", "vllm-head-0")
    assert done.returncode == 1
    assert 'previous terminated container "vllm"' in done.stderr


@pytest.mark.parametrize("code", [0, 3, 137])
def test_kubectl_exec_gives_output_and_exit_code(kubectl: Kubectl, code: int) -> None:
    done = kubectl("exec", "pair-0", "-c", "b", "--", "df", str(code))
    assert (done.returncode, done.stdout) == (code, "b says df\n")
    assert done.stderr.startswith("to stderr\n")


def test_kubectl_exec_of_a_missing_program_is_an_error(kubectl: Kubectl) -> None:
    done = kubectl("exec", "vllm-head-0", "--", "nothing")
    assert done.returncode == 1
    assert "executable file not found" in done.stderr


def test_kubectl_is_told_what_is_not_there(kubectl: Kubectl) -> None:
    done = kubectl("get", "pod", "gone")
    assert 'Error from server (NotFound): pods "gone" not found' in done.stderr


def test_kubectl_with_a_wrong_token_is_not_let_in(
    kubectl: Kubectl, server: ApiServer, tmp_path: Path
) -> None:
    assert kubectl("get", "pods").returncode == 0
    done = Kubectl(server, tmp_path, token="wrong")("get", "pods")
    assert done.returncode == 1
    assert "You must be logged in to the server" in done.stderr


def test_kubectl_is_told_what_is_forbidden(kubectl: Kubectl, server: ApiServer) -> None:
    server.denied = (Denial(("list",), ("pods",), ("llm",)),)
    done = kubectl("get", "pods")
    assert "(Forbidden): pods is forbidden" in done.stderr
    assert 'in the namespace "llm"' in done.stderr


@pytest.fixture
def core(server: ApiServer, tmp_path: Path) -> Iterator[Any]:
    from kubernetes import client, config  # noqa: PLC0415 - half a second that others need not pay

    path = write_kubeconfig(tmp_path / "kubeconfig", server.url, TOKEN)
    with config.new_client_from_config(str(path), persist_config=False) as one:
        yield client.CoreV1Api(one)


def test_the_python_client_lists_and_reads_logs(core: Any) -> None:
    found = core.list_namespaced_pod("llm", label_selector="app in (vllm-head)")
    assert [p.metadata.name for p in found.items] == ["vllm-head-0"]
    assert core.read_namespaced_pod_log("vllm-head-0", "llm", tail_lines=1) == "three\n"


def test_the_python_client_must_name_one_of_two_containers(core: Any) -> None:
    from kubernetes.client import ApiException  # noqa: PLC0415

    with pytest.raises(ApiException, match=r"choose one of: \[a b\]"):
        core.read_namespaced_pod_log("pair-0", "llm")


@pytest.mark.parametrize("code", [0, 2])
def test_the_python_client_execs(core: Any, code: int) -> None:
    from kubernetes.stream import stream  # noqa: PLC0415

    command = ["df", str(code)]
    call, where = core.connect_get_namespaced_pod_exec, ("vllm-head-0", "llm")
    one = stream(call, *where, command=command, stdout=True, stderr=True, _preload_content=False)
    one.run_forever(timeout=60)
    one.sock.shutdown()  # close() leaves the socket open once the server has closed
    assert (one.read_stdout(), one.returncode) == ("vllm says df\n", code)


def forwarded(core: Any, port: int, send: bytes) -> tuple[bytes, str | None]:
    from kubernetes.stream import portforward  # noqa: PLC0415

    one = portforward(core.connect_get_namespaced_pod_portforward, "vllm-head-0", "llm",
                      ports=str(port))  # fmt: skip
    sock = one.socket(port)
    sock.settimeout(10)
    if send:
        sock.sendall(send)
    received = b""
    while piece := sock.recv(65536):
        received += piece
    sock.close()
    for thread in threading.enumerate():
        if thread.name.startswith("Kubernetes port forward"):
            thread.join(10)
    one.websocket.shutdown()
    return received, one.error(port)


def test_the_python_client_forwards_a_port(
    core: Any, server: ApiServer, echo: tuple[str, int]
) -> None:
    server.forward = lambda _ns, _pod, port: echo if port == 9411 else None
    assert forwarded(core, 9411, b"x" * 1000) == (b"x" * 2000, None)


def test_a_port_without_listener_says_so_on_its_error_channel(core: Any) -> None:
    received, error = forwarded(core, 9999, b"")
    assert received == b""
    assert error is not None
    assert "9999" in error
    assert "connection refused" in error


def ask(server: ApiServer, path: str, token: str = TOKEN, body: bytes | None = None) -> Any:
    request = urllib.request.Request(server.url + path, body)
    request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


def test_an_access_review_answers_from_the_same_table(server: ApiServer) -> None:
    server.denied = (Denial(("create",), ("pods/exec",), ("llm",)),)
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    attributes = {"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "llm"}

    def allowed(**change: str) -> bool:
        spec = {"spec": {"resourceAttributes": attributes | change}}
        return bool(ask(server, path, body=json.dumps(spec).encode())["status"]["allowed"])

    assert not allowed()
    assert allowed(namespace="other")
    assert allowed(verb="get")


def test_objects_are_replaced_while_it_runs(server: ApiServer) -> None:
    before = ask(server, "/api/v1/pods")
    server.objects = [o for o in server.objects if o["kind"] != "Pod"]
    after = ask(server, "/api/v1/pods")
    assert len(before["items"]) == 5
    assert after["items"] == []
    assert before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"]


def test_a_list_that_goes_on_after_a_change_has_expired(server: ApiServer) -> None:
    token = ask(server, "/api/v1/pods?limit=1")["metadata"]["continue"]
    server.objects = server.objects
    assert ask(server, f"/api/v1/pods?limit=1&continue={token}")["reason"] == "Expired"


def test_a_custom_resource_without_objects_is_not_served(server: ApiServer) -> None:
    groups = {g["name"] for g in ask(server, "/apis")["groups"]}
    assert "apps" in groups
    assert "ray.io" not in groups


@pytest.mark.parametrize(
    ("fault", "says"),
    [(Fault(status=503), "ServiceUnavailable"), (Fault(status=429), "TooManyRequests")],
)
def test_a_fault_answers_instead(server: ApiServer, fault: Fault, says: str) -> None:
    server.faults = (fault,)
    assert ask(server, "/api/v1/pods")["reason"] == says


def test_a_slow_or_cut_answer_can_be_ordered_for_one_path(server: ApiServer) -> None:
    server.faults = (Fault("/services", latency=0.2), Fault("/pods", cut=10))
    begun = time.monotonic()
    assert ask(server, "/api/v1/services")["kind"] == "ServiceList"
    assert time.monotonic() - begun >= 0.2
    with pytest.raises(Exception, match="IncompleteRead"):
        ask(server, "/api/v1/pods")


def test_a_stopped_server_breaks_open_connections(server: ApiServer) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as open_one:
        open_one.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert open_one.recv(4096).startswith(b"HTTP/1.1 401")
        server.stop()
        while open_one.recv(4096):
            continue
