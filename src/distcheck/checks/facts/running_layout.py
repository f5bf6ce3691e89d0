"""The layout that the running servers were started with, where it is not the one asked for."""

from msgspec import Struct

from distcheck.checks.evidence import Cite, EngineArguments, Evidence, Missing
from distcheck.checks.facts.sharding_allowances import flag_of
from distcheck.checks.knowledge.counted import several
from distcheck.checks.knowledge.names import names

_DIGITS = 6
_FLAGS = {
    "tp": ("--tensor-parallel-size", "-tp"),
    "pp": ("--pipeline-parallel-size", "-pp"),
}


class OtherServers(Struct, frozen=True):
    """Servers that run another TP or PP than is asked for, in words; empty where none does."""

    says: str = ""
    cites: tuple[Cite, ...] = ()
    gaps: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()


def runs_as_asked(evidence: Evidence) -> bool:
    """Whether a server that runs has the TP and PP that are asked for, and none has others."""
    asked = evidence.intent.tp or 1, evidence.intent.pp or 1
    seen = {_degrees(evidence.look(p).arguments) for p in evidence.pods}
    return seen - {None} == {asked}


def running_otherwise(evidence: Evidence) -> OtherServers:
    """What servers that run now were asked for instead; a degree that one does not name is 1."""
    asked = evidence.intent.tp or 1, evidence.intent.pp or 1
    pods: dict[tuple[int, int], list[str]] = {}
    cites: list[Cite] = []
    gaps: list[str] = []
    for pod in evidence.pods:
        told = evidence.look(pod).arguments
        runs = _degrees(told)
        if isinstance(told, EngineArguments) and runs is not None and runs != asked:
            pods.setdefault(runs, []).append(pod.name)
            what = f"the server of {pod.name} was started with {_shape(runs)}"
            cites.append(Cite(what, f"command line of pid {told.pid}", told.started_at))
            shape = f"TP={runs[0]} x PP={runs[1]}"
            gaps.append(f"an engine of that layout: the server of {pod.name} runs with {shape}")
    says = " and ".join(_part(*found) for found in pods.items())
    return OtherServers(
        f"{says}, {_shape(asked)} is asked for" if says else "", tuple(cites), tuple(gaps),
        tuple(name for names_ in pods.values() for name in names_),
    )  # fmt: skip


def _part(runs: tuple[int, int], pods: list[str]) -> str:
    verb = "runs" if len(pods) == 1 else "run"
    return f"the {several(len(pods), 'server')} of {names(pods)} {verb} {_shape(runs)}"


def _shape(degrees: tuple[int, int]) -> str:
    tp, pp = degrees
    return f"TP={tp}" + (f" x PP={pp}" if pp > 1 else "")


def _degrees(told: EngineArguments | Missing) -> tuple[int, int] | None:
    """TP and PP of a server's command line; None where it is not known whole, or serves nobody."""
    if not isinstance(told, EngineArguments) or told.unread or "--headless" in told.words:
        return None
    tp, pp = (flag_of((told,), *_FLAGS[name]) or "1" for name in ("tp", "pp"))
    named = all(one.isascii() and one.isdigit() and len(one) < _DIGITS for one in (tp, pp))
    return (int(tp), int(pp)) if named else None
