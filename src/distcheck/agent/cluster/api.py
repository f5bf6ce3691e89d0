"""The only door to the `kubernetes` package: raw JSON in, our own exceptions out."""

import copy
import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from distcheck.agent.cluster.errors import Misconfigured, Unreachable
from distcheck.agent.cluster.requests import Requests, error_of
from distcheck.agent.cluster.stream import Stream

Object = dict[str, Any]
Query = Iterable[tuple[str, str]]

AT_ONCE = 32
"""Questions side by side; as many connections are kept open."""
_PAGE = "500"
_MOST_PAGES = 4096
_EXPIRED = "HTTP 410"
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Api:
    """One cluster as one caller sees it. Safe to use from several threads.

    `namespace` is the context's own, `default` where it names none. `timeout` in seconds
    bounds each wait of each request (connecting, and each read).
    """

    def __init__(self, configuration: Any, namespace: str, timeout: float) -> None:
        from kubernetes.client.rest import RESTClientObject  # noqa: PLC0415 - slow to import

        self.namespace = namespace
        self._configuration, self._lock = configuration, threading.Lock()
        configuration.connection_pool_maxsize = AT_ONCE
        pool = RESTClientObject(configuration).pool_manager
        self._requests = Requests(pool, configuration.host, self._headers, timeout)

    @property
    def calls(self) -> int:
        """What the API server was asked so far, tries included."""
        return self._requests.calls

    def until(self, deadline: float) -> Self:
        """The same cluster over the same connections, all done by `deadline` (monotonic)."""
        bounded = copy.copy(self)
        bounded._requests = self._requests.until(deadline)  # noqa: SLF001 - a copy of itself
        return bounded

    def get(self, path: str, query: Query = ()) -> Object:
        """The object or list at `path`, as JSON.

        Raises:
            Refused, NotFound, Unreachable: as their names say.
        """
        return _object(self.read(path, query), path)

    def create(self, path: str, body: Object) -> Object:
        """The answer to a review that is posted to `path`; raises as `get` does."""
        return _object(self._requests.whole("POST", path, json.dumps(body)), path)

    def items(self, path: str, query: Query = ()) -> list[Object]:
        """All items of the list at `path`, page by page; raises as `get` does.

        A continuation that has expired starts the list again, once, and in one piece.
        """
        try:
            return self._pages(path, [*query, ("limit", _PAGE)])
        except Unreachable as error:
            if _EXPIRED not in str(error):
                raise
        return self._pages(path, list(query))

    def _pages(self, path: str, query: list[tuple[str, str]]) -> list[Object]:
        found: list[Object] = []
        more: list[tuple[str, str]] = []
        given: set[str] = set()
        while len(given) < _MOST_PAGES:
            page = self.get(path, [*query, *more])
            found += page.get("items") or []
            token = str((page.get("metadata") or {}).get("continue") or "")
            if not token:
                return found
            if token in given:
                raise Unreachable(f"{path}: the list has no end: its next page is one before")
            given.add(token)
            more = [("continue", token)]
        raise Unreachable(f"{path}: the list has more than {_MOST_PAGES} pages")

    def read(self, path: str, query: Query = ()) -> bytes:
        """The bytes at `path`; raises as `get` does."""
        return self._requests.whole("GET", _target(path, query))

    def chunks(self, path: str, query: Query = ()) -> Iterator[bytes]:
        """The bytes at `path` (a log, for instance) as they come in; raises as `get` does.

        What breaks after the first bytes is not asked for again.
        """
        return self._requests.chunks("GET", _target(path, query))

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

        setdefaulttimeout(self._requests.wait(path))
        url = get_websocket_url(self._configuration.host + _target(path, query))
        self._requests.count()
        try:
            return Stream(create_websocket(self._configuration, url, self._headers()))
        except WebSocketBadStatusException as error:
            raise error_of(error.status_code, path, error.resp_body or b"") from error
        except (WebSocketException, OSError) as error:
            raise Unreachable(f"{path}: {error}") from error

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
        there = any(Path(p).expanduser().exists() for p in path.split(os.pathsep) if p)
        why = error if there else "no such file; name one with --kubeconfig or KUBECONFIG"
        raise Misconfigured(f"kubeconfig {path}: {why}") from error
    return Api(configuration, namespace, timeout)


def _in_cluster(path: str) -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and not Path(path).exists()


def _own_namespace() -> str:
    return (_SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()


def _context_namespace(config: Any, path: str, context: str | None) -> str:
    contexts, current = config.list_kube_config_contexts(path)
    chosen = next((c for c in contexts if c["name"] == context), current)
    return str(chosen["context"].get("namespace") or "default")


def _target(path: str, query: Query) -> str:
    pairs = list(query)
    return path + (f"?{urlencode(pairs)}" if pairs else "")


def _object(body: bytes, path: str) -> Object:
    try:
        value = json.loads(body, object_hook=_without_nulls)
    except (ValueError, RecursionError) as error:
        raise Unreachable(f"{path}: the answer is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Unreachable(f"{path}: the answer is no object")
    return value


def _without_nulls(one: Object) -> Object:
    """A field that is null means the same as one that is absent (Kubernetes API conventions)."""
    return {k: _items(v) for k, v in one.items() if v is not None}


def _items(value: Any) -> Any:
    return [v for v in value if v is not None] if isinstance(value, list) else value
