"""The agent over a node folder, asked over HTTP as `verify` asks it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.probes.node_folder import Node, gpu
from tests.probes.rdma_tree import NDR, hca
from tests.waiting import within

from distcheck.agent.door import Door
from distcheck.agent.node import Asked, NodeAgent
from distcheck.agent.probes.nvml import Nvml
from distcheck.checks.evidence import (
    Gpus,
    Missing,
    ModelConfig,
    NcclLog,
    NodeLook,
    PodLook,
    PortProbes,
    Processes,
    RayCluster,
    ShmMount,
)
from distcheck.checks.evidence.gpu_health import GpuHealth
from distcheck.checks.evidence.rdma import RdmaAccess, RdmaDevices
from distcheck.lab.listeners import Listener
from distcheck.lab.machine import free_port
from distcheck.lab.nvml import LabNvml

KEY = "llm/vllm-head-0"
ENGINE = [
    *("/usr/bin/python3", "/usr/local/bin/vllm", "serve", "/models/m"),
    *("--tensor-parallel-size", "16", "--api-key", "secret-word"),
]
RAYLET = ["/ray/raylet", "--gcs-address=10.0.0.2:6379", "--node_ip_address=10.0.0.2"]


def _gcs(address: str) -> RayCluster | Missing:
    return RayCluster(address)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A head pod: engine, raylet and one rank on a GPU."""
    node = Node(tmp_path).start()
    node.log("0.log", "2026-01-15T09:20:00.1Z stdout F hello\n")
    environ = {"VLLM_HOST_IP": "127.0.0.1", "NCCL_DEBUG": "INFO", "HF_TOKEN": "secret-word"}
    node.process(41, ENGINE, environ=environ)
    node.process(42, RAYLET)
    node.process(43, ["ray::RayWorkerWrapper"], ppid=42)
    node.gpus([gpu(0, 43), gpu(1, 999)])
    node.inside("/models/m/config.json", '{"model_type": "llama"}')
    node.inside("/models/m/model.safetensors.index.json", '{"metadata": {"total_size": 7}}')
    (node.root / "container/tmp/ray/session_latest/logs").mkdir(parents=True)
    return node


def _agent(node: Node, gcs: Callable[[str], RayCluster | Missing] = _gcs) -> NodeAgent:
    return NodeAgent(node.settings, Nvml(LabNvml(node.root / "nvml.json")), gcs)


def _pod(look: NodeLook) -> PodLook:
    (pod,) = look.pods
    return pod


@contextmanager
def _served(agent: NodeAgent) -> Iterator[int]:
    door = Door(("127.0.0.1", 0), agent)
    thread = threading.Thread(target=door.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield door.server_address[1]
    finally:
        door.shutdown()
        thread.join()
        door.server_close()


def _get(port: int, path: str) -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers["Content-Length"]
    finally:
        connection.close()


def test_the_evidence_door_answers_with_a_node_look(node: Node) -> None:
    with _served(_agent(node)) as port:
        status, body, length = _get(port, f"/v1/evidence?pod={KEY}")
    look = msgspec.json.decode(body, type=NodeLook)
    assert (status, length) == (200, str(len(body)))
    assert (look.node, _pod(look).pod) == ("gpu-a", KEY)
    assert b"secret-word" not in body


def test_links_are_told_with_what_they_were_the_last_time(node: Node) -> None:
    port = hca(node.root / "sys", "mlx5_0", {**NDR, "counters/link_downed": "1"})
    node.inside("/dev/infiniband/uverbs0", "")
    agent = _agent(node)
    first = agent.look(Asked((KEY,)))
    (port / "counters" / "link_downed").write_text("2\n")
    second = agent.look(Asked((KEY,)))
    assert isinstance(first.rdma, RdmaDevices)
    assert isinstance(second.rdma, RdmaDevices)
    assert (first.rdma.before, second.rdma.before) == ((), first.rdma.ports)
    assert second.rdma.before_at == first.observed_at
    assert [p.counters for p in second.rdma.ports] == [{"link_downed": 2}]
    access = _pod(second).rdma
    assert isinstance(access, RdmaAccess)
    assert (access.verbs, access.devices, access.pid) == (("uverbs0",), ("mlx5_0",), 43)


def test_gpus_are_told_with_how_busy_they_were_the_last_time(node: Node) -> None:
    """One that does not tell, as with MIG, is not among them."""
    agent = _agent(node)
    node.gpus([gpu(0, 43) | {"utilization": 97}, gpu(1, 999)])
    first = agent.look(Asked((KEY,)))
    node.gpus([gpu(0, 43) | {"utilization": 3}, gpu(1, 999)])
    second = agent.look(Asked((KEY,)))
    assert isinstance(first.health, GpuHealth)
    assert isinstance(second.health, GpuHealth)
    assert (first.health.used_before, first.health.before_at) == ({}, None)
    uuid = first.health.gpus[0].uuid
    assert second.health.used_before == {uuid: 97}
    assert (second.health.used, second.health.before_at) == ({uuid: 3}, first.observed_at)


def test_every_part_of_a_pod_is_seen(node: Node) -> None:
    look = _agent(node).look(Asked((KEY,)))
    pod = _pod(look)
    assert isinstance(pod.processes, Processes)
    assert pod.processes.environ == {"VLLM_HOST_IP": "127.0.0.1", "NCCL_DEBUG": "INFO"}
    assert pod.processes.environ_pid == 41
    assert {p.pid for p in pod.processes.processes} == {41, 42, 43}
    assert isinstance(pod.shm, ShmMount)
    assert "pid 43" in pod.shm.cited
    assert isinstance(pod.model, ModelConfig)
    assert pod.model.checkpoint_bytes == 7
    assert isinstance(pod.nccl, NcclLog)
    assert look.ray == RayCluster("10.0.0.2:6379")


def test_gpu_processes_are_given_to_the_pod_that_their_cgroup_names(node: Node) -> None:
    gpus = _agent(node).look(Asked((KEY,))).gpus
    assert isinstance(gpus, Gpus)
    assert [(p.pid, p.pod, p.title) for p in gpus.processes] == [
        (43, KEY, "ray::RayWorkerWrapper"),
        (999, None, ""),
    ]


def test_of_a_pod_that_was_not_asked_for_only_its_memory_is_told(node: Node) -> None:
    node.log("0.log", "", pod="other-0", uid="b" * 32)
    node.process(53, ["VLLM::Worker_TP0"], uid="b" * 32)
    node.gpus([gpu(0, 43, 53)])
    look = _agent(node).look(Asked((KEY,)))
    assert isinstance(look.gpus, Gpus)
    other = next(p for p in look.gpus.processes if p.pid == 53)
    assert (other.pod, other.owner, other.memory_used) == ("another pod", "pod", 70 << 30)
    assert (other.title, other.container_id) == ("", "")
    assert b"other-0" not in msgspec.json.encode(look)


def test_ports_are_tried_from_the_pods_own_address(node: Node) -> None:
    listener = Listener("127.0.0.5")
    peer = f"llm/vllm-worker-0|127.0.0.5|{listener.port}|node_manager"
    own = f"{KEY}|127.0.0.5|{listener.port}|gcs"
    try:
        with _served(_agent(node)) as port:
            _, body, _ = _get(port, f"/v1/evidence?pod={KEY}&peer={peer}&peer={own}")
    finally:
        listener.close()
    ports = _pod(msgspec.json.decode(body, type=NodeLook)).ports
    assert isinstance(ports, PortProbes)
    assert [(p.peer, p.service, p.outcome) for p in ports.probes] == [
        ("llm/vllm-worker-0", "node_manager", "open")
    ]


def test_a_pod_of_another_node_is_missing_with_the_reason(node: Node) -> None:
    look = _agent(node).look(Asked(("llm/elsewhere-0",)))
    assert _pod(look).nccl == Missing("gpu-a has no such pod")


def test_a_pod_without_processes_still_shows_its_log(node: Node) -> None:
    node.log("0.log", "2026-01-15T09:20:00.1Z stdout F hello\n", pod="ended-0", uid="a" * 32)
    pod = _pod(_agent(node).look(Asked(("llm/ended-0",))))
    assert isinstance(pod.nccl, NcclLog)
    assert isinstance(pod.shm, Missing)
    assert "no process of ended-0" in pod.shm.reason


def test_of_two_pods_of_one_name_the_living_one_is_looked_at(node: Node) -> None:
    node.log("0.log", "2026-01-15T09:20:00.1Z stdout F old\n", uid="b" * 32)
    assert isinstance(_pod(_agent(node).look(Asked((KEY,)))).processes, Processes)


def test_a_driver_that_fails_leaves_the_rest_to_be_seen(node: Node) -> None:
    node.gpus([], init_error=9)
    look = _agent(node).look(Asked((KEY,)))
    assert look.gpus == Missing("nvml: NVML: Driver Not Loaded")
    assert isinstance(_pod(look).shm, ShmMount)


def test_log_folders_that_cannot_be_read_make_every_pod_unseen(node: Node) -> None:
    (node.root / "pod-logs").rename(node.root / "gone")
    pod = _pod(_agent(node).look(Asked((KEY,))))
    assert isinstance(pod.nccl, Missing)
    assert "No such file" in pod.nccl.reason


def test_a_shell_whose_script_starts_ray_may_be_past_it_and_is_still_rays(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.log("0.log", "")
    node.process(41, ["bash", "-c", "ray start --address=vllm-head-0:6379; sleep inf"])
    look = _agent(node).look(Asked((KEY,)))
    assert look.ray == Missing("no raylet runs, though a script that runs starts Ray on gpu-a")


def test_a_worker_that_still_waits_for_the_head_says_so(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.log("0.log", "")
    node.process(41, ["python3", "/usr/local/bin/ray", "start", "--address=vllm-head-0:6379"])
    look = _agent(node).look(Asked((KEY,)))
    assert look.ray == Missing(
        "no raylet runs; `ray start` still waits for vllm-head-0:6379 on gpu-a"
    )


def test_switched_off_port_probes_are_missing_with_the_reason(node: Node) -> None:
    settings = msgspec.structs.replace(node.settings, port_probes=False)
    agent = NodeAgent(settings, Nvml(LabNvml(node.root / "nvml.json")), _gcs)
    from distcheck.agent.probes.ports import PortTarget  # noqa: PLC0415 - for this one test

    asked = Asked((KEY,), (PortTarget("llm/vllm-worker-0", "127.0.0.1", 1, "gcs"),))
    assert _pod(agent.look(asked)).ports == Missing("port probes are switched off on gpu-a")


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/healthz", 200, b"ok"),
        ("/v1/evidence", 400, b"ask for 1 to"),
        ("/v1/evidence?pod=llm/a&file=/etc/shadow", 400, b"unknown parameter: file"),
        ("/v1/evidence?pod=llm/a&peer=x|10.0.0.2|99999|gcs", 400, b"is not like"),
        ("/v1/evidence?pod=llm/a&peer=x|10.0.0.2|gcs", 400, b"is not like"),
        ("/v1/evidence?" + "&".join(["pod=llm/a"] * 65), 400, b"ask for 1 to"),
        ("/etc/passwd", 404, b"no such page"),
    ],
)
def test_what_the_door_does_not_take_it_says_clearly(
    node: Node, path: str, status: int, says: bytes
) -> None:
    with _served(_agent(node)) as port:
        seen, body, _ = _get(port, path)
    assert seen == status
    assert says in body


def test_the_process_ends_by_itself_after_sigterm(node: Node) -> None:
    ports = [free_port(), free_port()]
    words = [sys.executable, "-m", "distcheck.lab.node", "--root", str(node.root)]
    words += ["--node", "gpu-a", "--listen", f"127.0.0.1:{ports[0]}"]
    words += ["--metrics", f"127.0.0.1:{ports[1]}"]
    with subprocess.Popen(words) as process:
        assert within(60, lambda: all(map(_listens, ports)))
        assert _get(ports[0], f"/v1/evidence?pod={KEY}")[0] == 200
        assert b"distcheck_build_info" in _get(ports[1], "/metrics")[1]
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
