"""The ports at which Ray's workers are called: the GCS makes each actor by a call to one."""

from collections.abc import Iterator
from itertools import pairwise

from distcheck.checks.evidence import Evidence, Pod, Processes, RayCluster
from distcheck.checks.knowledge.meeting_flags import port_of
from distcheck.checks.knowledge.port_ranges import Range

USUAL: Range = (10002, 19999)
"""What `ray start` tells a raylet unless it is told otherwise (ray/scripts/scripts.py)."""
_FIRST, _LAST, _LIST = "--min-worker-port", "--max-worker-port", "--worker-port-list"


def worker_ports(evidence: Evidence) -> dict[str, Range | None]:
    """By the key of each pod whose raylet was seen: its range; None where it has none of its own.

    Empty where the engine does not use Ray.
    """
    if evidence.intent.executor == "mp":
        return {}
    told = ((p.key, _flags(evidence, p)) for p in evidence.pods)
    return {key: _range(flags) for key, flags in told if _FIRST in flags or _LIST in flags}


def pods_on_ray(evidence: Evidence) -> frozenset[str]:
    """Keys of the pods that have to have workers of Ray, whether or not their raylet was seen."""
    seen = any(isinstance(n.ray, RayCluster) for n in evidence.nodes)
    executor = evidence.intent.executor
    uses = "ray" in (executor or "") or (seen and executor is None)
    return frozenset(p.key for p in evidence.pods if uses and p.gpus)


def _range(flags: dict[str, str]) -> Range | None:
    """A list of ports, and 0, by which the kernel picks, give no range."""
    first, last = port_of(flags.get(_FIRST, "")), port_of(flags.get(_LAST, ""))
    return None if flags.get(_LIST) or not first else (first, max(first, last or USUAL[1]))


def _flags(evidence: Evidence, pod: Pod) -> dict[str, str]:
    return dict(_words(evidence, pod))


def _words(evidence: Evidence, pod: Pod) -> Iterator[tuple[str, str]]:
    seen = evidence.look(pod).processes
    for process in seen.processes if isinstance(seen, Processes) else ():
        if process.argv and process.argv[0].rpartition("/")[2] == "raylet":
            for word, after in pairwise((*process.argv, "")):
                flag, equals, value = word.partition("=")
                yield flag.replace("_", "-"), value if equals else after
