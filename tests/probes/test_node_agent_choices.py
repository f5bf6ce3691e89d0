"""Which process of a pod is looked through, and where the agent does not let itself be led."""

from pathlib import Path

import pytest
from msgspec import structs
from tests.probes.node_folder import BOOT, CONTAINER, UID, Node, gpu

from distcheck.agent.node import Asked, NodeAgent
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.proc import Proc
from distcheck.checks.evidence import Missing, NodeLook, PodLook, RayCluster, ShmMount
from distcheck.lab.nvml import LabNvml

KEY = "llm/vllm-head-0"
ASKED: list[str] = []


def _gcs(address: str) -> RayCluster | Missing:
    ASKED.append(address)
    return RayCluster(address)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path).start()
    node.log("0.log", "")
    ASKED.clear()
    return node


def _looked(node: Node) -> NodeLook:
    return NodeAgent(node.settings, Nvml(LabNvml(node.root / "nvml.json")), _gcs).look(
        Asked((KEY,))
    )


def _pod(node: Node) -> PodLook:
    (pod,) = _looked(node).pods
    return pod


def _in_container(folder: Path, container: str, size: str) -> None:
    cgroup = (folder / "cgroup").read_text().replace(CONTAINER, container)
    (folder / "cgroup").write_text(cgroup)
    mounts = (folder / "mountinfo").read_text().replace("size=65536k", f"size={size}")
    (folder / "mountinfo").write_text(mounts)


def test_the_sandboxs_own_dev_shm_is_not_taken_for_the_ranks(node: Node) -> None:
    node.process(40, ["/pause"])
    folder = node.process(41, ["bash", "/start.sh"])
    (folder / "mountinfo").write_text("2 1 0:9 / /dev/shm rw - tmpfs tmpfs rw,size=32g\n")
    shm = _pod(node).shm
    assert isinstance(shm, ShmMount)
    assert shm.size_bytes == 32 << 30


def test_a_pod_with_nothing_but_its_sandbox_has_no_process(node: Node) -> None:
    node.process(40, ["/pause"])
    shm = _pod(node).shm
    assert isinstance(shm, Missing)
    assert "no process of vllm-head-0" in shm.reason


def test_of_several_containers_that_of_the_process_on_a_gpu_is_looked_at(node: Node) -> None:
    _in_container(node.process(41, ["nginx"]), "1" * 64, "64m")
    _in_container(node.process(42, ["python3", "serve.py"]), "2" * 64, "8g")
    node.gpus([gpu(0, 42)])
    shm = _pod(node).shm
    assert isinstance(shm, ShmMount)
    assert shm.size_bytes == 8 << 30


def test_where_no_process_shows_which_container_is_the_engines_nothing_is_guessed(
    node: Node,
) -> None:
    _in_container(node.process(41, ["nginx"]), "1" * 64, "64m")
    _in_container(node.process(42, ["bash", "/start.sh"]), "2" * 64, "8g")
    shm = _pod(node).shm
    assert isinstance(shm, Missing)
    assert "which container of vllm-head-0" in shm.reason


def test_cri_os_monitor_is_not_looked_through(node: Node) -> None:
    folder = node.process(41, ["/usr/bin/conmon", "-b", "/run"])
    cgroup = (folder / "cgroup").read_text().replace("cri-containerd-", "crio-conmon-")
    (folder / "cgroup").write_text(cgroup)
    assert isinstance(_pod(node).processes, Missing)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "0xa9fea9fe", "2852039166", "[64:ff9b::a9fe:a9fe]", "168.63.129.16"]
)
def test_a_command_line_cannot_send_the_agent_to_a_metadata_service(node: Node, host: str) -> None:
    node.process(41, ["raylet", f"--gcs-address={host}:80"])
    ray = _looked(node).ray
    assert isinstance(ray, Missing)
    assert "GCS is not asked: " in ray.reason
    assert ASKED == []


def test_a_gcs_that_is_named_is_asked_at_the_address_that_was_tested(node: Node) -> None:
    node.process(41, ["raylet", "--gcs-address=localhost:6379"])
    _looked(node)
    assert ASKED in (["127.0.0.1:6379"], ["[::1]:6379"])


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("[::ffff:127.0.0.1]", "loopback"),
        ("10.96.0.1", "Kubernetes API"),
        ("8.8.8.8", "public address"),
    ],
)
def test_a_command_line_sends_the_agent_to_no_place_where_a_pod_is_not(
    node: Node, host: str, why: str
) -> None:
    folder = node.process(41, ["raylet", f"--gcs-address={host}:80"])
    (folder / "ns" / "net").unlink()
    settings = structs.replace(node.settings, api_server="10.96.0.1")
    agent = NodeAgent(settings, Nvml(LabNvml(node.root / "nvml.json")), _gcs)
    ray = agent.look(Asked((KEY,))).ray
    assert isinstance(ray, Missing)
    assert why in ray.reason
    assert not ASKED


def test_a_head_on_a_nodes_public_address_is_asked_for_a_worker_beside_it(node: Node) -> None:
    folder = node.process(41, ["raylet", "--gcs-address=34.100.0.1:6379"])
    row = "   0: 02006522:C350 01006422:18EB 01 0:0 00:0 0 0 0 7 1\n"
    with (folder / "net" / "tcp").open("a") as tcp:
        tcp.write(row)
    (node.root / "proc/1/ns").mkdir(parents=True)
    (node.root / "proc/1/ns/net").symlink_to("/proc/self/ns/net")
    _looked(node)
    assert ASKED == ["34.100.0.1:6379"]


def test_a_gcs_whose_name_does_not_resolve_is_missing(node: Node) -> None:
    node.process(41, ["raylet", "--gcs-address=head.invalid:6379"])
    ray = _looked(node).ray
    assert isinstance(ray, Missing)
    assert "does not resolve" in ray.reason
    assert ASKED == []


def test_tasks_carry_pod_container_parent_and_start(node: Node) -> None:
    node.process(41, ["VLLM::Worker_TP3"], ppid=40)
    (task,) = Proc(node.settings.host_proc).tasks()
    assert (task.pid, task.ppid, task.pod_uid, task.container_id) == (41, 40, UID, CONTAINER)
    assert (task.title, task.is_rank) == ("VLLM::Worker_TP3", True)
    assert BOOT == 1_700_000_000
    assert task.started_at == "2023-11-14T22:15:23Z"


def test_a_process_of_no_pod_is_left_out(node: Node) -> None:
    (node.process(41, ["sshd"]) / "cgroup").write_text("0::/system.slice/sshd.service\n")
    assert list(Proc(node.settings.host_proc).tasks()) == []


def test_only_the_allow_listed_environment_is_read(node: Node) -> None:
    node.process(41, ["vllm"], environ={"NCCL_DEBUG": "INFO", "HF_TOKEN": "x", "PATH": "/bin"})
    assert Proc(node.settings.host_proc).environ(41) == {"NCCL_DEBUG": "INFO"}
