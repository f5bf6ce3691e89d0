"""A pod's server, looked at through the whole agent: what it was started with and what it says."""

import json
import os
from pathlib import Path

import msgspec
import pytest
from tests.probes.node_folder import BOOT, Node, gpu
from tests.probes.test_engine_http import GOOD, served

from distcheck.agent.node import Asked, NodeAgent
from distcheck.agent.probes.nvml import Nvml
from distcheck.checks.evidence import (
    Gpus,
    Missing,
    ModelConfig,
    NodeLook,
    PodLook,
    RayCluster,
)
from distcheck.checks.evidence.serving import EngineArguments, EngineFolder, EngineHttp
from distcheck.lab.nvml import LabNvml

KEY = "llm/vllm-head-0"
SERVE = ["/usr/bin/python3", "/usr/local/bin/vllm", "serve"]
HOST = {"VLLM_HOST_IP": "127.0.0.7"}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path).start()
    node.log("0.log", "")
    node.inside("/models/m/config.json", '{"model_type": "llama"}')
    return node


def old(path: Path) -> Path:
    """The file as it was when the node started, before its processes."""
    os.utime(path, (BOOT, BOOT))
    return path


def looked(node: Node, **changed: object) -> NodeLook:
    settings = msgspec.structs.replace(node.settings, **changed)
    nvml = Nvml(LabNvml(node.root / "nvml.json"))
    return NodeAgent(settings, nvml, RayCluster).look(Asked((KEY,)))


def pod(node: Node, **changed: object) -> PodLook:
    (one,) = looked(node, **changed).pods
    return one


def test_a_server_is_asked_at_the_pods_own_address_and_the_port_of_its_file(node: Node) -> None:
    with served(GOOD, "127.0.0.7") as (server, _):
        folder = node.process(41, [*SERVE, "/models/m", "--config", "c.yaml"], environ=HOST)
        (folder / "cwd").symlink_to("/app")
        old(node.inside("/app/c.yaml", f"port: {server.port}\ntensor-parallel-size: 16\n"))
        seen = pod(node)
    assert isinstance(seen.engine_http, EngineHttp)
    assert (seen.engine_http.address, seen.engine_http.pid) == (f"127.0.0.7:{server.port}", 41)
    assert seen.engine_http.caches[0].num_gpu_blocks == 8192
    assert isinstance(seen.arguments, EngineArguments)
    assert seen.arguments.from_config == (f"--port={server.port}", "--tensor-parallel-size=16")
    assert (seen.arguments.config_path, seen.arguments.unread) == ("/app/c.yaml", ())


def test_the_address_that_it_listens_on_is_the_one_that_is_asked(node: Node) -> None:
    with served(GOOD, "127.0.0.9") as (server, _):
        words = ["/models/m", "--host", "127.0.0.9", "--port", str(server.port)]
        node.process(41, [*SERVE, *words], environ=HOST)
        seen = pod(node).engine_http
    assert isinstance(seen, EngineHttp)
    assert seen.version == "0.10.2"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--ssl-certfile", "/c"], "does not speak plain HTTP"),
        (["--uds", "/s"], "does not speak plain HTTP"),
        (["--headless"], "serves vLLM's HTTP API"),
        (["--host", "192.0.2.1"], "Cannot assign requested address"),
        (["--host", "127.0.0.8", "--port", "1"], "Connection refused"),
    ],
)
def test_a_server_that_does_not_answer_says_why(node: Node, words: list[str], why: str) -> None:
    node.process(41, [*SERVE, "/models/m", *words])
    seen = pod(node).engine_http
    assert isinstance(seen, Missing)
    assert why in seen.reason


def test_no_server_is_asked_in_another_namespace_unless_that_is_allowed(node: Node) -> None:
    folder = node.process(41, [*SERVE, "/models/m"])
    (folder / "ns" / "net").unlink()
    (folder / "ns" / "net").touch()
    seen = pod(node, port_probes=False).engine_http
    assert isinstance(seen, Missing)
    assert "are off on gpu-a" in seen.reason


def test_a_pod_of_ranks_only_has_no_server_and_its_looks_do_not_fail(node: Node) -> None:
    node.process(42, ["ray::RayWorkerWrapper"])
    agent = NodeAgent(node.settings, Nvml(LabNvml(node.root / "nvml.json")), RayCluster)
    (seen,) = agent.look(Asked((KEY,))).pods
    for part in (seen.engine_http, seen.arguments, seen.draft, seen.engine_folder):
        assert isinstance(part, Missing)
    started = {"engine_http", "arguments", "draft", "engine_folder"}
    assert not started & agent.probing.outcomes.keys()


def test_a_pod_without_processes_has_one_reason_for_all(node: Node) -> None:
    seen = pod(node)
    assert seen.engine_http == seen.arguments == seen.draft == seen.shm
    assert isinstance(seen.shm, Missing)
    assert "no process of vllm-head-0" in seen.shm.reason


@pytest.mark.parametrize(
    ("make", "why"),
    [
        ("missing", "No such file"),
        ("huge", "larger than 65536 bytes"),
        ("link", "No such file"),
        ("device", "not a regular file"),
    ],
)
def test_a_file_of_arguments_that_cannot_be_read_is_said(node: Node, make: str, why: str) -> None:
    node.process(41, [*SERVE, "/models/m", "--config=/etc/c.yaml"])
    path = node.inside("/etc/c.yaml", "port: 1\n" * 10000)
    if make != "huge":
        path.unlink()
    if make == "link":
        secret = node.root / "secret.yaml"
        secret.write_text("tensor-parallel-size: 16\n")
        path.symlink_to(secret)
    if make == "device":
        path.mkdir()
    seen = pod(node).arguments
    assert isinstance(seen, EngineArguments)
    assert seen.from_config == ()
    assert why in seen.unread[0]


def test_a_file_that_changed_after_the_start_is_not_what_the_process_read(node: Node) -> None:
    node.process(41, [*SERVE, "/models/m", "--config=/c.yaml"])
    node.inside("/c.yaml", "tensor-parallel-size: 16\n")
    seen = pod(node)
    assert isinstance(seen.arguments, EngineArguments)
    assert seen.arguments.from_config == ()
    assert seen.arguments.unread == ("/c.yaml: it changed after the process started",)
    assert isinstance(seen.draft, Missing)
    assert "whether there is one is not known" in seen.draft.reason
    assert isinstance(seen.engine_http, Missing)
    assert "its port is not known" in seen.engine_http.reason


def test_a_relative_file_of_a_process_without_a_folder_is_said(node: Node) -> None:
    node.process(41, [*SERVE, "/models/m", "--config=c.yaml"])
    seen = pod(node).arguments
    assert isinstance(seen, EngineArguments)
    assert "folder is not known" in seen.unread[0]


def test_the_file_of_arguments_may_name_the_model(node: Node) -> None:
    node.process(41, [*SERVE, "--config=/c.yaml"])
    old(node.inside("/c.yaml", "model: /models/m\n"))
    seen = pod(node).model
    assert isinstance(seen, ModelConfig)
    assert seen.path == "/models/m/config.json"


def test_a_draft_model_is_described_beside_the_model(node: Node) -> None:
    draft = json.dumps({"model": "/models/draft", "method": "eagle3"})
    node.process(41, [*SERVE, "/models/m", "--speculative-config", draft])
    node.inside("/models/draft/config.json", '{"num_hidden_layers": 1, "draft_vocab_size": 32000}')
    seen = pod(node)
    assert isinstance(seen.draft, ModelConfig)
    assert seen.draft.config == {"num_hidden_layers": 1, "draft_vocab_size": 32000}


def test_a_server_without_a_draft_model_says_so(node: Node) -> None:
    node.process(41, [*SERVE, "/models/m"])
    draft = pod(node).draft
    assert draft == Missing("no command line in vllm-head-0 asks for a draft model")


def test_a_shell_around_a_server_is_not_taken_for_it(node: Node) -> None:
    node.process(40, ["bash", "-c", "vllm serve /models/other --port 1"])
    node.process(41, [*SERVE, "/models/m"], ppid=40)
    seen = pod(node).arguments
    assert isinstance(seen, EngineArguments)
    assert (seen.pid, seen.words[3]) == (41, "/models/m")


def test_an_engine_folder_is_found_from_a_pods_command_line(node: Node) -> None:
    node.process(41, ["python3", "/usr/local/bin/trtllm-serve", "/engines/a"])
    mapping = {"pretrained_config": {"mapping": {"tp_size": 8, "pp_size": 2}}}
    node.inside("/engines/a/config.json", json.dumps(mapping))
    seen = pod(node).engine_folder
    assert seen == EngineFolder(path="/engines/a/config.json", tp=8, pp=2)


def test_a_logs_pid_leads_to_the_gpu_and_a_second_tenant_is_told_apart(node: Node) -> None:
    folder = node.process(41207, ["VLLM::Worker_TP0"])
    (folder / "status").write_text("NSpid:\t41207\t98\n")
    node.process(41300, ["python3"], uid="c1b7a2de-91f4-4a77-8f3c-55d20e9b4b21")
    (node.root / "proc" / "5").mkdir()
    (node.root / "proc" / "5" / "cgroup").write_text("0::/system.slice/x.service\n")
    node.gpus([gpu(0, 41207, 41300, 5, 999)])
    look = looked(node)
    assert isinstance(look.gpus, Gpus)
    pid = look.pods[0].host_pid(98)
    assert [p.uuid[:12] for p in look.gpus.processes if p.pid == pid] == ["GPU-00000000"]
    tenants = look.gpus.tenants(frozenset({KEY}))
    assert [(p.pid, p.owner) for p in tenants] == [(41300, "pod"), (5, "node"), (999, "unseen")]
