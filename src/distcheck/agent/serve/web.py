"""The HTTP side of `serve`: verdicts as JSON, metrics, and whether it lives."""

import time
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from distcheck.agent.bounded_server import BoundedHandler, BoundedServer
from distcheck.agent.openmetrics import page
from distcheck.agent.serve.metrics import ServeFamilies
from distcheck.agent.serve.rounds import Rounds
from distcheck.agent.serve.verdicts import Kept

_JSON, _TEXT = "application/json", "text/plain; charset=utf-8"


class _Handler(BoundedHandler):
    """GET only; every answer has its length."""

    server: "Web"

    def get(self) -> None:
        """`/v1/verdict/{namespace}/{workload}`, `/v1/verdicts`, `/metrics`, the two probes."""
        path = unquote(urlsplit(self.path).path).rstrip("/")
        parts = path.split("/")
        if path in ("/healthz", "/readyz"):
            self._probe(ready=path == "/readyz")
        elif path == "/metrics":
            self._metrics()
        elif path == "/v1/verdicts":
            self.answer(HTTPStatus.OK, msgspec.json.encode(self._all()), _JSON)
        elif parts[1:3] == ["v1", "verdict"] and len(parts) == 5:
            self._verdict(parts[3], parts[4])
        else:
            self.answer(HTTPStatus.NOT_FOUND, b"no such page\n", _TEXT)

    def _probe(self, *, ready: bool) -> None:
        """Ready once a round has ended; alive as long as rounds go on."""
        verdicts, trouble = self.server.verdicts, ""
        if not self.server.rounds.alive:
            trouble = "no rounds are going on"
        elif ready and not verdicts.rounds:
            trouble = verdicts.trouble
        status = HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK
        self.answer(status, f"{trouble or 'ok'}\n".encode(), _TEXT)

    def _metrics(self) -> None:
        accept, encoding = (self.headers.get(h, "") for h in ("Accept", "Accept-Encoding"))
        one = page(ServeFamilies(self.server.verdicts), accept, encoding)
        packed = {"Content_Encoding": "gzip"} if one.gzipped else {}
        self.answer(HTTPStatus.OK, one.body, one.content_type, **packed)

    def _verdict(self, namespace: str, workload: str) -> None:
        kept = self.server.verdicts.of(namespace, workload, time.time())
        if kept is None:
            known = [f"{ns}/{name}" for ns, name in self.server.verdicts.all(time.time())]
            says = {"error": f"no serving group {namespace}/{workload}", "known": known}
            self.answer(HTTPStatus.NOT_FOUND, msgspec.json.encode(says), _JSON)
            return
        self.answer(HTTPStatus.OK, msgspec.json.encode(kept.report), _JSON)

    def _all(self) -> dict[str, Any]:
        verdicts = self.server.verdicts
        kept = verdicts.all(time.time())
        groups = [_line(namespace, name, one) for (namespace, name), one in kept.items()]
        left_out = dict(verdicts.discovery.left_out)
        return {"groups": groups, "left_out": left_out, "trouble": verdicts.trouble}


def _line(namespace: str, workload: str, kept: Kept) -> dict[str, Any]:
    report = kept.report
    return {
        "namespace": namespace,
        "workload": workload,
        "verdict": report.verdict,
        "summary": report.summary,
        "observed_at": report.observed_at,
        "pods": list(kept.members),
    }


class Web(BoundedServer):
    """Answers from memory, to a bounded crowd."""

    def __init__(self, address: tuple[str, int], rounds: Rounds) -> None:
        self.rounds, self.verdicts = rounds, rounds.verdicts
        super().__init__(address, _Handler)
