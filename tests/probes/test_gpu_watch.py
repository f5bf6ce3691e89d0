"""What the agent's metrics show: its own look now and then, and never a question's."""

import os
import shutil
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.probes.node_folder import Node, gpu
from tests.probes.rdma_tree import LINK_DOWN, NDR, hca

from distcheck.agent.metrics import AgentFamilies
from distcheck.agent.node import Asked, NodeAgent
from distcheck.agent.openmetrics import page
from distcheck.agent.probes.nvml import Nvml
from distcheck.checks.evidence import Missing
from distcheck.lab.nvml import LabNvml

GPU_IS_LOST = 15
KEY = "llm/vllm-head-0"
OTHER = "b" * 8 + "-6a53-4d0b-9a6e-0c4f3e1d7a10"
_OF = 'workload_container="vllm",workload_namespace="llm",workload_pod="%s"'
SHM = f"distcheck_shm_size_bytes{{{_OF}}}"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Two pods with a rank on a GPU each, and one without."""
    node = Node(tmp_path).start()
    node.log("0.log", "")
    node.process(43, ["VLLM::Worker_TP0"])
    node.log("0.log", "", pod="other-0", uid=OTHER)
    node.process(53, ["VLLM::Worker_TP0"], uid=OTHER)
    node.log("0.log", "", pod="idle-0", uid="c" * 32)
    node.process(63, ["VLLM::Worker_TP0"], uid="c" * 32)
    node.gpus([gpu(0, 43), gpu(1, 53)])
    return node


def _agent(node: Node, **more: float) -> NodeAgent:
    settings = replace(node.settings, **more)
    nvml = Nvml(LabNvml(node.root / "nvml.json"))
    return NodeAgent(settings, nvml, lambda _address: Missing("no GCS here"))


def _page(agent: NodeAgent) -> str:
    return page(AgentFamilies(agent), "", "").body.decode()


def test_a_scrape_shows_the_agents_own_look_and_starts_none(node: Node) -> None:
    agent = _agent(node)
    assert "distcheck_gpu_memory" not in _page(agent)
    assert agent.watch.last is None
    agent.watch.look(time.time())
    after = _page(agent)
    assert 'distcheck_gpu_memory_total_bytes{gpu="0",uuid="GPU-00000000-0000' in after
    assert f"{SHM % 'vllm-head-0'} 6.7108864e+07" in after
    assert f"{SHM % 'other-0'} 6.7108864e+07" in after
    assert "idle-0" not in after
    assert "distcheck_last_look_timestamp_seconds" in after
    assert 'distcheck_probe_success{probe="watch-nvml"} 1.0' in after


def test_a_question_at_the_door_changes_no_series_of_another_pod(node: Node) -> None:
    agent = _agent(node)
    agent.look(Asked((KEY,)))
    assert "distcheck_shm_size_bytes{" not in _page(agent)
    agent.watch.look(time.time())
    agent.look(Asked((KEY,)))
    assert SHM % "other-0" in _page(agent)


def test_series_of_a_pod_that_is_gone_vanish(node: Node) -> None:
    agent = _agent(node)
    agent.watch.look(time.time())
    shutil.rmtree(node.root / "proc" / "53")
    node.gpus([gpu(0, 43), gpu(1)])
    agent.watch.look(time.time())
    assert SHM % "other-0" not in _page(agent)
    assert SHM % "vllm-head-0" in _page(agent)


def test_a_look_older_than_three_intervals_is_not_shown_but_its_age_is(node: Node) -> None:
    agent = _agent(node, look_every=10.0)
    agent.watch.look(time.time() - 31)
    shown = _page(agent)
    assert "distcheck_gpu_memory" not in shown
    assert "distcheck_shm" not in shown
    assert "distcheck_last_look_timestamp_seconds" in shown


def test_a_driver_that_fails_leaves_no_series_of_gpus(node: Node) -> None:
    agent = _agent(node)
    agent.watch.look(time.time())
    node.gpus([], init_error=9)
    agent.watch.look(time.time())
    shown = _page(agent)
    assert "distcheck_gpu_memory" not in shown
    assert 'distcheck_probe_success{probe="watch-nvml"} 0.0' in shown


def test_a_lost_gpu_takes_its_own_series_alone(node: Node) -> None:
    agent = _agent(node)
    node.gpus([gpu(0, 43), gpu(1, 53, error=GPU_IS_LOST)])
    agent.watch.look(time.time())
    shown = _page(agent)
    assert 'distcheck_gpu_memory_used_bytes{gpu="0"' in shown
    assert 'distcheck_gpu_memory_used_bytes{gpu="1"' not in shown
    assert SHM % "vllm-head-0" in shown
    assert SHM % "other-0" not in shown
    assert 'distcheck_probe_success{probe="watch-nvml"} 1.0' in shown


def test_gpus_that_are_all_lost_are_a_look_that_failed(node: Node) -> None:
    agent = _agent(node)
    node.gpus([gpu(0, 43, error=GPU_IS_LOST), gpu(1, 53, error=GPU_IS_LOST)])
    agent.watch.look(time.time())
    shown = _page(agent)
    assert "distcheck_gpu_memory" not in shown
    assert 'distcheck_probe_success{probe="watch-nvml"} 0.0' in shown


def test_the_watch_looks_by_itself_and_zero_switches_it_off(node: Node) -> None:
    on, off = _agent(node, look_every=0.05), _agent(node, look_every=0.0)
    end = on.watch.start()
    off.watch.start()
    deadline = time.monotonic() + 60
    while on.watch.last is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    end()
    assert off.watch.last is None
    assert "distcheck_last_look" not in _page(off)


def test_links_of_rdma_are_shown_with_their_rate_and_none_without_a_state(node: Node) -> None:
    sys = node.root / "sys"
    hca(sys, "mlx5_0")
    hca(sys, "mlx5_1", {**NDR, **LINK_DOWN}, number=1)
    unread = hca(sys, "mlx5_2", number=2)
    (unread / "state").unlink()
    agent = _agent(node)
    agent.watch.look(time.time())
    shown = _page(agent)
    assert 'distcheck_rdma_link_up{device="mlx5_0",port="1"} 1.0' in shown
    assert 'distcheck_rdma_link_up{device="mlx5_1",port="1"} 0.0' in shown
    assert 'distcheck_rdma_link_up{device="mlx5_2"' not in shown
    assert 'distcheck_rdma_link_rate_bits{device="mlx5_2",port="1"} 4e+11' in shown


@pytest.fixture
def leaky(node: Node) -> Node:
    """The node, with a segment of NCCL in `/dev/shm` that no process holds."""
    inside = node.root / "container" / "dev" / "shm"
    inside.mkdir(parents=True)
    (inside / "nccl-a1b2c3").write_bytes(b"x" * 4096)
    for pid in ("43", "53", "63"):
        (node.root / "proc" / pid / "fd").mkdir()
        (node.root / "proc" / pid / "maps").write_text("")
        line = f"23 22 {_device(node)} / /dev/shm rw - tmpfs tmpfs rw,size=65536k\n"
        (node.root / "proc" / pid / "mountinfo").write_text(line)
    return node


def _device(node: Node) -> str:
    made = (node.root / "container" / "dev" / "shm").stat().st_dev
    return f"{os.major(made)}:{os.minor(made)}"


LEAKED = SHM.replace("size_bytes", "leaked_bytes")


def test_what_dead_ranks_left_in_dev_shm_is_a_series(leaky: Node) -> None:
    agent = _agent(leaky)
    agent.watch.look(time.time())
    assert f"{LEAKED % 'vllm-head-0'} 4096.0" in _page(agent)
    assert len(agent.watch.shm.levels.of(_device(leaky))) == 2


def test_what_was_left_stays_a_series_while_a_process_of_the_pod_runs(leaky: Node) -> None:
    agent = _agent(leaky)
    agent.tail.tick(time.monotonic())
    agent.watch.look(time.time())
    leaky.gpus([gpu(0), gpu(1)])
    shutil.rmtree(leaky.root / "proc" / "53")
    agent.watch.look(time.time())
    agent.watch.look(time.time())
    shown = _page(agent)
    assert f"{LEAKED % 'vllm-head-0'} 4096.0" in shown
    assert "other-0" not in shown
    assert "idle-0" not in shown
