"""A vLLM server is asked three harmless questions, and whatever it answers is survived."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.logs.corpus import CORPUS
from tests.probes.node_folder import need_root

from distcheck.agent import http_get
from distcheck.agent.exposition import samples
from distcheck.agent.http_get import NoAnswerError, Server, body_of
from distcheck.agent.probes.engine_http import caches_of, look, models_of
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence.serving import EngineCache, ServedModel

OWN = Path("/proc/self/ns/net")
METRICS = """\
# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",cache_dtype="fp8",cpu_offload_gb="4",engine="0",\
gpu_memory_utilization="0.92",num_cpu_blocks="None",num_gpu_blocks="8192"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:engine_sleep_state{engine="0",sleep_state="awake"} 0.0
vllm:engine_sleep_state{engine="0",sleep_state="weights_offloaded"} 1.0
vllm:cache_config_info{engine="1",num_gpu_blocks="8000"} 1.0
vllm:prompt_tokens_total{engine="0"} 7.0
"""
MODELS = {
    "data": [
        {"id": "org/m", "root": "/models/m", "parent": None, "max_model_len": 32768, "x": 1},
        {"id": "adapter", "root": "/loras/a", "parent": "org/m"},
    ]
}
GOOD = {
    "/version": '{"version": "0.10.2"}',
    "/v1/models": json.dumps(MODELS),
    "/metrics": METRICS,
}


@contextmanager
def served(answers: dict[str, str], ip: str = "127.0.0.1") -> Iterator[tuple[Server, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            super().handle_one_request()
            asked.append(f"{self.command} {self.path}")

        def do_GET(self) -> None:
            body = answers.get(self.path, "").encode()
            self.send_response(200 if self.path in answers else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer((ip, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Server(41, OWN, ip, server.server_address[1]), asked
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def raw(*parts: bytes, pause: float = 0.0) -> Iterator[Server]:
    """A server that sends these bytes to whoever connects, and nothing else."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send() -> None:
            while not over.is_set():
                client, _ = listener.accept()
                with client:
                    client.recv(65536)
                    for part in parts:
                        if over.wait(pause):
                            return
                        try:
                            client.sendall(part)
                        except OSError:
                            break

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield Server(41, OWN, "127.0.0.1", listener.getsockname()[1])
        finally:
            over.set()
            with socket.create_connection(listener.getsockname()):
                pass
            thread.join()


def test_a_server_tells_its_cache_its_models_and_its_version() -> None:
    with served(GOOD) as (server, asked):
        seen = look(server, "2026-01-01T00:00:00Z")
    assert (seen.version, seen.notes, seen.pid) == ("0.10.2", (), 41)
    assert seen.models == (
        ServedModel("org/m", "/models/m", None, 32768),
        ServedModel("adapter", "/loras/a", "org/m"),
    )
    assert seen.caches == (
        EngineCache(
            engine="0",
            num_gpu_blocks=8192,
            block_size=16,
            gpu_memory_utilization=0.92,
            cache_dtype="fp8",
            cpu_offload_gib=4.0,
            usage=0.25,
            sleep="weights_offloaded",
        ),
        EngineCache(engine="1", num_gpu_blocks=8000),
    )
    assert asked == ["GET /version", "GET /v1/models", "GET /metrics"]


def test_an_answer_that_is_refused_is_a_note_and_the_rest_is_seen() -> None:
    with served({"/version": GOOD["/version"], "/metrics": "{"}) as (server, _):
        seen = look(server, "")
    assert seen.version == "0.10.2"
    assert seen.notes == ("/v1/models: status 401",)


def test_an_answer_that_is_no_json_is_a_note() -> None:
    with served({**GOOD, "/version": "nginx"}) as (server, _):
        seen = look(server, "")
    assert seen.version is None
    assert len(seen.caches) == 2
    assert "/version is not JSON" in seen.notes[0]


def test_a_port_that_nobody_listens_on_is_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ProbeError, match=r"pid 41\): /version: Connection refused"):
        look(Server(41, OWN, "127.0.0.1", port), "")


def test_an_address_of_another_host_is_not_asked() -> None:
    with pytest.raises(ProbeError, match="Cannot assign requested address"):
        look(Server(41, OWN, "192.0.2.1", 8000), "")


def test_a_redirect_is_not_followed() -> None:
    found = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/x\r\n\r\n"
    with raw(found) as server, pytest.raises(ProbeError, match="status 302"):
        look(server, "")


def test_an_endless_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_get, "_MAX_ANSWER", 1 << 20)
    parts = [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65536] * 64]
    with raw(*parts) as server, pytest.raises(NoAnswerError, match="larger than"):
        http_get.answer(server, "/metrics")


def test_an_answer_that_drips_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_get, "TIMEOUT", 0.4)
    drips = raw(*[b"H"] * 100, pause=0.05)
    with drips as server, pytest.raises(NoAnswerError, match=r"no answer in 0.4 s"):
        http_get.answer(server, "/metrics")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\nab",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 " + b"9" * 5000 + b"\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02F",
    ],
)
def test_an_answer_that_is_not_whole_http_says_so(said: bytes) -> None:
    with pytest.raises(NoAnswerError, match="not whole HTTP"):
        body_of(said)


def test_an_answer_in_chunks_is_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert body_of(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n") == b"abc"


@settings(deadline=None)
@given(st.binary() | st.binary().map(lambda b: b"HTTP/1.1 200 OK\r\n" + b))
@example(b"HTTP/1.1 100 Continue\r\n\r\n")
def test_any_answer_is_survived(said: bytes) -> None:
    try:
        body = body_of(said)
    except NoAnswerError:
        body = b""
    assert len(body) <= len(said)


@settings(deadline=None)
@given(st.text() | st.from_regex(r'vllm:kv_cache_usage_perc\{([a-z]="[^\n]{0,9}",?){0,3}\} .{0,9}'))
def test_any_text_of_metrics_is_survived(text: str) -> None:
    for sample in samples(text, frozenset({"vllm:kv_cache_usage_perc"})):
        assert isinstance(sample.value, float)


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ('m{a="1",b="x\\"y\\\\z\\n"} 1', {"a": "1", "b": 'x"y\\z\n'}),
        ('m{a="1",} 1.5e3 1700000000', {"a": "1"}),
        ("m{} +Inf", {}),
        ("m 0", {}),
        ('m{a="}"} 1', {"a": "}"}),
    ],
)
def test_a_line_of_metrics_is_read_with_its_labels(line: str, labels: dict[str, str]) -> None:
    assert [s.labels for s in samples(line, frozenset({"m"}))] == [labels]


@pytest.mark.parametrize(
    "line", ['m{a="1" 1', "m{a=1} 1", 'm{a="1"} x', "m{", "mm 1", "# m 1", 'm{a="' + "\\" * 16000]
)
def test_a_line_of_another_form_is_left_out(line: str) -> None:
    assert list(samples(line, frozenset({"m"}))) == []


def test_a_flood_of_metrics_and_models_is_cut() -> None:
    many = "".join(f'vllm:cache_config_info{{engine="{n}"}} 1\n' for n in range(9000))
    assert len(caches_of(many.encode())) == 1024
    models = {"data": [{"id": "x" * 9000, "max_model_len": 10**30}] * 9000}
    seen = models_of(json.dumps(models).encode())
    assert (len(seen), len(seen[0].id), seen[0].max_model_len) == (256, 512, None)


@pytest.mark.parametrize(
    "metrics",
    [
        'vllm:cache_config_info{num_gpu_blocks="-1",gpu_memory_utilization="nan"} 1',
        'vllm:cache_config_info{num_gpu_blocks="1e9",gpu_memory_utilization="1.5"} 1',
        "".join(f'vllm:engine_sleep_state{{sleep_state="{s}"}} 1\n' for s in ("awake", "x")),
        "vllm:kv_cache_usage_perc 7",
    ],
)
def test_an_absurd_number_or_state_is_not_taken_over(metrics: str) -> None:
    assert caches_of(metrics.encode()) == (EngineCache(),)


def test_a_model_name_that_utf8_cannot_hold_is_replaced() -> None:
    (seen,) = models_of(b'{"data": [{"id": "a\\ud800"}, {"id": 7}, null]}')
    assert seen.id == "a?"


def test_an_old_engines_usage_is_read_under_its_old_name() -> None:
    (seen,) = caches_of(b"vllm:gpu_cache_usage_perc 0.5\n")
    assert seen.usage == 0.5


@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus here")
def test_recorded_servers_tell_their_blocks() -> None:
    paths = sorted((CORPUS.parent / "vllm" / "real-cpu-0.32.0").glob("*.metrics.txt"))
    assert paths
    for path in paths:
        for cache in caches_of(path.read_bytes()):
            assert cache.num_gpu_blocks
            assert (cache.block_size, cache.sleep, cache.cache_dtype) == (128, "awake", "auto")


def test_a_server_is_asked_inside_another_network_namespace() -> None:
    reason = need_root("unshare")
    if reason:
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    script = (
        "import http.server,socketserver\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        " def do_GET(self):\n"
        '  self.send_response(200); self.end_headers(); self.wfile.write(b\'{"version":"9"}\')\n'
        " def log_message(self,*a): pass\n"
        "s=socketserver.TCPServer(('127.0.0.1',8000),H)\nprint('up',flush=True)\ns.serve_forever()\n"
    )
    command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec python3 -c "$0"', script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            namespace = Path(f"/proc/{process.pid}/ns/net")
            seen = look(Server(process.pid, namespace, "127.0.0.1", 8000), "")
        finally:
            process.kill()
    assert seen.version == "9"
    assert os.path.samestat(Path("/proc/thread-self/ns/net").stat(), OWN.stat())
