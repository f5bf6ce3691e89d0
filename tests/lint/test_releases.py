"""What depends on the release of an engine or of NCCL is found for the releases that have it."""

import pytest
from tests.lint.judge import found, judged, sure

RAY = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:%s
          env: [{name: %s, value: "1"}]
          command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2
            --distributed-executor-backend ray"]
          resources: {limits: {nvidia.com/gpu: 8}}
    workerTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:%s
          command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
          resources: {limits: {nvidia.com/gpu: 8}}
"""
CONTAINER = "name: vllm\nimage: %s\nenv: [{name: %s, value: '%s'}]\n"
SHM = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: engine}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Mi}}]
        containers:
        - name: engine
          image: %s
          resources: {limits: {nvidia.com/gpu: 2}}
          volumeMounts: [{name: dshm, mountPath: /dev/shm}]
"""


@pytest.mark.parametrize(
    ("release", "name", "levels"),
    [
        ("v0.16.0", "NCCL_IB_DISABLE", ["warning"]),
        ("v0.17.0", "NCCL_IB_DISABLE", []),
        ("v0.17.0", "NCCL_P2P_DISABLE", []),
        ("v0.17.0", "GLOO_SOCKET_IFNAME", ["hint"]),
        ("v0.21.0", "GLOO_SOCKET_IFNAME", []),
        ("nightly", "NCCL_IB_DISABLE", ["hint"]),
    ],
)
def test_vllm_gives_rays_workers_the_leaders_nccl_variables_from_0_17_on(
    release: str, name: str, levels: list[str]
) -> None:
    assert [f.level for f in found(RAY % (release, name, release), "CONF045")] == levels


@pytest.mark.parametrize(
    ("value", "levels"),
    [("mlx5_0", ["error"]), ("rdmap0s6", ["error"]), ("eth0,mlx5_0", ["hint"]), ("^mlx5_0", [])],
)
def test_nccl_needs_one_interface_of_the_list(value: str, levels: list[str]) -> None:
    text = CONTAINER % ("vllm/vllm-openai:v0.11.0", "NCCL_SOCKET_IFNAME", value)
    assert [f.level for f in found(text, "CONF041")] == levels


def test_an_adapter_that_is_left_out_is_no_interface() -> None:
    text = CONTAINER % ("vllm/vllm-openai:v0.11.0", "NCCL_IB_HCA", "^eth0")
    assert not found(text, "CONF041")


@pytest.mark.parametrize(
    "name",
    [
        "NCCL_GIN_ENABLE",
        "NCCL_NVB_DISABLE",
        "NCCL_NVTX_DISABLE",
        "NCCL_PAT_ENABLE",
        "NCCL_PROGRESS_APPENDOP_FREQ",
        "NIM_KV_CACHE_PERCENT",
    ],
)
def test_a_name_near_another_that_is_read_is_spelt_right(name: str) -> None:
    assert not sure(judged(CONTAINER % ("nvcr.io/nim/meta/m:1.8.0", name, "1"), only="CONF048"))


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("vllm/vllm-openai:v0.9.2", "NCCL 2.26"),
        ("vllm/vllm-openai:v0.10.2", "NCCL 2.27"),
        ("lmsysorg/sglang:v0.5.3-cu126", "NCCL 2.27"),
        ("lmsysorg/sglang:v0.5.3-rocm630", "an unknown NCCL"),
        ("vllm/vllm-openai:v0.8.5", "an unknown NCCL"),
    ],
)
def test_the_release_of_an_engine_tells_its_nccl(image: str, says: str) -> None:
    told = found(SHM % image, "CONF061")
    assert [f for f in told if says in f.says]


def test_trtllm_serve_under_mpirun_of_one_starts_the_other_ranks() -> None:
    words = "mpirun -n 1 --oversubscribe --allow-run-as-root trtllm-serve /m --tp_size 8"
    image = "nvcr.io/nvidia/tensorrt-llm/release:1.0.0"
    limits = "resources: {limits: {nvidia.com/gpu: 8}}"
    text = f"name: trt\nimage: {image}\ncommand: [sh, -c, '{words}']\n{limits}\n"
    assert not found(text, "CONF113")
    assert found(text.replace("-n 1", "-n 2"), "CONF113")


@pytest.mark.parametrize(("others", "wrong"), [(7, False), (6, True)])
def test_parts_of_an_mpirun_between_colons_start_their_ranks_together(
    others: int, *, wrong: bool
) -> None:
    words = f"mpirun -n 1 trtllm-serve /m --tp_size 8 : -n {others} python3 -m mpi4py.futures"
    image = "nvcr.io/nvidia/tensorrt-llm/release:1.0.0"
    text = f"name: trt\nimage: {image}\ncommand: [sh, -c, '{words}']\n"
    text += "resources: {limits: {nvidia.com/gpu: 8}}\n"
    assert bool(found(text, "CONF113")) == wrong


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("NCCL_NVLS_ENABLE", "true", "takes a word for 0"),
        ("NCCL_NET", "rdma", "finds no network"),
        ("NCCL_P2P_LEVEL", "sys", "ignores this"),
    ],
)
def test_what_nccl_makes_of_a_value_is_said(name: str, value: str, says: str) -> None:
    told = found(CONTAINER % ("vllm/vllm-openai:v0.11.0", name, value), "CONF046")
    assert [f for f in told if says in f.says]


def test_data_parallel_attention_of_sglang_is_no_tensor_parallelism_over_nodes() -> None:
    words = "sglang.launch_server --model-path deepseek-ai/DeepSeek-R1 --tp 16 --dp 16"
    place = '--nnodes 2 --node-rank $LWS_WORKER_INDEX --dist-init-addr "$LWS_LEADER_ADDRESS:20000"'
    spread = SHM % "lmsysorg/sglang:v0.5.3\n          command: [sh, -c, 'python3 -m %s']"
    spread = spread.replace("gpu: 2", "gpu: 8")
    assert found(spread % f"{words} {place}", "CONF120")
    assert not found(spread % f"{words} --enable-dp-attention {place}", "CONF120")


def group(leader: str, worker: str) -> str:
    pod = "{spec: {containers: [{name: e, image: '%s', resources: {limits: {nvidia.com/gpu: 8}}}]}}"
    return f"""
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {{name: vllm}}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate: {pod % leader}
    workerTemplate: {pod % worker}
"""


@pytest.mark.parametrize("tag", ["", ":latest", ":nightly"])
def test_a_tag_that_moves_beside_a_release_is_a_hint(tag: str) -> None:
    (one,) = found(group(f"docker.io/vllm/vllm-openai{tag}", "vllm/vllm-openai:v0.8.0"), "CONF114")
    assert (one.level, one.at.line) == ("hint", 8)
    assert one.unseen.startswith("which release")


@pytest.mark.parametrize(
    ("leader", "worker"),
    [
        ("vllm/vllm-openai:latest", "vllm/vllm-openai:latest"),
        ("vllm/vllm-openai:latest", "ours/vllm-openai:v0.8.0"),
        ("r.io:5000/vllm", "r.io:5000/vllm"),
        ("vllm/vllm-openai:v0.8.0", "vllm/vllm-openai:latest@sha256:" + 64 * "a"),
    ],
)
def test_one_tag_or_another_image_or_a_digest_says_nothing(leader: str, worker: str) -> None:
    assert found(group(leader, worker), "CONF114") == ()
