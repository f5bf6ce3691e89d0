"""What the ranks hold on their GPUs, and the cache that this leaves room for."""

from distcheck.lab.layout import GPU_MEMORY, SLICE_MEMORY
from distcheck.lab.scenario import GIB, Engine, Scene
from distcheck.lab.tensors import cache_bytes, weights_gib

BLOCK = 16
_SHARE_OF_GPU = 0.92
_OTHERS_GIB = 2.36
"""Context, NCCL's buffers, activations and graphs of a rank, once it serves."""
_CONTEXT = GIB + GIB // 2


def gpu_memory(scene: Scene) -> int:
    """Bytes of a GPU, or of its slice."""
    return SLICE_MEMORY if scene.mig else GPU_MEMORY


def kv_tokens(scene: Scene, engine: Engine) -> int:
    """Tokens for which every rank of the engine has room."""
    return min(_room(scene, engine, stage) for stage in range(engine.pp))


def cache_gib(scene: Scene, engine: Engine, stage: int) -> float:
    """GiB of the cache of a rank of this stage."""
    return _room(scene, engine, stage) * cache_bytes(scene, engine, stage) / GIB


def memory_used(scene: Scene, engine: Engine, stage: int) -> int:
    """Bytes of a rank: all of its share of the GPU once it serves, a context before or asleep.

    A stage with room for more than `kv_tokens` holds it nevertheless, before vLLM 0.11.
    """
    if engine.progress != "serving" or scene.asleep:
        return _CONTEXT
    held = weights_gib(scene, engine, stage) + _OTHERS_GIB + cache_gib(scene, engine, stage)
    return int(held * GIB)


def _room(scene: Scene, engine: Engine, stage: int) -> int:
    held = (weights_gib(scene, engine, stage) + _OTHERS_GIB) * GIB
    left = int(_SHARE_OF_GPU * gpu_memory(scene) - held)
    return left // cache_bytes(scene, engine, stage) // BLOCK * BLOCK
