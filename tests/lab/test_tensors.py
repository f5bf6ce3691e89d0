"""What the lab's ranks hold, against what vLLM's logs of real deployments say that they hold."""

import pytest

from distcheck.lab.memory import cache_gib, gpu_memory, memory_used
from distcheck.lab.model import model_of
from distcheck.lab.scenario import GIB, Engine, ModelName, Scene
from distcheck.lab.scenarios import load_all
from distcheck.lab.tensors import cache_bytes, stage_layers, weights_gib


@pytest.mark.parametrize(
    ("model", "engine", "gib"),
    [
        ("llama-3.1-8b", Engine(tp=1), 14.9889),  # vLLM 0.8
        ("llama-3.1-70b", Engine(tp=8), 16.4605),  # vLLM 0.6.3, on 8 GPUs
        ("llama-3.1-405b-fp8", Engine(), 28.8984),  # vLLM 0.5.3, on Ray
        ("deepseek-v3", Engine(), 40.3174),  # vLLM 0.8.4, on Ray
    ],
)
def test_a_rank_holds_what_a_real_one_says(model: ModelName, engine: Engine, gib: float) -> None:
    assert weights_gib(Scene(model=model), engine, 0) == pytest.approx(gib, rel=1e-3)


@pytest.mark.parametrize(
    ("engine", "blocks", "block", "gib"),
    [
        (Engine(), 305_216 // 64, 64, 19.98),  # DeepSeek-R1, TP=16: the cache is not cut
        (Engine(tp=8), 305_216 // 64, 64, 19.98),
    ],
)
def test_a_latent_cache_is_whole_on_every_rank(
    engine: Engine, blocks: int, block: int, gib: float
) -> None:
    held = blocks * block * cache_bytes(Scene(model="deepseek-v3"), engine, 0) / GIB
    assert held == pytest.approx(gib, abs=0.01)


def test_heads_of_the_cache_are_never_less_than_one() -> None:
    scene = Scene(model="llama-3.1-405b-fp8")
    assert cache_bytes(scene, Engine(tp=16), 0) == cache_bytes(scene, Engine(tp=8), 0)
    assert cache_bytes(scene, Engine(tp=4), 0) == 2 * cache_bytes(scene, Engine(tp=8), 0)


def test_a_partition_says_how_many_layers_a_stage_has() -> None:
    uneven = Scene(layer_partition="42,38")
    assert [len(s) for s in stage_layers(uneven, Engine(tp=8, pp=2))] == [42, 38]
    assert stage_layers(Scene(), Engine(tp=8, pp=2)) == [range(40), range(40, 80)]


@pytest.mark.parametrize("scene", [s.world for s in load_all()], ids=lambda s: s.model)
def test_every_rank_that_serves_fits_its_gpu_and_fills_it(scene: Scene) -> None:
    for engine in (e for e in scene.engines if not e.fails):
        for stage in range(engine.pp):
            assert cache_gib(scene, engine, stage) > 1
            used = memory_used(scene, engine, stage) / gpu_memory(scene)
            awake = engine.progress == "serving" and not scene.asleep
            assert used == pytest.approx(0.92, abs=0.001) if awake else used < 0.03


def test_the_parts_of_a_model_add_up_to_its_checkpoint() -> None:
    for name in ("llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b-fp8"):
        scene = Scene(model=name)
        alone = weights_gib(scene, Engine(tp=1), 0) * GIB
        assert alone == pytest.approx(model_of(scene).checkpoint_bytes, rel=0.003)
