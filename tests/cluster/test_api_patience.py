"""The door to the cluster waits for a busy server, reads lists page by page, and ends in time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster import api as api_module
from distcheck.agent.cluster.api import Api, connect
from distcheck.agent.cluster.errors import NotFound, Refused, Unreachable
from distcheck.agent.cluster.retries import pause_after
from distcheck.lab.apiserver import ApiServer, write_kubeconfig
from tests.cluster.manifests.build import two_nodes

PODS = "/api/v1/namespaces/llm/pods"
Reply = tuple[int, dict[str, str], bytes]
EMPTY: Reply = (200, {}, b'{"items": []}')


@contextmanager
def scripted(tmp_path: Path, *replies: Reply, drip: float = 0.0) -> Iterator[tuple[Api, list[str]]]:
    """A server that gives these replies in order, the last one for ever; and what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            code, headers, body = replies[min(len(asked), len(replies) - 1)]
            asked.append(self.path)
            self.send_response(code)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            for byte in (body[i : i + 1] for i in range(len(body))) if drip else (body,):
                time.sleep(drip)
                self.wfile.write(byte)
                self.wfile.flush()

        def log_message(self, *_args: Any) -> None:
            """Nothing to say."""

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield connect(str(write_kubeconfig(tmp_path / "k", url, "t")), timeout=2.0), asked
    finally:
        server.shutdown()
        server.server_close()


def busy(code: int, **headers: str) -> Reply:
    return code, {k.replace("_", "-"): v for k, v in headers.items()}, b'{"message": "busy"}'


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(tmp_path: Path, code: int) -> None:
    with scripted(tmp_path, busy(code), EMPTY) as (api, asked):
        assert api.items(PODS) == []
    assert len(asked) == 2


def test_the_servers_own_retry_after_is_kept(tmp_path: Path) -> None:
    with scripted(tmp_path, busy(429, Retry_After="1"), EMPTY) as (api, _):
        begun = time.monotonic()
        api.items(PODS)
        assert time.monotonic() - begun >= 1


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(tmp_path: Path) -> None:
    end = time.monotonic() + 30
    scripts = scripted(tmp_path, busy(429, Retry_After="60"))
    with scripts as (api, asked), pytest.raises(Unreachable, match="HTTP 429: busy"):
        api.until(end).items(PODS)
    assert time.monotonic() < end
    assert len(asked) == 1


def test_a_server_that_stays_busy_is_given_up_in_words(tmp_path: Path) -> None:
    with (
        scripted(tmp_path, busy(503)) as (api, asked),
        pytest.raises(Unreachable, match="HTTP 503: busy"),
    ):
        api.items(PODS)
    assert 1 < len(asked) <= 4


@pytest.mark.parametrize(("code", "error"), [(401, Refused), (403, Refused), (404, NotFound)])
def test_what_time_does_not_mend_is_asked_once(
    tmp_path: Path, code: int, error: type[Exception]
) -> None:
    with scripted(tmp_path, busy(code)) as (api, asked), pytest.raises(error):
        api.items(PODS)
    assert len(asked) == 1


def test_an_answer_that_drips_for_ever_ends_with_the_deadline(tmp_path: Path) -> None:
    scripts = scripted(tmp_path, (200, {}, b"x" * 4096), drip=0.05)
    with scripts as (api, _), pytest.raises(Unreachable):
        api.until(time.monotonic() + 0.6).get(PODS)


def test_a_cut_answer_is_asked_for_again(tmp_path: Path) -> None:
    cut = (200, {"Content-Length": "99", "Connection": "close"}, b'{"items')
    with scripted(tmp_path, cut, EMPTY) as (api, asked):
        assert api.items(PODS) == []
    assert len(asked) == 2


def test_an_answer_that_is_not_json_is_said_to_be(tmp_path: Path) -> None:
    for body in (b"<html>", b"[" * 100_000, b"5"):
        with scripted(tmp_path, (200, {}, body)) as (api, _), pytest.raises(Unreachable):
            api.get(PODS)


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    moved = (302, {"Location": "http://127.0.0.1:1/"}, b"")
    with (
        scripted(tmp_path, moved, EMPTY) as (api, asked),
        pytest.raises(Unreachable, match="HTTP 302"),
    ):
        api.get(PODS)
    assert len(asked) == 1


def test_retry_after_may_be_no_number() -> None:
    assert pause_after(429, 1, "Wed, 21 Oct 2026 07:28:00 GMT") == pause_after(429, 1, None)
    assert pause_after(429, 1, "9" * 50) == pause_after(429, 1, None)
    assert pause_after(404, 1, "1") is None


class Changing(ApiServer):
    """Its objects change before the request of that number."""

    before = 0
    calls = 0

    def admits(self, token: str) -> bool:
        self.calls += 1
        if self.calls == self.before:
            self.objects = self.objects
        return super().admits(token)


@pytest.mark.parametrize("before", [0, 2, 3])
def test_a_list_is_read_page_by_page_and_once_more_where_it_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setattr(api_module, "_PAGE", "1")
    with Changing(two_nodes(), token="t") as server:
        server.before = before
        api = connect(str(write_kubeconfig(tmp_path / "k", server.url, "t")))
        names = [p["metadata"]["name"] for p in api.items("/api/v1/pods")]
    assert sorted(names) == sorted(
        ["vllm-head-0", "vllm-worker-0", "distcheck-agent-gpu-a", "distcheck-agent-gpu-b"]
    )
    assert server.calls == (before + 1 if before else 4)
