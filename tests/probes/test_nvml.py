"""The real NVML binding over a library that stands in for the driver's."""

from pathlib import Path

import pytest
from tests.probes.node_folder import Node, gpu

from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.probe import ProbeError
from distcheck.lab.nvml import LabNvml

GPU_IS_LOST, DRIVER_NOT_LOADED = 15, 9


def test_devices_memory_and_processes_come_through_the_binding(tmp_path: Path) -> None:
    path = Node(tmp_path).start().gpus([gpu(0, 100, 101), gpu(1)])
    seen = Nvml(LabNvml(path)).look("2026-01-01T00:00:00Z")
    assert seen.driver == "570.133.20"
    assert [(d.index, d.uuid[:12]) for d in seen.devices] == [
        (0, "GPU-00000000"),
        (1, "GPU-00000001"),
    ]
    assert seen.devices[0].memory_used == 71 << 30
    assert seen.devices[0].name == "NVIDIA H100 80GB HBM3"
    assert [(p.pid, p.memory_used) for p in seen.processes] == [(100, 70 << 30), (101, 70 << 30)]


def test_the_file_is_read_again_at_each_look(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    nvml = Nvml(LabNvml(node.gpus([gpu(0)])))
    assert len(nvml.look("").devices) == 1
    node.gpus([gpu(0), gpu(1)])
    assert len(nvml.look("").devices) == 2


def test_a_lost_gpu_is_told_in_nvmls_words(tmp_path: Path) -> None:
    path = Node(tmp_path).start().gpus([gpu(0), gpu(1, error=GPU_IS_LOST)])
    with pytest.raises(ProbeError, match="GPU 1: GPU is lost"):
        Nvml(LabNvml(path)).look("")


def test_a_driver_that_is_not_loaded_is_told_in_nvmls_words(tmp_path: Path) -> None:
    path = Node(tmp_path).start().gpus([], init_error=DRIVER_NOT_LOADED)
    with pytest.raises(ProbeError, match="Driver Not Loaded"):
        Nvml(LabNvml(path)).look("")


def test_a_second_library_replaces_the_first_under_the_binding(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = Nvml(LabNvml(Node(tmp_path / "a").start().gpus([gpu(0)])))
    two = Nvml(LabNvml(Node(tmp_path / "b").start().gpus([gpu(0), gpu(1)])))
    assert [len(n.look("").devices) for n in (one, two, one)] == [1, 2, 1]
