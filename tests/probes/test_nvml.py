"""The real NVML binding over a library that stands in for the driver's."""

from pathlib import Path

import pytest
from tests.probes.node_folder import Node, gpu

from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence import GpuProcess, Gpus
from distcheck.lab.nvml import LabNvml

GPU_IS_LOST, DRIVER_NOT_LOADED, NO_PERMISSION = 15, 9, 4


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


def test_the_minor_number_of_a_gpu_is_not_its_index(tmp_path: Path) -> None:
    seen = looked(tmp_path, gpu(0, minor=3), gpu(1, minor=0))
    assert [(d.index, d.minor) for d in seen.devices] == [(0, 3), (1, 0)]


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


def mig_slice(number: int, *pids: int, **more: object) -> dict[str, object]:
    return {
        "uuid": f"MIG-{number:08d}",
        "gpu_instance": number + 1,
        "compute_instance": 0,
        "memory_total": 40 << 30,
        "memory_used": 30 << 30,
        "processes": [{"pid": p, "memory_used": 29 << 30} for p in pids],
        **more,
    }


def looked(tmp_path: Path, *gpus: dict[str, object]) -> Gpus:
    return Nvml(LabNvml(Node(tmp_path).start().gpus(list(gpus)))).look("")


def test_a_gpu_that_is_not_cut_says_so(tmp_path: Path) -> None:
    seen = looked(tmp_path, gpu(0, bus_id="00000000:1B:00.0", memory_reserved=1 << 29))
    (device,) = seen.devices
    assert (device.mig, device.bus_id, device.memory_reserved) == (
        False,
        "00000000:1B:00.0",
        1 << 29,
    )
    assert (seen.slices, seen.notes) == ((), ())


def test_slices_are_seen_with_their_own_memory_and_processes(tmp_path: Path) -> None:
    seen = looked(tmp_path, gpu(0, slices=[mig_slice(0, 100), None, mig_slice(2, 101)]))
    parent = seen.devices[0].uuid
    assert seen.devices[0].mig is True
    assert [(s.uuid, s.parent, s.gpu_instance, s.memory_total) for s in seen.slices] == [
        ("MIG-00000000", parent, 1, 40 << 30),
        ("MIG-00000002", parent, 3, 40 << 30),
    ]
    assert [(p.uuid, p.pid) for p in seen.processes] == [
        ("MIG-00000000", 100),
        ("MIG-00000002", 101),
    ]
    assert seen.whole("MIG-00000002") == seen.whole(parent) == parent


def test_a_process_that_the_whole_gpu_lists_too_is_counted_once(tmp_path: Path) -> None:
    whole = gpu(0, slices=[mig_slice(0, 100)])
    whole["processes"] = [
        {"pid": 100, "memory_used": None},
        {"pid": 102, "memory_used": 5, "gpu_instance": 1, "compute_instance": 0},
    ]
    seen = looked(tmp_path, whole)
    assert [(p.uuid, p.pid, p.memory_used) for p in seen.processes] == [
        ("MIG-00000000", 100, 29 << 30),
        ("MIG-00000000", 102, 5),
    ]


def test_a_slice_that_does_not_answer_is_noted_and_the_rest_is_seen(tmp_path: Path) -> None:
    slices = [mig_slice(0, 100, error=NO_PERMISSION), mig_slice(1, 101)]
    seen = looked(tmp_path, gpu(0, slices=slices))
    assert [s.uuid for s in seen.slices] == ["MIG-00000001"]
    assert seen.notes == ("GPU 0: MIG device 0: Insufficient Permissions",)


def test_memory_that_is_not_told_is_none_with_the_reason(tmp_path: Path) -> None:
    cut = mig_slice(0)
    cut["processes"] = [{"pid": 100, "memory_used": None}]
    seen = looked(tmp_path, gpu(0, slices=[cut]), gpu(1, 7, mps=[{"pid": 8, "memory_used": None}]))
    assert [(p.pid, p.memory_used, p.untold) for p in seen.processes] == [
        (100, None, "NVML tells no memory of a process on a GPU that is cut by MIG here"),
        (7, 70 << 30, ""),
        (8, None, "NVML tells no memory of a process of an MPS client here"),
    ]


def test_an_mps_client_that_both_lists_name_is_counted_once(tmp_path: Path) -> None:
    seen = looked(tmp_path, gpu(0, 7, mps=[{"pid": 7, "memory_used": 1}]))
    assert [(p.pid, p.memory_used) for p in seen.processes] == [(7, 70 << 30)]


def test_what_others_hold_on_the_gpus_of_a_group_is_theirs() -> None:
    own, other, nobody = (
        GpuProcess("GPU-1", 1, 5, "llm/a"),
        GpuProcess("GPU-1", 2, 5, "x/b"),
        GpuProcess("GPU-1", 3),
    )
    elsewhere = GpuProcess("GPU-2", 4, 5, "x/b")
    gpus = Gpus((), (own, other, nobody, elsewhere))
    assert gpus.tenants(frozenset({"llm/a"})) == (other, nobody)
    assert gpus.tenants(frozenset({"llm/a", "x/b"})) == (nobody,)


def test_on_a_gpu_that_is_cut_a_neighbour_on_another_slice_is_no_tenant() -> None:
    own, other = GpuProcess("MIG-1", 1, 5, "llm/a"), GpuProcess("MIG-2", 2, 5, "x/b")
    assert Gpus((), (own, other)).tenants(frozenset({"llm/a"})) == ()
