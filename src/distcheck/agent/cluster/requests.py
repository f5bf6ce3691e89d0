"""HTTP to an API server: patient with one that is busy, bounded by a deadline, never endless."""

import copy
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from distcheck.agent.cluster.errors import NotFound, Refused, Unreachable
from distcheck.agent.cluster.retries import pause_after, pause_after_cut

_CHUNK = 256 * 1024
_MAX_ANSWER = 512 << 20
_OK = (200, 201)


class _CutError(Unreachable):
    """The connection broke in the middle: the same question may be asked again."""


class Requests:
    """Questions over a pool of connections, which copies share.

    `timeout` in seconds bounds each wait (connecting, and each read), `deadline` on
    `time.monotonic` all of them together. `headers` gives the caller's credential.
    """

    def __init__(
        self, pool: Any, host: str, headers: Callable[[], dict[str, str]], timeout: float
    ) -> None:
        self.host, self.timeout = host, timeout
        self.deadline: float | None = None
        self._pool, self._headers = pool, headers
        self._counted, self._lock = [0], threading.Lock()

    @property
    def calls(self) -> int:
        """What was asked so far, tries included."""
        return self._counted[0]

    def count(self) -> None:
        """One question more."""
        with self._lock:
            self._counted[0] += 1

    def until(self, deadline: float) -> Self:
        """The same, all of it done by `deadline`."""
        bounded = copy.copy(self)
        bounded.deadline = deadline
        return bounded

    def whole(self, method: str, target: str, body: str | None = None) -> bytes:
        """The whole answer to `target` (path and query); a cut one is asked for again.

        Raises:
            Refused, NotFound, Unreachable: as their names say.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return b"".join(self.chunks(method, target, body))
            except _CutError as error:
                self._pause(pause_after_cut(tries), error)

    def chunks(self, method: str, target: str, body: str | None = None) -> Iterator[bytes]:
        """The answer as it comes in, at most 512 MiB; raises as `whole` does."""
        answer, total, ended = self._opened(method, target, body), 0, False
        read = getattr(answer, "read1", answer.read)  # what there is, not a whole chunk
        try:
            while chunk := read(_CHUNK):
                total += len(chunk)
                if total > _MAX_ANSWER:
                    raise Unreachable(f"{target}: the answer is larger than {_MAX_ANSWER} bytes")
                yield chunk
                self.wait(target)
            ended = True
        except _broken() as error:
            raise _named(error, f"{target}: the answer broke off") from error
        finally:
            answer.release_conn() if ended else answer.close()

    def wait(self, target: str) -> float:
        """Seconds that one wait may last now.

        Raises:
            Unreachable: the deadline has passed.
        """
        left = self.timeout if self.deadline is None else self.deadline - time.monotonic()
        if left <= 0:
            raise Unreachable(f"{target}: no whole answer before the deadline")
        return min(self.timeout, left)

    def _opened(self, method: str, target: str, body: str | None) -> Any:
        """An answer of a good status, whose body is still to be read."""
        tries = 0
        while True:
            tries += 1
            answer = self._sent(method, target, body)
            if answer.status in _OK:
                return answer
            error = error_of(answer.status, target, _rest(answer))
            self._pause(pause_after(answer.status, tries, answer.headers.get("Retry-After")), error)

    def _sent(self, method: str, target: str, body: str | None) -> Any:
        from urllib3 import Timeout  # noqa: PLC0415 - start-up time

        seconds = self.wait(target)
        kind = {"content-type": "application/json"} if body else {}
        self.count()
        try:
            return self._pool.request(
                method,
                self.host + target,
                body=body,
                headers=self._headers() | kind,
                timeout=Timeout(connect=seconds, read=seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except _broken() as error:
            raise _named(error, f"cannot reach the API server at {self.host}") from error

    def _pause(self, seconds: float | None, error: Exception) -> None:
        """Wait before another try; where there is none, or no time for it, raise `error`."""
        end = self.deadline or time.monotonic() + 4 * self.timeout
        if seconds is None or time.monotonic() + seconds >= end:
            raise error
        time.sleep(seconds)


def error_of(code: int, target: str, body: bytes) -> Refused | NotFound | Unreachable:
    """What an answer of status `code` means."""
    path = target.partition("?")[0]
    says = _message(body) or f"HTTP {code}"
    if code in (401, 403):
        return Refused(f"{says} ({path})", code)
    if code == 404:
        return NotFound(says if says != "HTTP 404" else f"{path}: not found")
    return Unreachable(f"{path}: HTTP {code}: {says}")


def _message(body: bytes) -> str:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body[:200].decode("utf-8", "replace").strip()
    return str(value.get("message", "")) if isinstance(value, dict) else ""


def _broken() -> tuple[type[Exception], ...]:
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - start-up time

    return (HTTPError, OSError)


def _named(error: Exception, what: str) -> Unreachable:
    from urllib3.exceptions import ProtocolError  # noqa: PLC0415 - start-up time

    why = str(error).rpartition(": ")[2] or str(error)
    return (_CutError if isinstance(error, ProtocolError) else Unreachable)(f"{what}: {why}")


def _rest(answer: Any) -> bytes:
    try:
        body = bytes(answer.read(_CHUNK))
    except _broken():
        answer.close()
        return b""
    answer.release_conn() if len(body) < _CHUNK else answer.close()
    return body
