"""How many pods KServe makes of an InferenceService over several nodes, and with which GPUs."""

from collections.abc import Mapping

from msgspec import Struct

from distcheck.checks.manifest.place import Place

_GPU = "nvidia.com/gpu"


class Nodes(Struct, frozen=True):
    """Pods in all, the GPUs of the head and of each worker, and the variables of both."""

    count: int
    head: int
    worker: int
    env: Mapping[str, str]


def nodes_of(runtime: Place, predictor: Place, model: Place) -> Nodes | None:
    """KServe `components/predictor.go` (computeRayNodeAndGPUs, since 0.15.1).

    With Ray as many workers as TP x PP needs, each with the GPUs of the worker's container; the
    head has the rest, or what it asks for. With `multinode/executor-backend: mp` PP pods of TP.
    None where the runtime is not known.
    """
    own, base = predictor.at("workerSpec"), runtime.at("workerSpec")
    if not base:
        return None
    tp, pp = (
        own.number(n) or base.number(n) or 1 for n in ("tensorParallelSize", "pipelineParallelSize")
    )
    if runtime.text("annotations", "multinode/executor-backend") == "mp":
        count, head, worker = pp, tp, tp
    else:
        head = _gpus(model) or _gpus(_named(runtime, "kserve-container"))
        worker = _gpus(own.at("containers", 0)) or _gpus(_named(base, "worker-container"))
        count, head, worker = _with_ray(tp * pp, head, worker)
    env = {
        "PIPELINE_PARALLEL_SIZE": str(pp), "TENSOR_PARALLEL_SIZE": str(tp),
        "RAY_NODE_COUNT": str(count),
    }  # fmt: skip
    return Nodes(count, head, worker, env)


def _with_ray(total: int, head: int, worker: int) -> tuple[int, int, int]:
    if worker:
        count = 1 if head >= total else -(-total // worker)
        return (
            (1, total, 0) if count == 1 else (count, head or total - worker * (count - 1), worker)
        )
    if head:
        return 1 + max(total - head, 0), head, 1
    return total, 1, 1


def _named(spec: Place, name: str) -> Place:
    return next((c for c in spec.each("containers") if c.text("name") == name), spec.at("none"))


def _gpus(container: Place) -> int:
    """Of requests alone (`GetGPUResourceQtyByType`): KServe puts its own number over limits."""
    told = container.at("resources", "requests", _GPU).value
    return int(told) if str(told).isdigit() else 0
