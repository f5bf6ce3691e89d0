"""A gRPC server that answers recorded bytes: a GCS for the lab, and for tests."""

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

_PREFIX = "/ray.rpc."
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
_NO_TOKEN = ("UNAUTHENTICATED", "InvalidAuthToken: Authentication token is missing or incorrect")

Reply = bytes | tuple[str, str] | float
"""What a method answers: its bytes, a gRPC status name and its text, or nothing for seconds."""


class ReplayServer(grpc.GenericRpcHandler):
    """Listens from the start; `port` is the one that it got. It is well on `raylets` too.

    A method without a reply is UNIMPLEMENTED, as in an older Ray. With `token`, every method
    but the health check wants it, as Ray does with RAY_AUTH_MODE=token. `heard` gets the
    metadata of every call.
    """

    def __init__(
        self,
        replies: Mapping[str, Reply],
        address: str,
        *,
        token: str | None = None,
        raylets: Iterable[str] = (),
        heard: list[Any] | None = None,
    ) -> None:
        self._replies = {f"{_PREFIX}{method}": reply for method, reply in replies.items()}
        self._replies[_HEALTH] = _SERVING
        self._heard = heard
        self._header = f"Bearer {token}" if token else None
        self._server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
        self._server.add_generic_rpc_handlers((self,))
        self.port: int = self._server.add_insecure_port(address)
        for raylet in raylets:
            self._server.add_insecure_port(raylet)
        self._server.start()

    def service(self, handler_call_details: Any) -> Any:
        """The handler of one call (grpc's own protocol); None means UNIMPLEMENTED."""
        method = handler_call_details.method
        reply = self._replies.get(method)
        if self._heard is not None:
            self._heard.append(handler_call_details.invocation_metadata)
        if method != _HEALTH and not self._admits(handler_call_details.invocation_metadata):
            reply = _NO_TOKEN
        return None if reply is None else grpc.unary_unary_rpc_method_handler(_answering(reply))

    def _admits(self, metadata: Any) -> bool:
        return self._header is None or dict(metadata).get("authorization") == self._header

    def stop(self) -> None:
        """Close the port and end the calls."""
        self._server.stop(grace=None).wait()


def _answering(reply: Reply) -> Any:
    def answer(_request: bytes, context: Any) -> bytes:
        if isinstance(reply, bytes):
            return reply
        if isinstance(reply, float):
            ended = threading.Event()
            context.add_callback(ended.set)
            ended.wait(reply)
            return b""
        code, details = reply
        context.abort(grpc.StatusCode[code], details)
        return b""

    return answer
