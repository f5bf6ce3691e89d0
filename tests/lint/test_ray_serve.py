"""What Ray Serve's configuration asks for is judged where nothing else names an engine."""

from pathlib import Path

import pytest
from tests.lint.judge import found, judged

SERVICE = """
apiVersion: ray.io/v1
kind: RayService
metadata: {name: llm}
spec:
  serveConfigV2: |
    applications:
    - name: llm
      import_path: IMPORT
      args:
        llm_configs:
        - model_loading_config: {model_id: llama}
          engine_kwargs:
            max_model_len: 8192
            tensor_parallel_size: 8
            pipeline_parallel_size: 2
  rayClusterConfig:
    headGroupSpec:
      rayStartParams: {num-gpus: "0"}
      template: {spec: {containers: [{name: head, image: ours/ray:1}]}}
    workerGroupSpecs:
    - groupName: gpu
      replicas: 2
      maxReplicas: 2
      rayStartParams: {}
      template:
        spec:
          containers:
          - name: worker
            image: ours/ray:1
            resources: {limits: {LIMITS}}
"""


def service(limits: str, path: str = "ray.serve.llm:build_openai_app") -> str:
    return SERVICE.replace("LIMITS", limits).replace("IMPORT", path)


def test_a_model_without_any_gpu_is_judged() -> None:
    report = judged(service("cpu: 8"))
    assert report.judged == 2
    (one,) = (f for f in report.findings if f.id == "CONF010")
    assert one.at.source.strip() == "tensor_parallel_size: 8"
    assert one.fix.endswith("{nvidia.com/gpu: 8}}` to each worker's container.")


@pytest.mark.parametrize("limits", ["google.com/tpu: 4", "amd.com/gpu: 8"])
def test_accelerators_of_others_are_no_missing_gpus(limits: str) -> None:
    assert not found(service(limits), "CONF010")


def test_ray_serve_without_a_model_serves_none() -> None:
    text = service("cpu: 8").replace("llm_configs", "pets").replace("engine_kwargs", "food")
    assert judged(text).judged == 0


@pytest.mark.parametrize("rule", ["CONF001", "CONF120"])
def test_sizes_of_ray_serve_are_shown_at_their_own_line(rule: str) -> None:
    (one,) = found(service("nvidia.com/gpu: 4"), rule)
    assert one.at.source.strip() == "tensor_parallel_size: 8"
    assert one.at.source[one.at.column - 1 : one.at.end_column - 1] == "tensor_parallel_size"


def test_a_size_in_the_runtime_environment_is_told_where_it_stands() -> None:
    text = """\
apiVersion: ray.io/v1
kind: RayService
metadata: {name: llm}
spec:
  serveConfigV2: |
    applications:
    - name: llm
      import_path: ray-operator.config.samples.vllm.serve:model
      runtime_env:
        env_vars:
          TENSOR_PARALLELISM: "2"
          PIPELINE_PARALLELISM: "1"
          MODEL_ID: m/x
  rayClusterConfig:
    headGroupSpec:
      template: {spec: {containers: [{name: h, image: "rayproject/ray-ml:2.33.0"}]}}
    workerGroupSpecs:
    - groupName: gpu
      replicas: 1
      template:
        spec:
          containers:
          - {name: w, image: "rayproject/ray-ml:2.33.0", resources: {limits: {nvidia.com/gpu: 1}}}
"""
    assert [(f.level, f.at.line) for f in found(text, "CONF001")] == [("error", 11)]


@pytest.mark.parametrize(("held", "level"), [("...", "hint"), ("'a: [1'", "error")])
def test_a_configuration_that_is_left_out_is_no_broken_yaml(held: str, level: str) -> None:
    pod = "{spec: {containers: [{name: h, image: 'rayproject/ray-llm:2.49.0'}]}}"
    spec = f"{{serveConfigV2: {held}, rayClusterConfig: {{headGroupSpec: {{template: {pod}}}}}}}"
    text = f"apiVersion: ray.io/v1\nkind: RayService\nmetadata: {{name: a}}\nspec: {spec}\n"
    assert [f.level for f in found(text, "CONF070")] == [level]


@pytest.mark.parametrize("low", ["", "minReplicas: 0"])
def test_workers_that_nothing_makes_have_no_gpus(low: str) -> None:
    text = service("nvidia.com/gpu: 8").replace("replicas: 2\n", f"replicas: 0\n      {low}\n", 1)
    (one,) = found(text, "CONF001")
    assert (one.level, one.at.source.strip()) == ("error", "replicas: 0")
    assert one.fix == "Write `replicas: 2`, or set `enableInTreeAutoscaling: true`."
    scaled = "  rayClusterConfig:\n    enableInTreeAutoscaling: true\n"
    assert found(text.replace("  rayClusterConfig:\n", scaled), "CONF001") == ()


def test_a_lower_bound_makes_workers() -> None:
    text = service("nvidia.com/gpu: 8").replace("replicas: 2\n", "minReplicas: 2\n", 1)
    assert found(text, "CONF001") == ()


HEALTHY = Path(__file__).parent / "manifests/healthy/rayservice-serve-llm.yaml"
SERVED = HEALTHY.read_text("utf-8")
KWARGS = "{tensor_parallel_size: 4, pipeline_parallel_size: 2}"
SCALING = "{min_replicas: 1, max_replicas: 1}"


@pytest.mark.parametrize(
    ("old", "new", "fix"),
    [
        (
            "tensor_parallel_size: 4",
            'tensor_parallel_size: "4"',
            "Write `tensor_parallel_size: 4`.",
        ),
        (KWARGS, "{dtype: bf16}", "Write bfloat16."),
        (KWARGS, "{gpu_memory_utilization: 90}", "Write 0.9."),
        ("llm_configs", "llm_config", "Write llm_configs."),
        ("model_loading_config", "model_load_config", "Write model_loading_config."),
        ("deployment_config", "deployments_config", "Write deployment_config."),
        ("autoscaling_config", "autoscale_config", "Write autoscaling_config."),
        ("model_source", "model_sorce", "Write model_source."),
        (SCALING, "{min_replicas: 2, max_replicas: 1}", "Write a range."),
        ("maxReplicas: 2", "maxReplicas: 1", "Raise maxReplicas, or lower minReplicas."),
    ],
)
def test_what_ray_serve_llm_does_not_take_is_told_where_it_stands(
    old: str, new: str, fix: str
) -> None:
    (one,) = found(SERVED.replace(old, new), "CONF104")
    assert one.level == ("warning" if "maxReplicas" in old else "error")
    assert one.fix == fix
    assert new.partition(":")[0].strip("{") in one.at.source or "min" in one.at.source


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ray.serve.llm:build_openai_app", "ours.serve:build_openai_app"),
        ("llm_configs", "what_only_a_newer_release_has"),
        (KWARGS, "{tensor_parallel_size: $(TP), dtype: auto, gpu_memory_utilization: 0.92}"),
        (KWARGS, "{dtype: bf16}\n          server_cls: ours.Server"),
        ("llm_configs:", "llm_configs: /etc/models.yaml\n        others:"),
        ("applications:", "applications: []\n    others:"),
    ],
)
def test_what_another_builder_or_engine_may_take_is_no_error(old: str, new: str) -> None:
    assert not found(SERVED.replace(old, new), "CONF104")


def test_text_as_a_size_counts_as_what_is_asked_for() -> None:
    report = judged(SERVED.replace("tensor_parallel_size: 4", 'tensor_parallel_size: "4"'))
    assert "TP=4, PP=2" in report.groups[0]


def test_each_model_of_ray_serve_is_judged_by_its_own_heads_and_length() -> None:
    more = (
        "model_source: Qwen/Qwen2.5-7B-Instruct}\n          engine_kwargs: {max_model_len: 99999, "
    )
    other = (
        f"{KWARGS}\n        - model_loading_config: {{model_id: b, {more}tensor_parallel_size: 8}}"
    )
    text = SERVED.replace(KWARGS, other)
    (heads,), (length,) = found(text, "CONF005"), found(text, "CONF016")
    assert heads.at.source.strip().endswith("tensor_parallel_size: 8}")
    assert heads.says == "28 attention heads of Qwen/Qwen2.5-7B-Instruct are not divisible by TP=8"
    assert length.says == "max_model_len is 99999, and Qwen/Qwen2.5-7B-Instruct has 32768"
    assert not found(text.replace("max_model_len", "hf_overrides: {}, max_model_len"), "CONF016")


def test_a_group_of_workers_needs_a_name() -> None:
    (one,) = found(SERVED.replace("groupName: gpu\n        ", ""), "CONF078")
    assert one.says == "a group of workers of RayService serve-llm has no groupName"


def test_heads_of_a_model_that_ray_serve_is_told_are_divided() -> None:
    text = service("nvidia.com/gpu: 8").replace(
        "model_id: llama", "model_id: Qwen/Qwen2.5-72B-Instruct"
    )
    (one,) = found(text.replace("tensor_parallel_size: 8", "tensor_parallel_size: 6"), "CONF005")
    assert one.fix == "Write 8: with PP=2 that is all 16 GPUs."
    assert found(text, "CONF005") == ()
