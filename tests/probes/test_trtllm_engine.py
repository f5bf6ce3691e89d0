"""A built TensorRT-LLM engine says how it is cut, wherever a command line leads to it."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.probes.node_folder import Node

from distcheck.agent.container_json import NotJsonError
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.trtllm_engine import engine_of, look
from distcheck.checks.evidence.serving import EngineFolder

BUILT = {
    "version": "0.16.0",
    "pretrained_config": {
        "architecture": "LlamaForCausalLM",
        "dtype": "bfloat16",
        "mapping": {"world_size": 16, "tp_size": 8, "pp_size": 2, "gpus_per_node": 8},
        "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": None},
    },
    "build_config": {"max_seq_len": 8192},
}
SEEN = EngineFolder(
    path="/engines/a/config.json",
    version="0.16.0",
    architecture="LlamaForCausalLM",
    dtype="bfloat16",
    world_size=16,
    tp=8,
    pp=2,
    gpus_per_node=8,
    quantization="FP8",
    max_seq_len=8192,
)
PBTXT = (
    'parameters: {\n  key: "gpt_model_path"\n  value: {\n    string_value: "/engines/a"\n  }\n}\n'
)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path).start()
    node.process(7, ["tritonserver"])
    node.inside("/engines/a/config.json", json.dumps(BUILT))
    node.inside("/repo/tensorrt_llm/config.pbtxt", PBTXT)
    node.inside("/repo/ensemble/config.pbtxt", "platform: 'ensemble'\n")
    return node


@pytest.mark.parametrize(
    "argv",
    [
        ("/usr/bin/python3", "/usr/local/bin/trtllm-serve", "/engines/a"),
        ("trtllm-serve", "serve", "/engines/a", "--tp_size", "4"),
        ("/opt/tritonserver/bin/tritonserver", "--model-repository=/repo"),
        ("mpirun", "-np", "16", "tritonserver", "--model-repository", "/repo", "--http-port", "1"),
    ],
)
def test_each_form_of_a_command_line_leads_to_the_engine(node: Node, argv: tuple[str, ...]) -> None:
    assert look(Container(node.settings.host_proc, 7), [("bash",), argv]) == SEEN


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("trtllm-serve", "org/m"), "no command line leads to"),
        (("trtllm-serve", "/models/m"), "no pretrained_config"),
        (("trtllm-serve", "/none"), "No such file"),
        (("tritonserver", "--model-repository=s3://bucket/x"), "no command line leads to"),
    ],
)
def test_what_leads_to_no_engine_says_so(node: Node, argv: tuple[str, ...], why: str) -> None:
    node.inside("/models/m/config.json", '{"model_type": "llama"}')
    with pytest.raises((ProbeError, OSError), match=why):
        look(Container(node.settings.host_proc, 7), [argv])


def test_a_repository_does_not_lead_out_of_the_container(node: Node) -> None:
    outside = node.root / "outside"
    outside.mkdir()
    (outside / "config.json").write_text(json.dumps(BUILT))
    (node.root / "container" / "engines" / "b").symlink_to(outside)
    node.inside("/repo/tensorrt_llm/config.pbtxt", PBTXT.replace("/a", "/b"))
    with pytest.raises(ProbeError, match="No such file"):
        look(Container(node.settings.host_proc, 7), [("tritonserver", "--model-repository=/repo")])


@settings(deadline=None)
@given(st.binary() | st.builds(lambda x: json.dumps({"pretrained_config": x}).encode(), st.text()))
def test_any_file_is_survived(data: bytes) -> None:
    with pytest.raises((ProbeError, NotJsonError)):
        engine_of(data, "/x")


def test_absurd_numbers_are_not_taken_over() -> None:
    mapping = {"tp_size": True, "pp_size": -1, "world_size": 1 << 70, "gpus_per_node": "8"}
    config = json.dumps({"pretrained_config": {"mapping": mapping, "quantization": 7}})
    assert engine_of(config.encode(), "/x") == EngineFolder(path="/x")
