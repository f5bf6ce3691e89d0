"""By which names a pod meets the others: of its command lines, and of its environment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from distcheck.agent.joined import LOOPBACK, RAY, Joined, joined, joins
from distcheck.agent.logs.shell import runs

VARIABLES = ("LWS_LEADER_ADDRESS", "RAY_ADDRESS", "FQ_RAY_IP", "MASTER_ADDR", "VLLM_DP_MASTER_IP")
"""Of LeaderWorkerSet, Ray, KubeRay, torch and vLLM."""
_LONGEST = 253
_MOST = 16
_WAYS = {RAY: "ray start --address", "dpa": "--data-parallel-address"}


def by_commands(argvs: Iterable[Sequence[str]], environ: Mapping[str, str]) -> Iterator[Joined]:
    """What command lines join by, each as it is called in them."""
    for argv in argvs:
        for ran in runs(argv, environ):
            for way, text in joins(ran.words, {**environ, **ran.variables}):
                yield joined(shown_way(way), text)


def shown_way(way: str) -> str:
    """A way to join as a reader knows it: its flag, or its variable."""
    return _WAYS.get(way, way if way.isupper() else f"--{way}")


def by_environment(environ: Mapping[str, str]) -> Iterator[Joined]:
    """What variables name."""
    yield from (joined(name, environ[name]) for name in VARIABLES if name in environ)


def meeting_names(found: Iterable[Joined]) -> tuple[Joined, ...]:
    """Each host once, by what names it first, without those that mean the pod itself.

    A host that a shell has yet to compute is left out.
    """
    hosts: dict[str, Joined] = {}
    for one in found:
        if one.is_read and one.host not in LOOPBACK and _is_plain(one.host):
            hosts.setdefault(one.host.lower(), one)
    return tuple(hosts.values())[:_MOST]


def _is_plain(host: str) -> bool:
    """Letters, digits, `-`, `_`, `.` and `:` alone."""
    return len(host) <= _LONGEST and host.isascii() and not set(host) - _LETTERS


_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")
