"""The memory limit of a container, from its cgroup: versions 1 and 2, and seen from another's."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.probes.node_folder import CONTAINER, Node

from distcheck.agent.probes import cgroup_memory
from distcheck.agent.probes.cgroup_memory import CgroupMemory
from distcheck.agent.probes.probe import ProbeError

GIB = 1 << 30
POD = "kubepods-burstable-pod5f0c2f64_6a53_4d0b_9a6e_0c4f3e1d7a10.slice"
SCOPE = f"cri-containerd-{CONTAINER}.scope"
SLICES = f"kubepods.slice/kubepods-burstable.slice/{POD}"
FS = "kubepods/burstable/pod5f0c2f64-6a53-4d0b-9a6e-0c4f3e1d7a10"


def _look(root: Path, cgroup: str) -> CgroupMemory:
    Node(root).start().process(41, ["VLLM::Worker"])
    (root / "proc" / "41" / "cgroup").write_text(cgroup)
    return cgroup_memory.look(str(root / "proc"), str(root / "sys"), 41)


def _write(root: Path, folder: str, **values: str) -> None:
    path = root / "sys" / "fs" / "cgroup" / folder
    path.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (path / name.replace("__", ".")).write_text(f"{value}\n")


def test_the_least_of_the_containers_and_the_pods_limit_counts(tmp_path: Path) -> None:
    _write(tmp_path, SLICES, memory__max=str(8 * GIB), memory__current="9")
    _write(tmp_path, f"{SLICES}/{SCOPE}", memory__max=str(4 * GIB), memory__current="7")
    assert _look(tmp_path, f"0::/{SLICES}/{SCOPE}\n") == CgroupMemory(4 * GIB, 7)


def test_no_limit_on_either_is_none(tmp_path: Path) -> None:
    _write(tmp_path, SLICES, memory__max="max")
    _write(tmp_path, f"{SLICES}/{SCOPE}", memory__max="max", memory__current="7")
    assert _look(tmp_path, f"0::/{SLICES}/{SCOPE}\n") == CgroupMemory(None, 7)


def test_the_pods_limit_counts_where_the_container_has_none(tmp_path: Path) -> None:
    _write(tmp_path, FS, memory__max=str(8 * GIB))
    _write(tmp_path, f"{FS}/{CONTAINER}", memory__max="max", memory__current="7")
    assert _look(tmp_path, f"0::/{FS}/{CONTAINER}\n") == CgroupMemory(8 * GIB, 7)


@pytest.mark.parametrize("seen", [f"/../../{POD}/{SCOPE}", f"/../../../{SLICES}/{SCOPE}"])
def test_an_agent_in_a_cgroup_namespace_sees_paths_from_its_own(tmp_path: Path, seen: str) -> None:
    _write(tmp_path, SLICES, memory__max="max")
    _write(tmp_path, f"{SLICES}/{SCOPE}", memory__max=str(GIB), memory__current="7")
    assert _look(tmp_path, f"0::{seen}\n").limit == GIB


def test_version_1_has_its_own_names_and_a_number_for_no_limit(tmp_path: Path) -> None:
    cgroup = f"12:cpu,cpuacct:/{FS}/{CONTAINER}\n9:memory:/{FS}/{CONTAINER}\n0::/{FS}\n"
    names = ("limit_in_bytes", "usage_in_bytes")
    for folder, limit in ((FS, 9223372036854771712), (f"{FS}/{CONTAINER}", 2 * GIB)):
        values = dict(zip((f"memory__{n}" for n in names), (str(limit), "5"), strict=True))
        _write(tmp_path, f"memory/{folder}", **values)
    assert _look(tmp_path, cgroup) == CgroupMemory(2 * GIB, 5)


def test_a_cgroup_that_a_container_makes_in_its_own_is_not_the_limit(tmp_path: Path) -> None:
    _write(tmp_path, SLICES, memory__max="max")
    _write(tmp_path, f"{SLICES}/{SCOPE}", memory__max=str(2 * GIB), memory__current="7")
    _write(tmp_path, f"{SLICES}/{SCOPE}/init", memory__max="4096", memory__current="1")
    assert _look(tmp_path, f"0::/{SLICES}/{SCOPE}/init\n") == CgroupMemory(2 * GIB, 7)


def test_the_containers_own_view_is_asked_where_the_nodes_is_not_mounted(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.process(41, ["VLLM::Worker"])
    node.inside("/sys/fs/cgroup/memory.max", "4096\n")
    seen = cgroup_memory.look(str(tmp_path / "proc"), str(tmp_path / "sys"), 41)
    assert seen == CgroupMemory(4096, None)


def test_a_cgroup_that_is_nowhere_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="not to be seen"):
        _look(tmp_path, f"0::/{SLICES}/{SCOPE}\n")


@settings(deadline=None, max_examples=60)
@example(text=f"0::/{FS}\0\n")
@given(text=st.text() | st.from_regex(rf"[0-9]*:(memory)?:/(\.\./)*({FS}/)?[a-z./]*\n?"))
def test_any_text_gives_a_limit_or_a_reason(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("node")
    Node(root).start().process(41, ["x"])
    (root / "proc" / "41" / "cgroup").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ProbeError):
        cgroup_memory.look(str(root / "proc"), str(root / "sys"), 41)
