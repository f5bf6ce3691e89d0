"""The layout that the running servers were started with, where it is not the one asked for."""

from collections.abc import Iterator

from distcheck.checks.evidence import EngineArguments, Evidence
from distcheck.checks.facts.sharding_allowances import flag_of

_FLAGS = {
    "tp": ("--tensor-parallel-size", "-tp"),
    "pp": ("--pipeline-parallel-size", "-pp"),
}


def running_otherwise(evidence: Evidence) -> Iterator[str]:
    """What a server that runs now was asked for instead; a degree that it does not name is 1."""
    wanted = {"tp": evidence.intent.tp or 1, "pp": evidence.intent.pp or 1}
    for pod in evidence.pods:
        told = evidence.look(pod).arguments
        if not isinstance(told, EngineArguments) or told.unread or "--headless" in told.words:
            continue
        runs = {name: flag_of((told,), *flags) or "1" for name, flags in _FLAGS.items()}
        if any(runs[n].isdigit() and int(runs[n]) != wanted[n] for n in wanted):
            shape = f"TP={runs['tp']} x PP={runs['pp']}"
            yield f"an engine of that layout: the server of {pod.name} runs with {shape}"
