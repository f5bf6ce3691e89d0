"""Whether a group uses Ray at all: by its processes, its logs and the agents' search for a GCS."""

from itertools import pairwise

import msgspec

from distcheck.checks.evidence import (
    Cite,
    Evidence,
    Gpus,
    Missing,
    Pod,
    PodLook,
    Process,
    Processes,
    VllmLog,
)

_PROGRAMS = ("raylet", "gcs_server")
_RANKS = ("VLLM::", "sglang::")
_ENGINES = (
    "vllm",
    "sglang",
    "tritonserver",
    "trtllm-serve",
    "trtllm-llmapi-launch",
    "tensorrt_llm",
)
_NO_GCS = "no raylet and no GCS"
_TRACES = (b"/tmp/ray/", b"RayWorker")


def without_ray(evidence: Evidence) -> tuple[Cite, ...]:
    """What shows that no pod runs Ray; nothing where that is not shown of every pod.

    Every pod must show its engine or ranks, and no trace of Ray; and no agent may have
    failed to ask a GCS that it found. Where an engine runs whose executor is vLLM's own
    processes, another pod may show that it runs something else, or nothing yet.
    """
    if not evidence.pods or "ray" in (evidence.intent.executor or ""):
        return ()
    if any(_may_have_ray(n.ray) for n in evidence.nodes):
        return ()
    own = evidence.intent.executor == "mp" and any(_works(evidence, p) for p in evidence.pods)
    cites = [_none_of_ray(evidence, pod, idle=own) for pod in evidence.pods]
    found = tuple(c for c in cites if c is not None)
    return found if len(found) == len(evidence.pods) else ()


def _may_have_ray(answer: object) -> bool:
    """Only "no raylet and no GCS" is an answer: anything else is a search that failed."""
    return not (isinstance(answer, Missing) and answer.reason.startswith(_NO_GCS))


def _works(evidence: Evidence, pod: Pod) -> bool:
    seen = evidence.look(pod).processes
    engines = isinstance(seen, Processes) and any(_is_engine(p) for p in seen.processes)
    return engines or bool(_titles_on_gpus(evidence, pod))


def _none_of_ray(evidence: Evidence, pod: Pod, *, idle: bool) -> Cite | None:
    """What shows it; `idle`: no engine needs to run in it, but it has to have been looked at."""
    look = evidence.look(pod)
    seen = look.processes
    if not isinstance(seen, Processes) or any(_is_ray(p) for p in seen.processes):
        return None
    if not (idle or _works(evidence, pod)):
        return None
    if _logs_name_ray(look) or any(t.startswith("ray::") for t in _titles_on_gpus(evidence, pod)):
        return None
    what = f"none of the {len(seen.processes)} processes seen in {pod.name} is Ray's"
    if not seen.processes:
        what = f"no process of Ray or of an engine runs in {pod.name}"
    return Cite(what, f"/proc of {pod.name}", seen.seen_at)


def _titles_on_gpus(evidence: Evidence, pod: Pod) -> list[str]:
    node = evidence.node(pod.node or "")
    if node is None or not isinstance(node.gpus, Gpus):
        return []
    return [p.title for p in node.gpus.processes if p.pod == pod.key]


def _logs_name_ray(look: PodLook) -> bool:
    """Lines of Ray's workers, or an engine that says that Ray is its executor."""
    said = look.vllm.executor if isinstance(look.vllm, VllmLog) else None
    logs = msgspec.json.encode((look.nccl, look.vllm))
    return "ray" in (said or "") or any(trace in logs for trace in _TRACES)


def _is_engine(process: Process) -> bool:
    """A rank by its title, or an engine by one of the first words of its command line."""
    words = [word.rpartition("/")[2] for word in process.argv[:4]]
    named = any(w.partition(".")[0] in _ENGINES or w in ("mpirun", "orted") for w in words)
    return named or process.title.startswith(_RANKS)


def _is_ray(process: Process) -> bool:
    """A raylet, a gcs_server, `ray start`, or a worker (`ray::...`)."""
    words = [word.rpartition("/")[2] for word in (process.title, *process.argv)]
    starts = any(a == "ray" and b == "start" for a, b in pairwise(words))
    titled = any(t.startswith("ray::") for t in (process.title, *process.argv[:1]))
    return starts or titled or any(w in _PROGRAMS for w in words)
