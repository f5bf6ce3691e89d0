"""`distcheck ray ADDRESS`: a report on Ray's membership from its GCS alone."""

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs

from distcheck import __version__
from distcheck.agent.grpc_bounds import OF_USER
from distcheck.agent.probes import gcs
from distcheck.agent.ray_token import read_token
from distcheck.checks.catalog import catalog
from distcheck.checks.check import Check
from distcheck.checks.evidence import (
    Evidence,
    Intent,
    Missing,
    NodeLook,
    Pod,
    RayCluster,
    Target,
)
from distcheck.checks.evidence.ray import GCS_REFUSED, GCS_SILENT, NEEDS_TOKEN, NOT_A_GCS
from distcheck.checks.judging import Judged, judge

_CHECKS = ("RAY001", "RAY002", "RAY003")
_KEYS = ("nodes", "gpus", "world")


class Expectation(Struct, frozen=True):
    """What Ray should have; None, or no address, where that was not said."""

    nodes: int | None = None
    ips: tuple[str, ...] = ()
    gpus: int | None = None
    world: int | None = None


def ray_report(
    address: str,
    expect: Mapping[str, str],
    token_file: Path | None = None,
    timeout: float = 5.0,
) -> Judged:
    """Ask the GCS at `address` and judge what it says, by the checks of a live group.

    `expect` has `nodes` (a number, or addresses with commas), `gpus` and `world`. A GCS that
    cannot be asked makes an unknown report, with the reason.

    Raises:
        ValueError: the address, an expectation or the token file is not usable.
    """
    gcs.parse_address(address)
    wanted = read_expectation(expect)
    token = None if token_file is None else read_token(token_file)
    look = _with_hint(gcs.look(address, timeout=timeout, token=token, bounds=OF_USER))
    observed_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    nothing = Missing("only Ray's GCS was asked")
    node = NodeLook(node=address, observed_at=observed_at, agent="", gpus=nothing, ray=look)
    evidence = Evidence(
        distcheck_version=__version__,
        observed_at=observed_at,
        target=Target("", "ray", address),
        intent=_intent(wanted),
        pods=tuple(Pod("", ip, ip=ip) for ip in wanted.ips),
        nodes=(node,),
    )
    judged = judge(evidence, _checks(wanted))
    return _unasked(judged, look) if isinstance(look, Missing) else judged


_PORT = (
    "Give the address and port of the head's GCS: 6379, unless its `ray start --port` says another"
    " (8265 is the dashboard). See that the head runs."
)
_DO = {
    GCS_REFUSED: _PORT,
    NOT_A_GCS: _PORT,
    GCS_SILENT: "Look for firewalls and NetworkPolicies between here and the head, and whether it"
    " runs. A longer --timeout helps where it is busy.",
}


def _unasked(judged: Judged, why: Missing) -> Judged:
    """The reason once, with what to do; the other checks refer to it."""
    first, *others = judged.report.checks
    told = structs.replace(first, remedy=_DO.get(why.cause, first.remedy))
    rest = (structs.replace(f, says="Ray was not asked: see RAY001") for f in others)
    report = structs.replace(judged.report, summary=why.reason, checks=(told, *rest))
    return structs.replace(judged, report=report)


def _with_hint(seen: RayCluster | Missing) -> RayCluster | Missing:
    if isinstance(seen, Missing) and seen.cause == NEEDS_TOKEN:
        return structs.replace(seen, reason=f"{seen.reason}: --token-file gives it")
    return seen


def _checks(wanted: Expectation) -> list[Check]:
    """All; where nodes alone are expected, nothing was asked of GPUs and RAY002 only informs."""
    nodes_only = wanted.nodes is not None and not (wanted.gpus or wanted.world)
    found = [c for c in catalog() if c.id in _CHECKS]
    return [
        structs.replace(c, core=c.core and not (nodes_only and c.id == "RAY002")) for c in found
    ]


def split_expectation(text: str) -> dict[str, str]:
    """`nodes=10.0.0.2,10.0.0.3,gpus=16` as a mapping; a word without `=` continues the last.

    Raises:
        ValueError: the text does not begin with a name, or names one twice.
    """
    found: dict[str, str] = {}
    name = ""
    for word in text.split(","):
        key, is_new, value = word.partition("=")
        if is_new and key.strip() in found:
            raise ValueError(f"{key.strip()} is expected twice")
        name = key.strip() if is_new else name
        if not name:
            raise ValueError(f"an expectation looks like nodes=2,gpus=16, not like {text!r}")
        found[name] = value.strip() if is_new else f"{found[name]},{word.strip()}"
    return found


def read_expectation(expect: Mapping[str, str]) -> Expectation:
    """Typed and checked.

    Raises:
        ValueError: an unknown name, a number below 1, or an address that is none.
    """
    strange = [key for key in expect if key not in _KEYS]
    if strange:
        raise ValueError(f"cannot expect {strange[0]!r} of Ray; known are {', '.join(_KEYS)}")
    nodes = expect.get("nodes", "")
    ips = tuple(_ip(word) for word in nodes.split(",")) if _is_list(nodes) else ()
    if len(set(ips)) != len(ips):
        raise ValueError(f"nodes={nodes} names one address twice")
    count = len(ips) or _count("nodes", expect)
    return Expectation(count, ips, _count("gpus", expect), _count("world", expect))


def _is_list(nodes: str) -> bool:
    return any(mark in nodes for mark in ".:,")


def _ip(word: str) -> str:
    try:
        return str(ipaddress.ip_address(word.strip()))
    except ValueError as error:
        raise ValueError(f"{word!r} in nodes= is no IP address") from error


def _count(name: str, expect: Mapping[str, str]) -> int | None:
    if name not in expect:
        return None
    if not expect[name].isascii() or not expect[name].isdigit() or not int(expect[name]):
        raise ValueError(f"{name}={expect[name]} is not a number of at least 1")
    return int(expect[name])


def _intent(wanted: Expectation) -> Intent:
    """A world of N ranks needs N GPUs; `tp` and `pp` stay open, as nothing says them."""
    gpus = wanted.gpus or wanted.world
    sources = {"nodes": wanted.nodes, "gpus": gpus, "ranks": wanted.world}
    return Intent(
        nodes=wanted.nodes,
        gpus=max(wanted.gpus or 0, wanted.world or 0) or None,
        ranks=wanted.world,
        sources={name: "--expect" for name, value in sources.items() if value},
    )
