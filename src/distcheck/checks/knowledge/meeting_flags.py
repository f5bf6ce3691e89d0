"""By which flags servers on several nodes meet, and at which port.

vLLM: `--nnodes`, `--node-rank`, `--master-port` (29501 where it is not given), and for copies
`--data-parallel-address`, `--data-parallel-rpc-port` (29550), with `--headless` on all nodes but
the first (vllm/config/parallel.py). SGLang: `--dist-init-addr HOST:PORT` (server_args.py).
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal

from msgspec import Struct

from distcheck.pattern import pattern

_NUMBER = pattern(r"[0-9]{1,5}\Z")
_MASTER, _RPC = 29501, 29550
_MOST = 1024
_LAST = 65_535
Way = Literal["--master-port", "--data-parallel-rpc-port", "--dist-init-addr", "MASTER_PORT"]


class MeetsBy(Struct, frozen=True):
    """One server: its way to meet, the port, and whether the others come to it."""

    way: Way
    port: int
    leads: bool


def meets_by(argv: Sequence[str]) -> MeetsBy | None:
    """How the server of a command line meets those of other nodes; None where it is alone.

    Any words are taken; what is no number counts as not given.
    """
    words = argv[:_MOST]
    rank = _number(words, "--node-rank", "-r") or 0
    several = (_number(words, "--nnodes", "-n") or 1) > 1
    told = _value(words, "--dist-init-addr", "--nccl-init-addr")
    if told is not None:
        port = port_of(told.rpartition(":")[2])
        return MeetsBy("--dist-init-addr", port, rank == 0) if port and several else None
    if "serve" not in words and not any("vllm" in w for w in words[:8]):
        return None
    if several:
        port = _number(words, "--master-port") or _MASTER
        return MeetsBy("--master-port", port, rank == 0)
    given = _number(words, "--data-parallel-rpc-port", "-dpp")
    if given or _value(words, "--data-parallel-address", "-dpa") is not None:
        return MeetsBy("--data-parallel-rpc-port", given or _RPC, "--headless" not in words)
    return None


def _value(words: Sequence[str], *flags: str) -> str | None:
    """The value of the last of these flags, after `=` or as the next word."""
    found = None
    for word, after in zip_longest(words, words[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        if name.startswith("-") and name.replace("_", "-") in flags:
            found = value if equals else after
    return found


def _number(words: Sequence[str], *flags: str) -> int | None:
    return port_of(_value(words, *flags) or "")


def port_of(text: str) -> int | None:
    """The TCP port that a text is; None for any other text."""
    number = int(text) if _NUMBER.match(text) else 0
    return number if 0 < number <= _LAST else None
