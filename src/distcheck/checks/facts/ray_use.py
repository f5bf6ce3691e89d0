"""Whether a group uses Ray at all, by the processes of its pods."""

from itertools import pairwise

from distcheck.checks.evidence import Cite, Evidence, Pod, Process, Processes

_PROGRAMS = ("raylet", "gcs_server")


def without_ray(evidence: Evidence) -> tuple[Cite, ...]:
    """What shows that no pod runs Ray; nothing where that is not shown of every pod."""
    if not evidence.pods or "ray" in (evidence.intent.executor or ""):
        return ()
    looks = [(p, evidence.look(p).processes) for p in evidence.pods]
    cites = [_none_of_ray(pod, seen) for pod, seen in looks if isinstance(seen, Processes)]
    found = tuple(c for c in cites if c is not None)
    return found if len(found) == len(evidence.pods) else ()


def _none_of_ray(pod: Pod, seen: Processes) -> Cite | None:
    if not seen.processes or any(_is_ray(p) for p in seen.processes):
        return None
    what = f"none of the {len(seen.processes)} processes seen in {pod.name} is Ray's"
    return Cite(what, f"/proc of {pod.name}", seen.seen_at)


def _is_ray(process: Process) -> bool:
    """A raylet, a gcs_server, `ray start`, or a worker (`ray::...`)."""
    words = [word.rpartition("/")[2] for word in (process.title, *process.argv)]
    starts = any(a == "ray" and b == "start" for a, b in pairwise(words))
    titled = any(t.startswith("ray::") for t in (process.title, *process.argv[:1]))
    return starts or titled or any(w in _PROGRAMS for w in words)
