"""The HTTP side of `serve`: verdicts as JSON, metrics, and whether it lives."""

import time
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from distcheck.agent.bounded_server import BoundedHandler, BoundedServer
from distcheck.agent.cluster.troubles.reasons import short
from distcheck.agent.openmetrics import page
from distcheck.agent.serve.asked_gate import BadQuestion, asked_in, terms_of, webhook
from distcheck.agent.serve.gate import Answer, Gate
from distcheck.agent.serve.metrics import ServeFamilies
from distcheck.agent.serve.rounds import Rounds
from distcheck.agent.serve.verdicts import Kept
from distcheck.checks.verdict import verdict_line

_MAX_BODY, _EVENT = 64 * 1024, 800
_TOO_LARGE = b"the body may have 65536 bytes\n"
_JSON, _TEXT = "application/json", "text/plain; charset=utf-8"


class _Handler(BoundedHandler):
    """GET, and one path to POST to; every answer has its length."""

    server: "Web"

    def get(self) -> None:
        """The paths of `/v1/verdict`, `/v1/gate`, `/v1/verdicts`, `/metrics` and two probes."""
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
        elif parts[1:3] == ["v1", "gate"] and len(parts) == 5:
            self._gate(parts[3], parts[4])
        else:
            self.answer(HTTPStatus.NOT_FOUND, b"no such page\n", _TEXT)

    def do_POST(self) -> None:  # noqa: N802 - its name there
        """`/v1/gate`: a Flagger webhook; 200 where the group passes, else why not in one line."""
        size = self.headers.get("Content-Length", "")
        if urlsplit(self.path).path.rstrip("/") != "/v1/gate":
            self.answer(HTTPStatus.NOT_FOUND, b"no such page to POST to\n", _TEXT)
        elif not size.isdecimal():
            self.answer(HTTPStatus.LENGTH_REQUIRED, b"Content-Length is needed\n", _TEXT)
        elif len(size) > 6 or int(size) > _MAX_BODY:
            self.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE, _TEXT)
        else:
            self._webhook(self.rfile.read(int(size)))

    def _webhook(self, body: bytes) -> None:
        try:
            question = webhook(body, urlsplit(self.path).query)
        except BadQuestion as error:
            self.answer(HTTPStatus.BAD_REQUEST, _line(str(error)), _TEXT)
            return
        said = self.server.gate.ask(question.namespace, question.workload, question.terms)
        self.answer(_status(said), _line(verdict_line(said.verdict, said.says)), _TEXT)

    def _gate(self, namespace: str, workload: str) -> None:
        """The same for who reads JSON and not the status, as Argo's web metric does: 200."""
        try:
            terms = terms_of(asked_in(urlsplit(self.path).query), "query")
        except BadQuestion as error:
            body = msgspec.json.encode({"error": str(error)})
            self.answer(HTTPStatus.BAD_REQUEST, body, _JSON)
            return
        said = self.server.gate.ask(namespace, workload, terms)
        self.answer(HTTPStatus.OK, msgspec.json.encode(said), _JSON)

    def _probe(self, *, ready: bool) -> None:
        """Ready once a round has ended; alive as long as rounds go on."""
        verdicts, trouble = self.server.verdicts, ""
        if not self.server.rounds.alive:
            trouble = "no rounds are going on"
        elif ready and not verdicts.rounds:
            trouble = verdicts.trouble
        self.health(trouble, _TEXT)

    def _metrics(self) -> None:
        accept, encoding = (self.headers.get(h, "") for h in ("Accept", "Accept-Encoding"))
        one = page(ServeFamilies(self.server.verdicts), accept, encoding)
        packed = {"Content_Encoding": "gzip"} if one.gzipped else {}
        self.answer(HTTPStatus.OK, one.body, one.content_type, **packed)

    def _verdict(self, namespace: str, workload: str) -> None:
        kept = self.server.verdicts.of(namespace, workload, time.monotonic())
        if kept is None:
            known = [f"{ns}/{name}" for ns, name in self.server.verdicts.all(time.monotonic())]
            says = {"error": f"no serving group {namespace}/{workload}", "known": known}
            self.answer(HTTPStatus.NOT_FOUND, msgspec.json.encode(says), _JSON)
            return
        age = str(max(0, int(time.monotonic() - kept.judged_at)))
        self.answer(HTTPStatus.OK, msgspec.json.encode(kept.report), _JSON, Age=age)

    def _all(self) -> dict[str, Any]:
        verdicts = self.server.verdicts
        kept = verdicts.all(time.monotonic())
        groups = [_short(namespace, name, one) for (namespace, name), one in kept.items()]
        left_out = dict(verdicts.discovery.left_out)
        return {"groups": groups, "left_out": left_out, "trouble": verdicts.trouble}


def _status(said: Answer) -> HTTPStatus:
    """200 passes; 412 is proven wrong, 409 not decided yet, 404 no group of that name.

    None of 500 and above: Flagger's client (go-retryablehttp) shows no body of those.
    """
    if said.passed:
        return HTTPStatus.OK
    if not said.known:
        return HTTPStatus.NOT_FOUND
    failed = said.result == "fail"
    return HTTPStatus.PRECONDITION_FAILED if failed else HTTPStatus.CONFLICT


def _line(says: str) -> bytes:
    """One line that fits into a Kubernetes event, whose message holds 1024 bytes."""
    return f"{short(says, _EVENT)}\n".encode()


def _short(namespace: str, workload: str, kept: Kept) -> dict[str, Any]:
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
        self.rounds, self.verdicts, self.gate = rounds, rounds.verdicts, Gate(rounds, rounds.api)
        super().__init__(address, _Handler)
