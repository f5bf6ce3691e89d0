"""How the values of `distcheck plan` are read: sizes, speeds, degrees."""

import re
from decimal import Decimal

from distcheck.agent.cli.exit import usage
from distcheck.checks.knowledge.plan_fabric import Fabric

_UNITS = {
    **{f"{letter}iB": 1 << (10 * n) for n, letter in enumerate("MGT", 2)},
    **{f"{letter}B": 1000**n for n, letter in enumerate("MGT", 2)},
}
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([MGT]i?B)", re.ASCII)
_LEAST, _MOST = 1 << 30, 1 << 40
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_SPEED = re.compile(r"([0-9]{1,5}) ?(?:g|gbps|gb/s|gbit/s|gbit)?", re.ASCII | re.IGNORECASE)
_KIND = re.compile(r"(ib|infiniband|roce|efa|ethernet|eth|tcp)-([a-z0-9/]{1,12})", re.ASCII)
_RATES = {"fdr": 56, "edr": 100, "hdr100": 100, "hdr": 200, "ndr200": 200, "ndr": 400, "xdr": 800}
_KINDS = {"infiniband": "ib", "eth": "ethernet", "tcp": "ethernet"}
_SHARE = re.compile(r"0?\.[0-9]{1,6}|1(?:\.0{1,6})?|0\.[0-9]{1,6}", re.ASCII)


def gpu_memory(text: str | None) -> int | None:
    """Bytes of `80GiB`, `141GB` (10^9) or `81559MiB`, from 1 GiB to 1 TiB.

    Raises:
        Stop: anything else (exit code 2).
    """
    if text is None:
        return None
    found = _SIZE.fullmatch(text)
    size = int(Decimal(found[1]) * _UNITS[found[2]]) if found else 0
    if not _LEAST <= size <= _MOST:
        raise usage(
            f"--gpu-memory: {text!r} is not the memory of a GPU; write 80GiB, 80GB or 81559MiB"
        )
    return size


def number(name: str, text: str | None, most: int) -> int | None:
    """A whole number from 1 to `most`.

    Raises:
        Stop: anything else (exit code 2).
    """
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or int(text) > most:
        raise usage(f"{name}: {text!r} is not a whole number from 1 to {most}")
    return int(text)


def length(text: str | None) -> int | None:
    """Tokens: `32768`, or as vLLM reads them `32k` (x 1,000) and `32K` (x 1,024).

    Raises:
        Stop: anything else (exit code 2).
    """
    if text is None:
        return None
    times = {"k": 1000, "K": 1024, "m": 10**6, "M": 1 << 20}.get(text[-1:], 1)
    digits = text[:-1] if times > 1 else text
    if not _NUMBER.fullmatch(digits) or int(digits) * times > 1 << 30:
        raise usage(f"--max-model-len: {text!r} is not a number of tokens; write 32768 or 32K")
    return int(digits) * times


def share(text: str) -> float:
    """A part of the GPU's memory, above 0 and up to 1.

    Raises:
        Stop: anything else (exit code 2).
    """
    if not _SHARE.fullmatch(text) or not float(text):
        raise usage(f"--gpu-memory-utilization: {text!r} is not a share such as 0.9")
    return float(text)


def interconnect(text: str | None) -> Fabric | None:
    """The network of one GPU: `400gbps`, or with its kind `ib-ndr`, `roce-100`, `ethernet-25`.

    Raises:
        Stop: anything else (exit code 2).
    """
    if text is None:
        return None
    low = text.lower()
    named = _KIND.fullmatch(low)
    kind = _KINDS.get(named[1], named[1]) if named else ""
    speed = named[2] if named else low
    rate = _RATES.get(speed) if kind in ("ib", "") else None
    plain = _SPEED.fullmatch(speed)
    gbps = rate or (int(plain[1]) if plain else 0)
    if not 0 < gbps <= 6400:
        raise usage(
            f"--interconnect: {text!r} is not a network; write 400gbps, ib-ndr, ib-hdr,"
            " roce-100 or ethernet-25: the speed that each GPU has to other nodes"
        )
    return Fabric(gbps, "ib" if rate else kind)
