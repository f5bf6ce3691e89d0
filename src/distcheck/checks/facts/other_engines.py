"""What engines other than vLLM say of their layout: enough to be told, not to judge by."""

from collections.abc import Iterator

from distcheck.checks.evidence import EngineFolder, EngineLog, Evidence, Pod

_NAMES = {"sglang": "SGLang", "trtllm": "TensorRT-LLM", "nim": "NIM"}


def told_by_others(evidence: Evidence) -> Iterator[str]:
    """For each pod what SGLang, TensorRT-LLM or NIM shows, and what it does not."""
    for pod in evidence.pods:
        look = evidence.look(pod)
        if isinstance(look.engine, EngineLog) and look.engine.engine is not None:
            yield _of_log(pod, look.engine)
        if isinstance(look.engine_folder, EngineFolder):
            folder = look.engine_folder
            shape = _shape(folder.tp, folder.pp)
            yield f"the TensorRT-LLM engine of {pod.name} is built for {shape} ({folder.path})"


def _of_log(pod: Pod, log: EngineLog) -> str:
    name = _NAMES[log.engine] if log.engine else "the engine"
    loaded = [r.gib for r in log.ranks if r.gib is not None]
    took = f", and weights near {min(loaded):.1f} GiB a rank" if loaded else ""
    where = f" ({log.config_source})" if log.config_source else ""
    return (
        f"{name} of {pod.name} says {_shape(log.tp, log.pp)}{took}{where};"
        " it does not say exactly what a rank holds"
    )


def _shape(tp: int | None, pp: int | None) -> str:
    named = (("TP", tp), ("PP", pp))
    return " x ".join(f"{name}={size}" for name, size in named if size is not None) or "no layout"
