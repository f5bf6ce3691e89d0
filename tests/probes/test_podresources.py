"""The kubelet's word on devices, over a real socket; and everything that is not that word."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.probes.kubelet import claim, container, kubelet, pod, reply
from tests.probes.node_folder import need_root

from distcheck.agent.probes import podresources
from distcheck.agent.probes.kubelet_proto import podresources_pb2 as pb
from distcheck.agent.probes.podresources import decode
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence.node import Allocated, Allocation

GPU = "GPU-8e5e7c1a-0000-4000-8000-00000000000{}"
FIELD = b"\x0a\x80\x08"
"""Field 1, 1024 bytes long, of which nothing follows."""


def looked(folder: Path, answer: Any, **more: Any) -> dict[str, Allocated]:
    with kubelet(folder, answer) as path:
        return podresources.look(str(path), **more)


def why(folder: Path, answer: Any = None, **more: Any) -> str:
    ask = podresources.look if answer is None else looked
    given = (str(folder),) if answer is None else (folder, answer)
    with pytest.raises(ProbeError) as error:
        ask(*given, **more)
    return str(error.value)


def devices(*containers: pb.ContainerResources) -> tuple[Allocation, ...]:
    return decode(reply(pod("vllm-head-0", *containers)), "kubelet")["llm/vllm-head-0"].devices


def test_a_real_socket_tells_what_each_pod_was_given(tmp_path: Path) -> None:
    two = [GPU.format(0), GPU.format(1)]
    seen = looked(
        tmp_path,
        reply(pod("vllm-head-0", container("vllm", nvidia_com__gpu=two)), pod("web-0")),
    )
    assert seen["llm/vllm-head-0"].devices == (Allocation("vllm", "nvidia.com/gpu", tuple(two)),)
    assert seen["llm/web-0"].devices == ()
    assert str(tmp_path / "kubelet.sock") in seen["llm/vllm-head-0"].source
    assert (seen["llm/vllm-head-0"].seen_at or "").endswith("Z")


def test_the_socket_itself_may_be_named(tmp_path: Path) -> None:
    with kubelet(tmp_path, reply(pod("a"))) as folder:
        assert podresources.look(str(folder / "kubelet.sock")) == podresources.look(str(folder))


def test_a_kubelet_that_restarts_is_found_again(tmp_path: Path) -> None:
    """It makes a new socket: only the folder stays the same."""
    assert list(looked(tmp_path, reply(pod("a")))) == ["llm/a"]
    assert "socket" in why(tmp_path)
    assert list(looked(tmp_path, reply(pod("b")))) == ["llm/b"]


FORMS = {
    "nvidia.com/gpu": ("GPU-8e5e7c1a-0000-4000-8000-000000000000",),
    "nvidia.com/gpu.shared": ("GPU-8e5e7c1a-0000-4000-8000-000000000000::3",),
    "nvidia.com/mig-1g.10gb": ("MIG-5f0c2f64-6a53-4d0b-9a6e-0c4f3e1d7a10",),
    "nvidia.com/mig-2g.20gb": ("MIG-5f0c2f64-6a53-4d0b-9a6e-0c4f3e1d7a10::1",),
    "nvidia.com/gpu.gke": ("nvidia0", "nvidia0/vgpu1", "nvidia0/gi3", "nvidia0/gi3/vgpu0"),
    "rdma/hca_shared_devices_a": ("12",),
    "rdma/ib": ("0",),
    "nvidia.com/hostdev": ("0000:9a:00.1",),
    "vpc.amazonaws.com/efa": ("rdmap16s27-uverbs0",),
    "openshift.io/mlxnics": ("0000:5e:00.2",),
    "intel.com/sriov_rdma_vf": ("0000:5e:00.3",),
    "amd.com/gpu": ("0000:0c:00.0",),
}


@pytest.mark.parametrize("resource", FORMS)
def test_ids_of_gpus_and_rdma_devices_are_kept_as_the_kubelet_has_them(resource: str) -> None:
    one = pb.Devices(resource=resource, ids=FORMS[resource])
    seen = devices(pb.ContainerResources(name="vllm", devices=[one]))
    assert seen == (Allocation("vllm", resource, FORMS[resource]),)


@pytest.mark.parametrize(
    "resource",
    ["smarter-devices/fuse", "devices.kubevirt.io/kvm", "intel.com/qat", "x.io/library", ""],
)
def test_other_devices_are_nobodys_business(resource: str) -> None:
    one = pb.Devices(resource=resource, ids=["1"])
    assert devices(pb.ContainerResources(name="vllm", devices=[one])) == ()


def test_one_entry_for_each_numa_node_is_one_allocation() -> None:
    entries = [pb.Devices(resource="nvidia.com/gpu", ids=[GPU.format(n)]) for n in range(8)]
    (seen,) = devices(pb.ContainerResources(name="vllm", devices=entries))
    assert seen.devices == tuple(GPU.format(n) for n in range(8))


def test_claimed_devices_are_named_by_driver_pool_and_device() -> None:
    three = [("gpu.nvidia.com", "gpu-a", "gpu-0"), ("gpu.nvidia.com", "gpu-a", "gpu-1")]
    nic = ("dra.net", "gpu-a", "mlx5-0")
    other = ("tpu.example.com", "gpu-a", "0")
    seen = devices(container("vllm", claim(*three), claim(nic, other), claim(three[0])))
    assert seen == (
        Allocation(
            "vllm", "gpu.nvidia.com", ("gpu.nvidia.com/gpu-a/gpu-0", "gpu.nvidia.com/gpu-a/gpu-1")
        ),
        Allocation("vllm", "dra.net", ("dra.net/gpu-a/mlx5-0",)),
    )


def test_containers_stay_apart() -> None:
    seen = devices(
        container("vllm", nvidia_com__gpu=[GPU.format(0)]),
        container("router"),
        container("draft", nvidia_com__gpu=[GPU.format(1)]),
    )
    assert [(one.container, one.devices) for one in seen] == [
        ("vllm", (GPU.format(0),)),
        ("draft", (GPU.format(1),)),
    ]


def test_an_ended_pod_of_the_same_name_takes_nothing_from_the_new_one() -> None:
    new = pod("vllm-head-0", container("vllm", nvidia_com__gpu=[GPU.format(0)]))
    seen = decode(reply(new, pod("vllm-head-0", container("vllm"))), "kubelet")
    assert [one.devices for one in seen["llm/vllm-head-0"].devices] == [(GPU.format(0),)]


def test_cpu_ids_memory_and_topology_are_skipped() -> None:
    """As a kubelet with the static CPU manager sends them: fields 3 and 4 of a container."""
    cpus = b"\x1a\x04\x00\x01\x02\x03"
    memory = b"\x22\x0b\x0a\x06memory\x10\x80\x20"
    numa = b"\x1a\x04\x0a\x02\x08\x01"
    device = b"\x0a\x0envidia.com/gpu\x12\x05GPU-x" + numa
    body = b"\x0a\x04vllm\x12" + bytes([len(device)]) + device + cpus + memory
    one = b"\x0a\x01a\x12\x03llm\x1a" + bytes([len(body)]) + body + b"\x22\x02\x05\x06"
    seen = decode(b"\x0a" + bytes([len(one)]) + one, "kubelet")
    assert seen["llm/a"].devices == (Allocation("vllm", "nvidia.com/gpu", ("GPU-x",)),)


def test_ids_without_end_and_ids_that_are_no_names_are_left_out() -> None:
    ids = ["GPU-a", "GPU-\x1b[2J", "x" * 257, *(f"GPU-{n}" for n in range(5000))]
    (seen,) = devices(container("vllm", nvidia_com__gpu=ids))
    assert (len(seen.devices), seen.devices[:2]) == (1024, ("GPU-a", "GPU-0"))


def test_a_missing_socket_says_what_to_mount(tmp_path: Path) -> None:
    assert "no pod-resources socket" in why(tmp_path)
    assert "mount /var/lib/kubelet/pod-resources" in why(tmp_path / "gone")


def test_a_socket_that_nobody_serves_names_the_kubelet(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "kubelet.sock"))
    assert "the kubelet is not running" in why(tmp_path)


def test_a_path_that_is_no_socket_or_too_long_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "kubelet.sock").write_text("")
    assert "kubelet.sock" in why(tmp_path)
    assert "too long" in why(tmp_path / ("x" * 120))


NOBODY = """
import os, sys
from distcheck.agent.probes import podresources
os.setgroups([])
os.setuid(65534)
try:
    podresources.look(sys.argv[1])
except podresources.ProbeError as error:
    print(error)
"""


def test_a_socket_without_the_right_to_it_names_root(tmp_path: Path) -> None:
    reason = need_root()
    if reason:
        assert not os.environ.get("CI"), f"CI {reason}"
        pytest.skip(reason)
    with kubelet(tmp_path, b""):
        (tmp_path / "kubelet.sock").chmod(0o600)
        command = [sys.executable, "-c", NOBODY, str(tmp_path / "kubelet.sock")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "may not be used: the agent must be root on the node" in done.stdout, done.stderr


def test_a_kubelet_without_version_1_is_too_old(tmp_path: Path) -> None:
    with kubelet(tmp_path, b"", "/v1alpha1.PodResourcesLister/List"):
        assert "older than Kubernetes 1.20" in why(tmp_path)


def test_a_kubelet_that_does_not_answer_costs_only_the_time_given(tmp_path: Path) -> None:
    def late(_context: Any) -> bytes:
        time.sleep(1.0)
        return b""

    with kubelet(tmp_path, late):
        assert "did not answer within 0.2 s" in why(tmp_path, timeout=0.2)


def test_an_answer_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    assert "larger than 16 MiB" in why(tmp_path, b"\0" * ((16 << 20) + 1))


def test_a_kubelet_that_is_asked_too_often_says_so(tmp_path: Path) -> None:
    def refuse(context: Any) -> bytes:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "rejected by {rate} limit")
        return b""

    assert "asked too often: rejected by {rate} limit" in why(tmp_path, refuse)


def test_any_other_refusal_is_told_in_the_kubelets_words(tmp_path: Path) -> None:
    def fail(context: Any) -> bytes:
        context.abort(grpc.StatusCode.INTERNAL, "device\x1b[2J manager")
        return b""

    assert "answered INTERNAL: device[2J manager" in why(tmp_path, fail)


def test_a_listener_that_speaks_no_grpc_is_named_so(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "kubelet.sock"))
        silent.listen()
        assert "did not answer" in why(tmp_path, timeout=0.3)


def test_bytes_that_are_no_answer_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in why(tmp_path, FIELD)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        seen = decode(data, "kubelet")
    except ProbeError:
        return
    assert msgspec.json.encode(seen)


WORD = st.text(max_size=12) | st.sampled_from(["nvidia.com/gpu", "rdma/ib", "GPU-a::0", "vllm"])
CONTAINER = st.builds(
    lambda name, resource, ids, names: pb.ContainerResources(
        name=name,
        devices=[pb.Devices(resource=resource, ids=ids)],
        claims=[claim((resource, names, names))],
    ),
    WORD, WORD, st.lists(WORD, max_size=5), WORD,
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.tuples(WORD, st.lists(CONTAINER, max_size=3)), max_size=4), st.data())
def test_any_answer_cut_or_bent_is_read_or_refused(
    pods: list[tuple[str, list[pb.ContainerResources]]], data: st.DataObject
) -> None:
    whole = reply(*(pod(name, *containers) for name, containers in pods))
    at = data.draw(st.integers(0, len(whole)))
    bent = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + 1 :]
    for body in (whole, whole[:at], bent):
        try:
            seen = decode(body, "kubelet")
        except ProbeError:
            continue
        ids = [i for one in seen.values() for a in one.devices for i in a.devices]
        assert all(i.isprintable() and len(i) <= 256 for i in ids)
        assert msgspec.json.encode(seen)
