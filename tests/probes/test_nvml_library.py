"""A C library in place of `libnvidia-ml.so.1`, loaded by the real binding through ctypes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from distcheck.checks.evidence import Gpus

SOURCE = r"""
#include <string.h>
typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } memory_v2;
typedef struct { unsigned long long total, free, used; } memory_v1;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gi, ci; } process;

int nvmlInitWithFlags(unsigned int flags) { return INIT; }
int nvmlInit_v2(void) { return INIT; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == 9 ? "Driver Not Loaded" : "other"; }
int nvmlSystemGetDriverVersion(char *to, unsigned int size) {
  strncpy(to, "570.1", size);
  return 0;
}
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **to) {
  *to = (void *)(unsigned long)(index + 1);
  return 0;
}
int nvmlDeviceGetUUID(void *gpu, char *to, unsigned int size) {
  strncpy(to, gpu == (void *)99 ? "MIG-cccc" : gpu == (void *)1 ? "GPU-aaaa" : "GPU-bbbb", size);
  return 0;
}
int nvmlDeviceGetName(void *gpu, char *to, unsigned int size) {
  strncpy(to, "NVIDIA H100", size);
  return 0;
}
#ifdef V2
int nvmlDeviceGetMemoryInfo_v2(void *gpu, memory_v2 *to) {
  to->total = 1000; to->reserved = 100; to->used = 300; to->free = 600;
  return 0;
}
#endif
int nvmlDeviceGetMemoryInfo(void *gpu, memory_v1 *to) {
  to->total = 1000; to->used = 400; to->free = 600;
  return 0;
}
#ifdef MIG
int nvmlDeviceGetMigMode(void *gpu, unsigned int *now, unsigned int *later) {
  *now = *later = gpu == (void *)2;
  return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(void *gpu, unsigned int *to) { *to = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *gpu, unsigned int index, void **to) {
  if (index != 3) return 6;
  *to = (void *)99;
  return 0;
}
int nvmlDeviceGetGpuInstanceId(void *gpu, unsigned int *to) { *to = 9; return 0; }
int nvmlDeviceGetComputeInstanceId(void *gpu, unsigned int *to) { *to = 1; return 0; }
typedef struct {
  char old[16]; unsigned int domain, bus, device, id, subsystem; char bus_id[32];
} pci;
int nvmlDeviceGetPciInfo_v3(void *gpu, pci *to) {
  strncpy(to->bus_id, "00000000:1B:00.0", 32);
  return 0;
}
#endif
int nvmlDeviceGetComputeRunningProcesses_v3(void *gpu, unsigned int *count, process *to) {
  if (gpu == (void *)2) { *count = 0; return GONE; }
  if (gpu == (void *)99) {
    if (to == 0 || *count < 1) { *count = 1; return 7; }
    to[0].pid = 4713; to[0].used = 77; to[0].gi = 9; to[0].ci = 1;
    *count = 1;
    return 0;
  }
  if (to == 0 || *count < 2) { *count = 2; return 7; }
  memset(to, 0, 2 * sizeof *to);
  to[0].pid = 4711; to[0].used = 250;
  to[1].pid = 4712; to[1].used = ~0ULL;
  *count = 2;
  return 0;
}
"""
LOOK = """
import msgspec, sys
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.probe import Probing
sys.stdout.buffer.write(msgspec.json.encode(Probing(5).run("nvml", lambda: Nvml().look("then"))))
"""


def seen_through(folder: Path, *defines: str) -> bytes:
    """What a new process sees through a library compiled into `folder`."""
    compiler = shutil.which("cc")
    if compiler is None:
        assert not os.environ.get("CI"), "CI has a C compiler"
        pytest.skip("no C compiler")
    source, library = folder / "nvml.c", folder / "libnvidia-ml.so.1"
    source.write_text(SOURCE)
    flags = [f"-D{d}" for d in (*defines, "" if "GONE=4" in defines else "GONE=0") if d]
    subprocess.run([compiler, "-shared", "-fPIC", *flags, "-o", library, source], check=True)
    return _looked(folder)


def _looked(folder: Path) -> bytes:
    environ = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    command = [sys.executable, "-c", LOOK]
    return subprocess.run(command, env=environ, check=True, capture_output=True).stdout


def test_the_binding_reads_a_real_library(tmp_path: Path) -> None:
    seen = msgspec.json.decode(seen_through(tmp_path, "INIT=0", "V2"), type=Gpus)
    assert seen.driver == "570.1"
    assert [(d.uuid, d.index, d.memory_total, d.memory_used) for d in seen.devices] == [
        ("GPU-aaaa", 0, 1000, 300),
        ("GPU-bbbb", 1, 1000, 300),
    ]


def test_memory_of_a_process_that_the_driver_does_not_tell_is_none(tmp_path: Path) -> None:
    seen = msgspec.json.decode(seen_through(tmp_path, "INIT=0", "V2"), type=Gpus)
    assert [(p.uuid, p.pid, p.memory_used) for p in seen.processes] == [
        ("GPU-aaaa", 4711, 250),
        ("GPU-aaaa", 4712, None),
    ]


def test_a_slice_and_its_process_come_through_a_real_library(tmp_path: Path) -> None:
    seen = msgspec.json.decode(seen_through(tmp_path, "INIT=0", "V2", "MIG"), type=Gpus)
    assert [(d.mig, d.bus_id, d.memory_reserved) for d in seen.devices] == [
        (False, "00000000:1B:00.0", 100),
        (True, "00000000:1B:00.0", 100),
    ]
    (cut,) = seen.slices
    assert (cut.uuid, cut.parent, cut.gpu_instance, cut.compute_instance) == (
        *("MIG-cccc", "GPU-bbbb"),
        *(9, 1),
    )
    assert (seen.processes[-1].uuid, seen.processes[-1].memory_used) == ("MIG-cccc", 77)


def test_a_cut_gpu_that_does_not_tell_its_processes_as_a_whole_is_still_seen(
    tmp_path: Path,
) -> None:
    seen = msgspec.json.decode(seen_through(tmp_path, "INIT=0", "V2", "MIG", "GONE=4"), type=Gpus)
    assert [p.pid for p in seen.processes] == [4711, 4712, 4713]
    assert seen.notes == ("GPU 1: processes of GPU-bbbb: Insufficient Permissions",)


def test_a_driver_from_before_mig_does_not_say_that_a_gpu_is_whole(tmp_path: Path) -> None:
    seen = msgspec.json.decode(seen_through(tmp_path, "INIT=0", "V2"), type=Gpus)
    assert [(d.mig, d.bus_id) for d in seen.devices] == [(None, ""), (None, "")]
    assert seen.notes == ()


def test_an_old_driver_without_the_second_form_of_memory_is_read(tmp_path: Path) -> None:
    seen = msgspec.json.decode(seen_through(tmp_path, "INIT=0"), type=Gpus)
    assert [d.memory_used for d in seen.devices] == [400, 400]


def test_a_driver_that_is_not_loaded_says_so(tmp_path: Path) -> None:
    assert b"NVML: Driver Not Loaded" in seen_through(tmp_path, "INIT=9")


def test_a_node_without_the_library_says_so(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"no library")
    assert b'"kind":"missing"' in _looked(tmp_path)
