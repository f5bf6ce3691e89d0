"""The addresses that command lines join others by, of Ray and of every engine."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from distcheck.agent.logs.argv import ray_start
from distcheck.pattern import pattern

RAY = "ray"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "auto", "local", "0.0.0.0", ""})  # noqa: S104
_JOINS = pattern(
    r"(?<!\S)(?:--(dist[-_]init[-_]addr|nccl[-_]init[-_]addr|master[-_]addr|rdzv[-_]endpoint"
    r"|data[-_]parallel[-_]address|ray[-_]address|head-address)|-dpa)[= ]\s{0,9}([^\s;&|)]+)",
    near=("addr", "endpoint", "dpa"),
)
"""SGLang, vLLM's mp and data-parallel flags, torchrun, vLLM's and NIM's scripts for Ray."""
_REFERENCE = pattern(r"\$(?:\{(\w{1,99})\}|(\w{1,99}))")
_SERVICE_HOST = pattern(r"\$[({]?([A-Z0-9_]{1,253})_SERVICE_HOST[)}]?", near=("_SERVICE_HOST",))
"""The kubelet's own variable for a Service: its name in capitals, with `_` for `-`."""


class Joined(Struct, frozen=True):
    """An address that a pod joins: by which way, host and port; `port` None where none is named.

    `is_read` is whether the whole host is known: a shell may compute it.
    """

    way: str
    host: str
    port: int | None = None

    @property
    def is_read(self) -> bool:
        """Whether nothing in it is left to a shell."""
        return not any(c in self.host for c in "$`")


def joins(words: Sequence[str], values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(way, address as written) of each that the command joins by; `values` are its variables."""
    ray = ray_start(words)
    if ray and not ray.head:
        yield RAY, _shell_expanded(ray.address or values.get("RAY_ADDRESS", ""), values)
    for found in _JOINS.finditer(" ".join(words)):
        yield (found[1] or "dpa").replace("_", "-"), _shell_expanded(found[2], values)


def joined(way: str, address: str) -> Joined:
    """`tcp://user@host:port`, `[v6]:port` or `host`."""
    text = (address.partition("://")[2] or address).strip("'\"").rpartition("@")[2]
    text = _SERVICE_HOST.sub(lambda m: m[1].lower().replace("_", "-"), text.partition("/")[0])
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return Joined(way, host, _port(port.removeprefix(":")))
    if text.count(":") != 1:
        return Joined(way, text)
    host, _, port = text.partition(":")
    return Joined(way, host, _port(port))


def _port(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None


def _shell_expanded(text: str, values: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda m: values.get(m[1] or m[2], m[0]), text)
