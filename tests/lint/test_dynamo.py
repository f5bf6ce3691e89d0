"""Services of Dynamo's graphs: what they say is judged, what the operator's release adds is not."""

import pytest
from tests.lint.judge import found, judged, sure

OLD = """\
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata: {{name: g}}
spec:
  envs: {graph_env}
  pvcs: {pvcs}
  services:
    decode:
      componentType: worker
      resources: {{limits: {limits}}}
{more}
      extraPodSpec:
        {pod}
        mainContainer:
          image: nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.9.0
          {start}
"""
NEW = """\
apiVersion: nvidia.com/v1beta1
kind: DynamoGraphDeployment
metadata: {{name: g}}
spec:
  components:
  - name: decode
    type: decode
{more}
    podTemplate:
      spec:
        containers:
        - {{name: router, image: "a/router:1"}}
        - name: main
          image: nvcr.io/nvidia/ai-dynamo/sglang-runtime:1.2.0
          command: [python3, -m, dynamo.sglang]
          args: [--model-path, deepseek-ai/DeepSeek-R1, --tp, "{tp}"]
          resources: {{limits: {{nvidia.com/gpu: {gpus}}}}}
"""
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
SCRIPT = """\
command: [/bin/sh, -c]
          args:
          - |
            nvidia-smi
            exec python3 -m dynamo.vllm \\
              --model %s \\
              --tensor-parallel-size 16"""
TWO = "      multinode: {nodeCount: 2}"


def old(
    start: str = "",
    gpus: str = '{gpu: "8"}',
    more: str = "",
    pod: str = "",
    graph_env: str = "[]",
    pvcs: str = "[]",
) -> str:
    return OLD.format(
        start=start or vllm(8), limits=gpus, more=more, pod=pod, graph_env=graph_env, pvcs=pvcs
    )


def vllm(tp: int, *more: str) -> str:
    words = ", ".join(["--model", MODEL, "--tensor-parallel-size", f'"{tp}"', *more])
    return f"command: [python3, -m, dynamo.vllm]\n          args: [{words}]"


def new(tp: int, gpus: int, more: str = "") -> str:
    return NEW.format(tp=tp, gpus=gpus, more=more)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (old(vllm(16)), "error"),
        (old(vllm(4)), "warning"),
        (old(vllm(8)), ""),
        (old(vllm(8), gpus='{gpuType: nvidia.com/gpu, gpu: "8"}'), ""),
        (old(vllm(8), gpus='{custom: {nvidia.com/gpu: "4"}}'), "error"),
        (old(vllm(16), gpus='{gpuType: gpu.intel.com/xe, gpu: "8"}'), ""),
        (old(vllm(16), more=TWO), ""),
        (old(vllm(16, "-pp", '"2"'), more=TWO), "error"),
        (old(vllm(1, "--data-parallel-size", '"16"'), more=TWO), ""),
        (old(vllm(8, "--data-parallel-size", '"4"'), more=TWO), "error"),
        (new(16, 8), "error"),
        (new(16, 8, "    multinode: {nodeCount: 2}"), ""),
    ],
)
def test_ranks_are_counted_against_the_gpus_of_all_its_nodes(text: str, level: str) -> None:
    assert [f.level for f in found(text, "CONF001")] == [level] * bool(level)


def test_gpus_of_a_second_node_are_idle_in_some_releases_only() -> None:
    assert found(old(vllm(8), more=TWO), "CONF001") == ()


def test_nodes_that_are_not_counted_keep_sizes_from_being_judged() -> None:
    assert found(old(vllm(64), more="      multinode: {nodeCount: '${NODES}'}"), "CONF001") == ()


@pytest.mark.parametrize(
    "flags", [(), ("--data-parallel-size", '"2"'), ("--data-parallel-hybrid-lb",)]
)
def test_nobody_is_asked_for_what_the_operator_adds_to_several_nodes(flags: tuple[str]) -> None:
    assert sure(judged(old(vllm(8, *flags), more=TWO))) == []
    assert sure(judged(new(16, 8, "    multinode: {nodeCount: 2}"))) == []


@pytest.mark.parametrize(
    "start",
    [
        'args: ["python3 -m dynamo.vllm --model %s --tensor-parallel-size 16"]',
        SCRIPT,
        "command: [python3, -m]\n          args: [dynamo.vllm, --model=%s, -tp=16]",
    ],
)
def test_each_way_to_start_a_worker_is_read(start: str) -> None:
    (short,) = found(old(start % MODEL), "CONF001")
    assert "TP=16 needs 16 GPUs" in short.says


def test_without_a_command_the_operators_shell_reads_the_line() -> None:
    line = f'args: ["python3 -m dynamo.vllm --model {MODEL} --tensor-parallel-size 8"]'
    assert found(old(line), "CONF074") == ()
    start = f"command: [python3, -m, dynamo.vllm]\n          args: ['--model {MODEL} -tp 8']"
    assert [f.level for f in found(old(start), "CONF074")] == ["error"]


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ("      replica: 2", "CONF071"),
        ("      env: [{name: A, value: b}]", "CONF071"),
        ("      multinode: {nodesCount: 2}", "CONF071"),
        ("      sharedMemory: {sizes: 8Gi}", "CONF071"),
        ("      envs: [{name: HF_TOKEN, value: hf_0123456789abcdefghijABCDEFGHIJ}]", "CONF076"),
        ("      envs: [{name: A, value: b}, {name: A, value: c}]", "CONF073"),
        ("      envs: [{name: NCCL_SOCKET_IFNAME, value: mlx5_0}]", "CONF041"),
        ("      sharedMemory: {size: 32Mi}", "CONF061"),
        ("      sharedMemory: {disabled: true}", "CONF060"),
    ],
)
def test_what_a_service_says_is_told_at_its_line(more: str, rule: str) -> None:
    (one,) = found(old(more=more), rule)
    assert one.at.line == 11


def test_a_variable_of_a_service_is_put_over_that_of_its_container() -> None:
    env = "      envs: [{name: NCCL_SOCKET_IFNAME, value: eth0}]"
    start = f"{vllm(8)}\n          env: [{{name: NCCL_SOCKET_IFNAME, value: mlx5_0}}]"
    assert found(old(start, more=env), "CONF041") == ()
    graph = "[{name: NCCL_SOCKET_IFNAME, value: mlx5_0}]"
    assert found(old(more=env, graph_env=graph), "CONF041") == ()
    assert [f.at.line for f in found(old(graph_env=graph), "CONF041")] == [5]


def test_a_number_where_dynamo_wants_text_is_told() -> None:
    (one,) = found(old(gpus="{gpu: 8}"), "CONF070")
    assert "gpu must be text" in one.says


def test_a_request_without_a_limit_is_mended_as_dynamo_writes_it() -> None:
    text = old().replace("limits:", "requests:")
    assert 'limits: {gpu: "8"}' in found(text, "CONF098")[0].fix


@pytest.mark.parametrize(
    ("mode", "create", "count"),
    [("ReadWriteOnce", "true", 1), ("ReadWriteMany", "true", 0), ("ReadWriteOnce", "false", 0)],
)
def test_a_claim_that_the_graph_makes_fits_its_nodes(mode: str, create: str, count: int) -> None:
    claim = f"{{name: m, create: {create}, size: 1Gi, storageClass: s, volumeAccessMode: {mode}}}"
    more = f"{TWO}\n      volumeMounts: [{{name: m, mountPoint: /m}}]"
    text = old(vllm(16), more=more, pvcs=f"[{claim}]")
    assert len(found(text, "CONF090")) == count


@pytest.mark.parametrize("size", ["", "    sharedMemorySize: 8Gi"])
def test_what_is_mounted_at_dev_shm_gives_way_to_the_operators_own(size: str) -> None:
    text = new(8, 8, size)
    own = "          volumeMounts: [{name: dshm, mountPath: /dev/shm}]\n"
    volumes = "        volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 16Mi}}]\n"
    assert found(text + own + volumes, "CONF061") == ()
    small = text.replace("8Gi", "16Mi") if size else new(8, 8, '    sharedMemorySize: "16Mi"')
    (one,) = found(small + own + volumes, "CONF061")
    assert "Set sharedMemorySize" in one.fix


def test_flags_of_the_engine_are_read_behind_dynamos_own() -> None:
    known = vllm(8, "--disaggregation-mode", "decode", "--is-decode-worker")
    assert found(old(known), "CONF115") == ()
    (near,) = found(old(vllm(8, "--max-model-length", '"4096"')), "CONF115")
    assert near.level == "error"


@pytest.mark.parametrize("module", ["dynamo.trtllm", "dynamo.mocker"])
def test_workers_whose_sizes_stand_elsewhere_are_not_judged_by_them(module: str) -> None:
    text = old(vllm(16).replace("dynamo.vllm", module))
    assert found(text, "CONF001") == ()


def test_a_patch_of_a_graph_is_judged_by_its_form_alone() -> None:
    text = old(vllm(16)).replace("image: nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.9.0", "tty: true")
    report = judged(text)
    assert (report.judged, report.findings) == (0, ())
    assert "its form alone is judged" in report.not_judged[0].says


def test_copies_of_several_nodes_are_counted() -> None:
    report = judged(new(16, 8, "    replicas: 3\n    multinode: {nodeCount: 2}"))
    assert "3 copies of 2 pods, 16 GPUs each" in report.groups[0]


def test_a_kind_of_that_name_in_another_api_is_another() -> None:
    report = judged(old(vllm(16)).replace("nvidia.com/v1alpha1", "example.com/v1"))
    assert report.judged == 0
