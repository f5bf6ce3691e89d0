"""The stand-in API server: objects in memory behind real HTTP on loopback."""

import hmac
import threading
from collections.abc import Iterable
from typing import Any, Self

from msgspec import Struct

from distcheck.lab.apiserver.access import Denial
from distcheck.lab.apiserver.ask import Ask
from distcheck.lab.apiserver.fault import Fault, Faults
from distcheck.lab.apiserver.handler import Handler
from distcheck.lab.apiserver.history import History
from distcheck.lab.apiserver.listener import Listener
from distcheck.lab.apiserver.podio import LogReader
from distcheck.lab.apiserver.streams import Executor, Forwarder

Object = dict[str, Any]


def no_logs(_namespace: str, _pod: str, _container: str, _previous: bool) -> bytes | None:
    """No container has written anything."""
    return None


def no_execute(
    _namespace: str, _pod: str, _container: str, argv: list[str]
) -> tuple[int, bytes, bytes]:
    """No container has any program."""
    raise FileNotFoundError(f'exec: "{argv[0]}": executable file not found in $PATH')


def no_forward(_namespace: str, _pod: str, _port: int) -> tuple[str, int] | None:
    """No pod listens anywhere."""
    return None


class Asked(Struct, frozen=True):
    """A request as RBAC sees it: `pods/log` is a resource of its own."""

    verbs: tuple[str, ...]
    group: str
    resource: str
    namespace: str
    name: str


class ApiServer:
    """Serves Kubernetes objects (dicts) to kubectl and to API clients.

    `logs(namespace, pod, container, previous)` gives a log file as the kubelet keeps it, or
    None. `execute(namespace, pod, container, argv)` gives (exit code, stdout, stderr), or
    raises OSError where the program cannot start. `forward(namespace, pod, port)` gives the
    (host, port) that stands for that port of the pod, or None where nothing listens.

    `objects`, `denied` and `faults` may be assigned while it runs: each request reads each
    of them once. `asked` has every request that was let in, oldest first.

    Credential: the bearer token in the Authorization header, or the path prefix `/as/TOKEN`
    for clients that send none over plain HTTP. An empty token lets all in.
    """

    def __init__(  # noqa: PLR0913 - the outside world of a cluster, all of it named
        self,
        objects: Iterable[Object] = (),
        *,
        token: str = "",
        logs: LogReader = no_logs,
        execute: Executor = no_execute,
        forward: Forwarder = no_forward,
        denied: Iterable[Denial] = (),
        faults: Iterable[Fault] = (),
    ) -> None:
        self.token = token
        self.logs, self.execute, self.forward = logs, execute, forward
        self.denied = tuple(denied)
        self.faults = tuple(faults)
        self.history = History(objects)
        self.asked: list[Asked] = []
        self._listener: Listener | None = None

    @property
    def objects(self) -> tuple[Object, ...]:
        """What is served now."""
        return self.history.now[1]

    @objects.setter
    def objects(self, objects: Iterable[Object]) -> None:
        self.history.put(objects)

    @property
    def state(self) -> tuple[int, tuple[Object, ...]]:
        """(resource version, objects), read together."""
        return self.history.now

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What goes wrong now; counting begins anew where it is assigned."""
        return self._faults.all

    @faults.setter
    def faults(self, faults: Iterable[Fault]) -> None:
        self._faults = Faults(faults)

    def fault(self, path: str) -> Fault:
        """What this request meets."""
        return self._faults.meet(path)

    def note_ask(self, verbs: tuple[str, ...], ask: Ask) -> None:
        """Remember a request that was let in."""
        resource = f"{ask.resource}/{ask.subresource}" if ask.subresource else ask.resource
        self.asked.append(Asked(verbs, ask.group, resource, ask.scope, ask.name))

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`.

        Raises:
            RuntimeError: the server has not been started.
        """
        if self._listener is None:
            raise RuntimeError("the API server is not running")
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    def admits(self, token: str) -> bool:
        """Whether a caller with this credential is let in."""
        return not self.token or hmac.compare_digest(self.token.encode(), token.encode())

    def start(self, port: int = 0) -> Self:
        """Listen on loopback (a free port where `port` is 0) and serve from threads."""
        self._listener = Listener(("127.0.0.1", port), Handler, self)
        serve = self._listener.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening and break every open connection."""
        if self._listener is not None:
            self.history.end()
            self._listener.stop()
            self._listener = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()
