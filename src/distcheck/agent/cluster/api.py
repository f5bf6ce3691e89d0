"""The only door to the `kubernetes` package: raw JSON in, our own exceptions out."""

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from distcheck.agent.cluster.errors import Misconfigured, NotFound, Refused, Unreachable
from distcheck.agent.cluster.stream import Stream

Object = dict[str, Any]
Query = Iterable[tuple[str, str]]

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Api:
    """One cluster as one caller sees it. Safe to use from several threads.

    `namespace` is the context's own, `default` where it names none. `timeout` in seconds
    bounds each wait of each request (connecting, and each read).
    """

    def __init__(self, configuration: Any, namespace: str, timeout: float) -> None:
        from kubernetes.client.rest import RESTClientObject  # noqa: PLC0415 - slow to import

        self.namespace, self.timeout = namespace, timeout
        self._configuration = configuration
        self._pool = RESTClientObject(configuration).pool_manager
        self._lock = threading.Lock()

    def get(self, path: str, query: Query = ()) -> Object:
        """The object or list at `path`, as JSON.

        Raises:
            Refused, NotFound, Unreachable: as their names say.
        """
        body = self.read(path, query)
        try:
            value = json.loads(body)
        except ValueError as error:
            raise Unreachable(f"{path}: the answer is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise Unreachable(f"{path}: the answer is no object")
        return value

    def items(self, path: str, query: Query = ()) -> list[Object]:
        """All items of the list at `path`; raises as `get` does."""
        return list(self.get(path, query).get("items") or [])

    def read(self, path: str, query: Query = ()) -> bytes:
        """The bytes at `path` (a log, for instance); raises as `get` does."""
        from urllib3 import Timeout  # noqa: PLC0415 - the client's own HTTP library
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        wait = Timeout(connect=self.timeout, read=self.timeout)
        try:
            answer = self._pool.request(
                "GET", self._url(path, query), headers=self._headers(), timeout=wait, retries=False
            )
        except HTTPError as error:
            why = str(error).rpartition(": ")[2] or str(error)
            where = self._configuration.host
            raise Unreachable(f"cannot reach the API server at {where}: {why}") from error
        if answer.status != 200:
            raise _error(answer.status, path, answer.data)
        return bytes(answer.data)

    def stream(self, path: str, query: Query = ()) -> Stream:
        """A websocket to a pod's exec or port-forward; raises as `get` does."""
        from kubernetes.stream.ws_client import (  # noqa: PLC0415 - slow to import
            create_websocket,
            get_websocket_url,
        )
        from websocket import (  # noqa: PLC0415 - comes with the kubernetes client
            WebSocketBadStatusException,
            WebSocketException,
            setdefaulttimeout,
        )

        setdefaulttimeout(self.timeout)
        url = get_websocket_url(self._url(path, query))
        try:
            return Stream(create_websocket(self._configuration, url, self._headers()))
        except WebSocketBadStatusException as error:
            raise _error(error.status_code, path, error.resp_body or b"") from error
        except (WebSocketException, OSError) as error:
            raise Unreachable(f"{path}: {error}") from error

    def _url(self, path: str, query: Query) -> str:
        pairs = list(query)
        return f"{self._configuration.host}{path}" + (f"?{urlencode(pairs)}" if pairs else "")

    def _headers(self) -> dict[str, str]:
        """The caller's credential; a short-lived token is renewed by the client's own hook."""
        with self._lock:
            settings = self._configuration.auth_settings().values()
        headers = {s["key"]: s["value"] for s in settings if s["in"] == "header" and s["value"]}
        return {"accept": "application/json", **headers}


def connect(
    kubeconfig: str | None = None, context: str | None = None, *, timeout: float = 10.0
) -> Api:
    """The cluster that a kubeconfig names, or the one that we run in.

    The file is `kubeconfig`, else KUBECONFIG, else `~/.kube/config`; where none of them is
    given and none exists, the pod's service account.

    Raises:
        Misconfigured: there is no usable configuration.
    """
    from kubernetes import client, config  # noqa: PLC0415 - takes half a second to import

    configuration = client.Configuration()
    path = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    try:
        if kubeconfig is None and context is None and _in_cluster(path):
            config.load_incluster_config(client_configuration=configuration)
            return Api(configuration, _own_namespace(), timeout)
        config.load_kube_config(path, context, configuration, persist_config=False)
        namespace = _context_namespace(config, path, context)
    except Exception as error:  # a broken file raises whatever it breaks
        raise Misconfigured(f"kubeconfig {path}: {error}") from error
    return Api(configuration, namespace, timeout)


def _in_cluster(path: str) -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and not Path(path).exists()


def _own_namespace() -> str:
    return (_SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()


def _context_namespace(config: Any, path: str, context: str | None) -> str:
    contexts, current = config.list_kube_config_contexts(path)
    chosen = next((c for c in contexts if c["name"] == context), current)
    return str(chosen["context"].get("namespace") or "default")


def _error(code: int, path: str, body: bytes) -> Refused | NotFound | Unreachable:
    says = _message(body) or f"HTTP {code}"
    if code in (401, 403):
        return Refused(f"{says} ({path})", code)
    if code == 404:
        return NotFound(says if says != "HTTP 404" else f"{path}: not found")
    return Unreachable(f"{path}: HTTP {code}: {says}")


def _message(body: bytes) -> str:
    try:
        value = json.loads(body)
    except ValueError:
        return body[:200].decode("utf-8", "replace").strip()
    return str(value.get("message", "")) if isinstance(value, dict) else ""
