"""CONF006 with the model's own configuration, and with what tells the GPUs' memory."""

import pytest

from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.checks.config.weights_fit import weights_fit
from distcheck.checks.evidence import ModelConfig
from distcheck.checks.knowledge.fullest_rank import fullest_rank

LLAMA_8B: dict[str, object] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "tie_word_embeddings": False,
    "rope_theta": 500000.0, "hidden_act": "silu", "head_dim": 128,
}  # fmt: skip
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  nodeSelector: {%s}
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--model, %s, %s]
    resources: {limits: {%s: 1}}
"""
MODEL = ModelConfig("/m/config.json", LLAMA_8B)
BYTES = 16_060_522_496


def judged(text: str, config: ModelConfig | None = None) -> list[tuple[str, str]]:
    report = lint_texts([("a.yaml", text)], Asked((weights_fit,), config=config))
    return [(f.level, f.unseen) for f in report.findings]


def test_heads_that_are_copied_and_embeddings_count() -> None:
    wide = fullest_rank(MODEL, (32, 1, 1))
    stages = fullest_rank(MODEL, (1, 3, 1), version="0.11.0")
    assert fullest_rank(MODEL, (1, 3, 1)) is None
    assert wide is not None
    assert stages is not None
    assert wide > BYTES / 32 * 1.01
    assert stages > BYTES / 3 * 1.01


@pytest.mark.parametrize(
    ("node", "resource", "more", "wrong"),
    [
        ("", "nvidia.com/mig-1g.10gb", "--enforce-eager", True),
        ("", "nvidia.com/mig-3g.20gb", "--enforce-eager", False),
        ("", "nvidia.com/mig-3g.20gb", '--gpu-memory-utilization, "0.7"', True),
        ("", "nvidia.com/mig-1g.10gb", "--quantization, fp8", False),
        ("nvidia.com/gpu.product: Tesla-T4", "nvidia.com/gpu", "--enforce-eager", True),
        ("node.kubernetes.io/instance-type: g4dn.xlarge", "nvidia.com/gpu", "-tp=1", True),
        ("karpenter.k8s.aws/instance-gpu-name: t4", "nvidia.com/gpu", "--max-num-seqs=8", True),
        ('karpenter.k8s.aws/instance-gpu-memory: "24576"', "nvidia.com/gpu", "-tp=1", False),
        ("", "nvidia.com/gpu", "--enforce-eager", False),
    ],
)  # fmt: skip
def test_the_memory_of_a_gpu_is_read_from_where_it_is_told(
    node: str, resource: str, more: str, wrong: bool
) -> None:
    found = judged(POD % (node, "/m", more, resource), MODEL)
    assert found == [("error", "")] * wrong


def test_what_only_few_gpus_hold_is_a_hint_where_they_are_not_named() -> None:
    text = POD % ("", "meta-llama/Llama-3.1-70B-Instruct", "-tp=1", "nvidia.com/gpu")
    assert judged(text) == [("hint", "which GPUs the nodes have")]


def test_80_gb_say_nothing_of_accelerators_of_others() -> None:
    text = POD % ("", "meta-llama/Llama-3.1-70B-Instruct", "-tp=1", "amd.com/gpu")
    assert judged(text) == []


@pytest.mark.parametrize(
    "node",
    [
        "gpu.nvidia.com/class: H200",
        "gpu.nvidia.com/model: H200",
        "eks.amazonaws.com/instance-gpu-name: h200",
        "karpenter.k8s.aws/instance-family: p5en",
        "eks.amazonaws.com/instance-family: p5en",
        'eks.amazonaws.com/instance-gpu-memory: "144384"',
    ],
)
def test_the_gpus_of_a_node_are_known_by_labels_of_coreweave_and_eks(node: str) -> None:
    fits = POD % (node, "mistralai/Mixtral-8x7B-Instruct-v0.1", "-tp=1", "nvidia.com/gpu")
    assert judged(fits) == []
    text = POD % (node, "meta-llama/Llama-3.1-405B-Instruct-FP8", "-tp=1", "nvidia.com/gpu")
    assert judged(text) == [("error", "")]


@pytest.mark.parametrize(
    ("model", "said"), [("deepseek-ai/DeepSeek-R1", 0), ("meta-llama/Llama-3.1-405B", 1)]
)
def test_copies_share_experts_also_without_expert_parallelism(model: str, said: int) -> None:
    text = POD % ("", model, "-tp=1, -dp=16", "nvidia.com/gpu")
    assert len(judged(text.replace("gpu: 1", "gpu: 16"))) == said
