"""Pages of metrics as they were when a lab ran, served to a Prometheus that comes later."""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Pages = Mapping[str, bytes]
"""By the name of the node, or `serve`."""

_EVERY = "2s"
_MOMENT = re.compile(rb"^(\w+_timestamp_seconds(?:{.*})?) (\S+)$", re.MULTILINE)


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        """A page under its path, as if it were made now."""
        body = self.server.pages.page(self.path)
        self.send_response(HTTPStatus.NOT_FOUND if body is None else HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, pages: "KeptPages") -> None:
        self.pages = pages
        super().__init__(("127.0.0.1", 0), _Handler)


class KeptPages:
    """A server of pages. What they say of a moment moves on with time, so that its age stays."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, bytes]] = {}
        self._server = _Server(self)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Answer, in a thread."""
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()

    def add(self, number: int, pages: Pages) -> dict[str, tuple[int, dict[str, str]]]:
        """Keep the pages of a place; where each is scraped, by name: the port and labels."""
        return {name: self._add(f"/{number}/{name}", page) for name, page in pages.items()}

    def _add(self, path: str, page: bytes) -> tuple[int, dict[str, str]]:
        self._kept[path] = time.time(), page
        every = {"__scrape_interval__": _EVERY, "__scrape_timeout__": _EVERY}
        return self._server.server_address[1], {"__metrics_path__": path, **every}

    def page(self, path: str) -> bytes | None:
        """The page with its moments as far in the past as they were when it was kept."""
        if path not in self._kept:
            return None
        kept_at, page = self._kept[path]
        since = time.time() - kept_at
        return _MOMENT.sub(lambda m: b"%s %r" % (m[1], float(m[2]) + since), page)
