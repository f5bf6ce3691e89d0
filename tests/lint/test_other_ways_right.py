"""What is told in another way than the usual one is right, and a fault told so is one."""

import pytest
from tests.lint.judge import found

CACHE = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  volumes: [{name: c, emptyDir: {}}, {name: m, persistentVolumeClaim: {claimName: m}}]
  containers:
  - name: vllm
    image: %s
    args: [--model, Qwen/Qwen3-0.6B%s]
    env: [{name: HF_HUB_OFFLINE, value: "1"}%s]
    volumeMounts: [{name: c, mountPath: /root/.cache}, {name: m, mountPath: /models}]
    %s
"""
VLLM = "vllm/vllm-openai:v0.11.0"


def offline(args: str = "", env: str = "", more: str = "", image: str = VLLM) -> list[str]:
    text = CACHE % (image, args and f", {args}", env and f", {env}", more)
    return [f.level for f in found(text, "CONF107")]


@pytest.mark.parametrize("flag", ["--download-dir=/models", "--download_dir, /models"])
def test_a_folder_for_downloads_is_the_models_place_however_it_is_written(flag: str) -> None:
    assert not offline(flag)


@pytest.mark.parametrize(
    "name", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"]
)
def test_each_variable_that_moves_the_cache_of_the_hub_is_read(name: str) -> None:
    assert not offline(env=f"{{name: {name}, value: /models}}")
    assert offline(env=f"{{name: {name}, value: /root/.cache/deeper}}") == ["error"]


def test_a_cache_that_a_map_names_may_be_anywhere() -> None:
    given = "{name: HF_HOME, valueFrom: {configMapKeyRef: {name: other, key: home}}}"
    assert not offline(env=given)


def test_a_model_may_be_a_folder_where_the_engine_starts() -> None:
    assert not offline(more="workingDir: /models")
    assert offline(more="workingDir: /root/.cache") == ["error"]


def test_another_user_than_root_has_another_home() -> None:
    assert not offline(more="securityContext: {runAsUser: 1000}")
    assert offline(more="securityContext: {runAsUser: 0}") == ["error"]


def test_an_image_of_ones_own_may_look_in_the_other_volume() -> None:
    runs = "command: [python3, -m, vllm.entrypoints.openai.api_server]"
    assert offline(more=runs, image="r.io/ours/serve:1") == ["hint"]
    assert offline(more=runs) == ["error"]


PRODUCT = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  %s
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--model, Qwen/Qwen3-0.6B, --dtype, bfloat16]
    resources: {limits: {nvidia.com/gpu: 1, memory: 90Gi}}
"""
CHOSEN = "nodeSelector: {nvidia.com/gpu.product: %s}"
AFFINITY = """affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {\
nodeSelectorTerms: [%s]}}}"""
TERM = "{matchExpressions: [{key: nvidia.com/gpu.product, operator: In, values: [%s]}]}"


@pytest.mark.parametrize(
    "name",
    [
        *(f"NVIDIA-RTX-{n}-Ada-Generation" for n in (2000, 4000, 4500, 5000, 6000)),
        *("NVIDIA-RTX-A2000", "NVIDIA-RTX-A6000", "NVIDIA-A10", "NVIDIA-L4", "NVIDIA-L40S"),
        *("NVIDIA-GeForce-RTX-3090", "NVIDIA-GeForce-RTX-4090", "NVIDIA-GeForce-RTX-2050"),
        *("NVIDIA-H100-80GB-HBM3", "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition"),
    ],
)
def test_gpus_from_ampere_on_have_bfloat16(name: str) -> None:
    assert not found(PRODUCT % (CHOSEN % name), "CONF117")


@pytest.mark.parametrize(
    "name",
    [
        *("Tesla-T4", "Tesla-V100-SXM2-32GB", "Tesla-V100S-PCIE-32GB", "Tesla-P40", "Tesla-M60"),
        *("Quadro-RTX-6000", "Quadro-RTX-8000", "Quadro-P4000", "Quadro-GV100", "NVIDIA-TITAN-RTX"),
        *("NVIDIA-GeForce-RTX-2080-Ti", "NVIDIA-GeForce-GTX-1080-Ti", "Tesla-T4-SHARED"),
    ],
)
def test_gpus_before_ampere_have_no_bfloat16(name: str) -> None:
    assert [f.level for f in found(PRODUCT % (CHOSEN % name), "CONF117")] == ["error"]


@pytest.mark.parametrize(
    ("terms", "many"),
    [
        (TERM % "Tesla-T4, Tesla-V100-SXM2-32GB", 1),
        (TERM % "Tesla-T4, NVIDIA-A10", 0),
        (f"{TERM % 'Tesla-T4'}, {TERM % 'NVIDIA-A10'}", 0),
        (f"{TERM % 'Tesla-T4'}, {{matchExpressions: [{{key: a, operator: Exists}}]}}", 0),
    ],
)
def test_a_type_of_numbers_is_judged_where_all_nodes_that_may_be_chosen_lack_it(
    terms: str, many: int
) -> None:
    assert len(found(PRODUCT % (AFFINITY % terms), "CONF117")) == many


TAKEN = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--model, Qwen/Qwen3-0.6B]
    %s
    env: [{name: NCCL_TOPO_FILE, value: "$(PLACE)/x"}, {name: PLACE, value: /own}]
    resources: {limits: {nvidia.com/gpu: 1, memory: 90Gi}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {PLACE: /from-map}
"""


def test_an_entry_is_made_of_what_a_whole_map_gives_before_it() -> None:
    """kubelet_pods.go, makeEnvironmentVariables: envFrom is taken before the first of `env`."""
    assert not found(TAKEN % "envFrom: [{configMapRef: {name: c}}]", "CONF085")
    assert len(found(TAKEN % "", "CONF085")) == 1


def test_an_entry_over_one_of_a_whole_map_stands_once() -> None:
    assert not found(TAKEN % "envFrom: [{configMapRef: {name: c}}]", "CONF073")


FOLDER = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: v}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.9.2
          command: [bash, -c, "ray start --head --port=6379; vllm serve /models/m%s -tp 16"]
          resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
          volumeMounts: [{name: m, mountPath: /models}]
        volumes: [{name: m, persistentVolumeClaim: {claimName: models}}]
    workerTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.9.2
          command: [bash, -c, '%sray start --address=$LWS_LEADER_ADDRESS:6379 --block']
          resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
          %s
"""
LINKS = "lifecycle: {postStart: {exec: {command: [sh, -c, ln -s /data /models]}}}"


@pytest.mark.parametrize(
    ("flags", "before", "more"),
    [
        (" --load-format dummy", "", ""),
        (" --load-format=dummy", "", ""),
        ("", 'python3 -c "import shutil"; ', ""),
        ("", "", LINKS),
    ],
)
def test_a_worker_may_find_or_need_no_folder_that_it_does_not_mount(
    flags: str, before: str, more: str
) -> None:
    assert not found(FOLDER % (flags, before, more), "CONF109")
    assert [f.level for f in found(FOLDER % ("", "", ""), "CONF109")] == ["error"]


GUARDED = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--model, Qwen/Qwen3-0.6B%s]
    env: [{name: VLLM_API_KEY, valueFrom: {secretKeyRef: {name: s, key: k%s}}}]
    readinessProbe: {httpGet: {path: /v1/models, port: 8000}}
    resources: {limits: {nvidia.com/gpu: 1, memory: 90Gi}}
"""


@pytest.mark.parametrize(
    ("flag", "optional", "level"),
    [
        ("", ", optional: true", "hint"),
        ("", ", optional: false", "error"),
        ("", "", "error"),
        (", --api-key, $(VLLM_API_KEY)", ", optional: true", "error"),
    ],
)
def test_a_key_that_a_secret_may_not_have_guards_nothing_for_sure(
    flag: str, optional: str, level: str
) -> None:
    (one,) = found(GUARDED % (flag, optional), "CONF080")
    assert (one.level, "s has k" in one.unseen) == (level, level == "hint")
