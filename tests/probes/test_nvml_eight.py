"""Eight GPUs in a C library below the real binding: their health, their links, and its death."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from distcheck.checks.evidence import Gpus, Missing
from distcheck.checks.evidence.gpu_health import GpuHealth, NvLinks

SOURCE = Path(__file__).with_name("nvml_eight.c")
LOOK = """
import msgspec, sys
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.probe import Probing
nvml, probing = Nvml(), Probing(float(sys.argv[1]))
seen = [probing.run("nvml", lambda: nvml.look("then")),
        probing.run("gpu_health", lambda: nvml.health("then"))]
sys.stdout.buffer.write(msgspec.json.encode(seen))
sys.stdout.flush()
import os
os._exit(0)
"""


class Seen(Struct, array_like=True):
    """Both looks at NVML."""

    gpus: Gpus | Missing
    health: GpuHealth | Missing


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the compiled library."""
    compiler = shutil.which("cc")
    if compiler is None:
        assert not os.environ.get("CI"), "CI has a C compiler"
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    out = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", out, SOURCE], check=True)
    return folder


def seen(library: Path, timeout: float = 5, **how: int) -> Seen:
    """What a new process sees of it."""
    variables = {name: str(value) for name, value in how.items()}
    environ = {**os.environ, "LD_LIBRARY_PATH": str(library), **variables}
    command = [sys.executable, "-c", LOOK, str(timeout)]
    done = subprocess.run(command, env=environ, check=True, capture_output=True)
    return msgspec.json.decode(done.stdout, type=Seen)


def healthy(library: Path, **how: int) -> GpuHealth:
    health = seen(library, **how).health
    assert isinstance(health, GpuHealth)
    return health


def test_eight_gpus_their_processes_and_a_slice_are_seen(library: Path) -> None:
    gpus = seen(library).gpus
    assert isinstance(gpus, Gpus)
    assert [d.uuid for d in gpus.devices] == [f"GPU-{n}" for n in range(8)]
    assert [p.pid for p in gpus.processes] == list(range(4200, 4208))
    assert [(s.uuid, s.parent) for s in gpus.slices] == [("MIG-7", "GPU-7")]


def test_health_is_told_gpu_by_gpu_with_its_numbers(library: Path) -> None:
    health = healthy(library, ECC=1)
    good, bad, hot, narrow = health.gpus[:4]
    assert (health.driver, health.notes, health.lost) == ("535.161.08", (), ())
    assert (good.ecc_uncorrected, good.remap_pending, good.recovery) == (0, False, "none")
    assert (bad.ecc_corrected, bad.ecc_uncorrected, bad.ecc_uncorrected_ever) == (1, 2, 4)
    assert (bad.remap_pending, bad.remap_failed, bad.recovery) == (True, False, "reset")
    assert (hot.slowed, good.slowed) == (("power cap", "hardware thermal slowdown"), ())
    assert (narrow.pcie_width, narrow.pcie_width_max, good.pcie_width) == (8, 16, 16)
    assert (good.power, good.power_limit, good.temperature) == (512.3, 700.0, 55)
    assert (good.slowdown_temperature, good.utilization, good.fabric) == (89, 97, "completed")
    assert good.retired_pending is None


def test_links_and_pairs_are_told(library: Path) -> None:
    health = healthy(library)
    assert health.gpus[0].nvlinks == NvLinks(18, 0, ("switch",))
    assert health.gpus[5].nvlinks == NvLinks(16, 2, ("switch",))
    assert len(health.pairs) == 28
    pairs = {(p.one, p.other): (p.path, p.peer, p.nvlink) for p in health.pairs}
    assert pairs["GPU-0", "GPU-3"] == ("node", "ok", "ok")
    assert pairs["GPU-0", "GPU-4"] == ("system", "ok", "ok")
    assert pairs["GPU-6", "GPU-7"] == ("node", "not supported", "not supported")


def test_a_lost_gpu_does_not_hide_the_health_of_the_others(library: Path) -> None:
    both = seen(library, LOST=3)
    assert isinstance(both.gpus, Missing)
    assert "GPU 3: GPU is lost" in both.gpus.reason
    assert isinstance(both.health, GpuHealth)
    assert [g.index for g in both.health.gpus] == [0, 1, 2, 4, 5, 6, 7]
    assert [(g.index, g.reason) for g in both.health.lost] == [(3, "GPU is lost")]
    assert len(both.health.pairs) == 21


@pytest.mark.parametrize("question", [1, 2, 40, 200, 400, 700])
def test_a_driver_that_dies_leaves_what_it_told_before_and_says_so(
    library: Path, question: int
) -> None:
    both = seen(library, DIES_AT=question)
    if isinstance(both.gpus, Missing):
        assert "GPU is lost" in both.gpus.reason
    if isinstance(both.health, Missing):
        assert both.health.reason == "gpu_health: NVML: GPU is lost"
    else:
        assert len(both.health.gpus) + len(both.health.lost) == 8


def test_a_driver_that_does_not_come_back_costs_the_limit_and_no_more(library: Path) -> None:
    both = seen(library, timeout=0.3, HANGS_AT=3)
    assert both.gpus == Missing("nvml: timed out after 0.3 s")
    assert both.health == Missing("gpu_health: timed out after 0.3 s")
