"""Words that no release of vLLM takes, and what keeps that from being sure."""

import pytest
from tests.lint.judge import found

POD = """
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - name: vllm
    image: IMAGE
    command: [sh, -c, "START vllm serve m/x FLAG"]
    resources: {limits: {nvidia.com/gpu: 8}}
"""
OLD, NEW = "vllm/vllm-openai:v0.10.0", "vllm/vllm-openai:v0.25.0"


def pod(flag: str, image: str = OLD, start: str = "") -> str:
    return POD.replace("IMAGE", image).replace("START", start).replace("FLAG", flag)


@pytest.mark.parametrize(
    ("flag", "fix"),
    [
        ("--quantization fp88", "Write fp8."),
        ("--quantization=gptq_marlim", "Write gptq_marlin."),
        ("--quantization int8", "Write fp8, awq, gptq and so on."),
        ("--kv-cache-dtype int3", "Write fp8, fp8_e4m3 or fp8_e5m2."),
        ("--kv_cache_dtype fp8_e4m4", "Write fp8, fp8_e4m3 or fp8_e5m2."),
    ],
)
def test_a_word_that_no_release_takes_is_refused_by_one_that_is_known(flag: str, fix: str) -> None:
    (one,) = found(pod(flag), "CONF117")
    assert (one.level, one.fix) == ("error", fix)


def test_of_a_release_that_may_have_more_only_near_misses_are_hinted() -> None:
    for image, start in ((NEW, ""), ("ours/vllm:1", ""), (OLD, "pip install ours-quant;")):
        (one,) = found(pod("--quantization fp88", image, start), "CONF117")
        assert (one.level, one.unseen) == ("hint", f"which vLLM is in {image}")
        assert not found(pod("--quantization int8", image, start), "CONF117")


@pytest.mark.parametrize(
    "flag",
    ["--quantization FP8", "--quantization None", "--kv-cache-dtype auto", "--quantization $Q"],
)
def test_words_of_any_release_are_taken(flag: str) -> None:
    assert not found(pod(flag), "CONF117")


@pytest.mark.parametrize(
    "flag",
    [
        "--cudagraph-capture-sizes 1,2,4",
        "--cudagraph_capture_sizes=1,2,4",
        "--cuda-graph-sizes '1 2 4'",
    ],
)
def test_several_numbers_are_no_single_word(flag: str) -> None:
    (one,) = found(pod(flag), "CONF117")
    assert one.level == "error"
    assert one.says.endswith("vllm takes whole numbers, each a word of its own")


def test_sglang_takes_each_size_as_a_word() -> None:
    text = pod("").replace("vllm serve m/x", "python3 -m sglang.launch_server --model-path m/x FL")
    (one,) = found(text.replace("FL", "--cuda-graph-bs 1,2,4"), "CONF117")
    assert one.says.startswith("--cuda-graph-bs 1,2,4: sglang takes")
    assert not found(text.replace("FL", "--cuda-graph-bs 1 2 4"), "CONF117")


@pytest.mark.parametrize("sizes", ["1 2 4", "512", "$SIZES", "$(SIZES)"])
def test_sizes_of_a_word_each_or_not_known_are_right(sizes: str) -> None:
    assert not found(pod(f"--cudagraph-capture-sizes {sizes} --port 8000"), "CONF117")
