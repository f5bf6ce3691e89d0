"""Manifests that are right in an unusual way bring neither error nor warning."""

import json

import pytest
from tests.lint.judge import judged

CUT = "Qwen/Qwen3-235B-A22B-FP8"
NAME, LONG = "Qwen/Qwen2.5-7B-Instruct", "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
QWEN = f"--model, {NAME}, --max-model-len, '65536'"
FROM = "valueFrom: {configMapKeyRef: {name: c, key: k}}"
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: llm}
spec:
  containers:
  - name: llm
    image: %s
    %s
    resources: {limits: {nvidia.com/gpu: 8, memory: %s}}
    volumeMounts: [{name: dshm, mountPath: /dev/shm}]
  volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]
"""
VLLM, SGLANG = "vllm/vllm-openai:v0.12.0", "lmsysorg/sglang:v0.5.5"


def alarms(report: str, rule: str) -> list[str]:
    return [f.says for f in judged(report, only=rule).findings if f.level != "hint"]


def of_pod(lines: str, image: str = VLLM, memory: str = "900Gi") -> str:
    return POD % (image, lines, memory)


@pytest.mark.parametrize(
    "lines",
    [
        f"args: [--model, {CUT}, -tp, '8', --config, /etc/vllm.yaml]",
        f"command: [sh, -c, 'vllm serve {CUT} -tp 8 $MORE']\n    env: [{{name: MORE, {FROM}}}]",
        "args: [--model, RedHatAI/Qwen3-235B-A22B-FP8-dynamic, -tp, '8']",
        "args: [--model, nvidia/Qwen3-235B-A22B-FP8, -tp, '8']",
        "args: [--model, /models/Qwen3-235B-A22B-FP8, -tp, '8']",
    ],
)
def test_blocks_of_weights_that_are_not_seen_may_be_whole(lines: str) -> None:
    assert not alarms(of_pod(lines), "CONF012")


@pytest.mark.parametrize(
    "lines",
    [
        "args: [--model, /models/Qwen2.5-7B-Instruct, --max-model-len, '131072']",
        "args: [--model, s3://b/Qwen2.5-7B-Instruct, --max-model-len, '131072']",
        f"args: [{QWEN}, --hf_overrides, '{{\"rope_scaling\": {{}}}}']",
        f"args: [{QWEN}, --hf-config-path, /cfg]",
        f"args: [{QWEN}]\n    envFrom: [{{configMapRef: {{name: c}}}}]",
        f"args: [{QWEN}]\n    env: [{{name: {LONG}, {FROM}}}]",
        f"command: [sh, -c, '{LONG}=1 vllm serve {NAME} --max-model-len 65536']",
    ],
)
def test_a_context_may_be_longer_by_what_is_told_elsewhere(lines: str) -> None:
    assert not alarms(of_pod(lines), "CONF016")


@pytest.mark.parametrize(
    "words",
    [
        "--tensor-parallel-size, TP_SIZE",
        "'--tensor-parallel-size= 8'",
        "--tensor-parallel-size, '@@TP@@'",
        "--tensor-parallel-size, __TP__, --dtype, DTYPE",
        "--max-num-seqs, '1_024'",
    ],
)
def test_numbers_that_python_reads_or_a_tool_fills_in_are_no_alarm(words: str) -> None:
    assert not alarms(of_pod(f"args: [--model, /m, {words}]"), "CONF117")


def test_a_type_in_capitals_is_no_place_to_fill_in() -> None:
    assert alarms(of_pod("args: [--model, /m, --dtype, BF16]"), "CONF117")


def test_newer_sglang_takes_a_context_in_thousands() -> None:
    words = "python3, -m, sglang.launch_server, --model-path, /m, --context-length, 128k"
    assert not alarms(of_pod(f"command: [{words}]", SGLANG), "CONF117")


def test_memory_in_thousandths_that_is_enough_is_what_a_controller_wrote() -> None:
    args = "args: [--model, /m]"
    assert not alarms(of_pod(args, memory="128974848000000m"), "CONF066")
    assert alarms(of_pod(args, memory="400000m"), "CONF066")


def test_a_benchmark_beside_the_server_has_flags_of_its_own() -> None:
    bench = "python3 -m sglang.bench_serving --backend vllm --model-path /m --tp 8"
    line = f"command: [sh, -c, 'vllm serve /m -tp 8 & {bench}; wait']"
    assert not alarms(of_pod(line), "CONF115")


@pytest.mark.parametrize("before", ["--trace=cuda", "--force", "-q"])
def test_a_program_around_the_server_has_flags_of_its_own(before: str) -> None:
    words = f"[nsys, profile, {before}, vllm, serve, /m, --port]"
    told = len(alarms(of_pod(f"command: {words}"), "CONF117"))
    assert told == ("=" in before)


def test_an_address_that_is_filled_in_later_has_its_port_then() -> None:
    line = "command: [ray, start, '--address=HEAD_ADDRESS', --block]"
    assert not alarms(of_pod(line), "CONF037")


LWS = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: llm}
spec:
  leaderWorkerTemplate:
    size: %d
    leaderTemplate:
      spec:
        containers:
        - name: llm
          image: vllm/vllm-openai:v0.12.0
          command: [bash, -c, %r]
          resources: {limits: {nvidia.com/gpu: 8}}
    workerTemplate:
      spec:
        containers:
        - name: llm
          image: vllm/vllm-openai:v0.12.0
          command: [bash, -c, %r]
          resources: {limits: {nvidia.com/gpu: 8}}
"""


@pytest.mark.parametrize(("start", "told"), [("$((LWS_WORKER_INDEX*8))", 0), ("8", 1)])
def test_first_ranks_that_are_worked_out_differ(start: str, told: int) -> None:
    serve = "vllm serve /m -dp 24 -dpl 8 -dpa $LWS_LEADER_ADDRESS"
    text = LWS % (3, serve, f"{serve} --headless -dpr {start}")
    assert len(alarms(text, "CONF015")) == told


def test_folders_of_two_names_may_hold_one_model() -> None:
    serve = "vllm serve /models/%s -tp 16 --nnodes 2 --node-rank %d --master-addr a"
    text = LWS % (2, serve % ("qwen3", 0), serve % ("snapshots/2f3c", 1) + " --headless")
    assert not alarms(text, "CONF017")


JOIN, SERVE = "ray start --address=a:6379 --block", "ray start --head; vllm serve /m -tp 16"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (f'[ "$LWS_WORKER_INDEX" != 0 ] && exec {JOIN}; {SERVE}', 0),
        (f"test $LWS_WORKER_INDEX = 0 || {JOIN}; {SERVE}", 0),
        (f"join() {{ {JOIN}; }}; join & {SERVE}", 0),
        (f"cd /work && {JOIN}; {SERVE}", 1),
    ],
)
def test_what_may_not_be_run_does_not_keep_the_server_back(script: str, told: int) -> None:
    assert len(alarms(of_pod(f"command: [bash, -c, {script!r}]"), "CONF032")) == told


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("HOSTNAME=$POD_NAME; %s ${HOSTNAME##*-}", 0),
        ("echo $HOSTNAME | sed s/x/y/; %s $RANK", 0),
        ("RANK=$(echo $HOSTNAME | sed s/.*-//); %s $RANK", 1),
    ],
)
def test_the_nodes_name_may_be_logged_or_replaced(script: str, told: int) -> None:
    sglang = "python3 -m sglang.launch_server --model-path /m --tp 16 --nnodes 2 --node-rank"
    text = of_pod(f"command: [bash, -c, '{script % sglang}']", SGLANG)
    text = text.replace("spec:\n", "spec:\n  hostNetwork: true\n", 1)
    assert len(alarms(text, "CONF008")) == told


def test_what_a_script_writes_into_a_file_is_not_run_here() -> None:
    script = f"cat > /tmp/s <<'EOF'\n{JOIN}\nvllm serve /m\nEOF\n{SERVE}"
    text = of_pod(f"command: [bash, -c]\n    args: [{json.dumps(script)}]")
    assert not alarms(text, "CONF032")
    assert alarms(text.replace("<<", "<"), "CONF032")


@pytest.mark.parametrize(("first", "told"), [("source /etc/ours.sh", 0), ("cd /work", 1)])
def test_a_file_that_is_read_in_may_set_any_variable(first: str, told: int) -> None:
    line = f"command: [bash, -c, '{first}; vllm serve $MODEL_DIR']"
    text = of_pod(f"{line}\n    env: [{{name: MODEL_DIRS, value: /m}}]")
    assert len(alarms(text, "CONF085")) == told


NAMED = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: %s}
data: {a: b}
---
apiVersion: v1
kind: Pod
metadata: {name: llm}
spec:
  containers:
  - name: llm
    image: vllm/vllm-openai:v0.12.0
    command: [bash, /s/a]
    volumeMounts: [{name: s, mountPath: /s}]
  volumes: [{name: s, configMap: {name: %s}}]
"""


@pytest.mark.parametrize(
    ("there", "asked", "told"),
    [
        ("vllm-config", "vllm-config-7c9d2h8fkm", 0),
        ("scripts-v1", "scripts-v2", 0),
        ("scripts-rw", "scripts-ro", 0),
        ("grafana-dashboard", "grafana", 0),
        ("vllm-start-script", "vllm-script", 1),
        ("vllm-scripts", "vllm-script", 1),
    ],
)
def test_names_that_are_meant_to_differ_are_not_misspelt(there: str, asked: str, told: int) -> None:
    assert len(alarms(NAMED % (there, asked), "CONF103")) == told


def test_a_configmaps_files_are_in_its_folder_of_data_too() -> None:
    text = NAMED % ("s", "s")
    assert not alarms(text.replace("/s/a", "/s/..data/a"), "CONF101")
    assert alarms(text.replace("/s/a", "/s/..data/b"), "CONF101")


SERVED = """\
apiVersion: ray.io/v1
kind: RayService
metadata: {name: llm}
spec:
  serveConfigV2: |
    applications:
    - deployments:
      - name: m
        %s
  rayClusterConfig:
    headGroupSpec:
      template:
        spec:
          containers:
          - name: h
            image: "rayproject/ray:2.49.0"
            resources: {limits: {cpu: 8, nvidia.com/gpu: 1}}
"""


@pytest.mark.parametrize(("line", "told"), [("num_cpus: 96", 1), ("# num_cpus: 96 each", 0)])
def test_remarks_ask_ray_for_nothing(line: str, told: int) -> None:
    text = SERVED % f"ray_actor_options:\n          {line}\n          num_gpus: 0"
    assert len(alarms(text, "CONF019")) == told


def test_a_server_on_a_socket_in_a_file_listens_on_no_port() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: a}, %s}\n"
    text = of_pod("args: [--model, /m, --uds, /run/s]").replace(
        "name: llm}", "name: llm, labels: {app: a}}", 1
    )
    assert not alarms(f"{service % 'ports: [{port: 8080}]'}---\n{text}", "CONF028")


def test_servers_that_a_loop_starts_share_the_gpus_out() -> None:
    loop = "for n in 0 1 2 3; do\nCUDA_VISIBLE_DEVICES=$n vllm serve /m --port 800$n &\ndone\nwait"
    text = of_pod(f"command: [bash, -c]\n    args: [{json.dumps(loop)}]")
    assert not alarms(text, "CONF001")
    assert not alarms(text, "CONF007")


@pytest.mark.parametrize(("env", "told"), [("RAY_ADDRESS", 0), ("OTHER", 1)])
def test_a_leader_that_joins_a_ray_elsewhere_needs_no_head(env: str, told: int) -> None:
    serve = "vllm serve /m -tp 16 --distributed-executor-backend ray"
    text = LWS % (2, serve, "ray start --address=head:6379 --block")
    place = "          resources: {limits: {nvidia.com/gpu: 8}}\n    workerTemplate"
    text = text.replace(place, f"          env: [{{name: {env}, value: 'head:6379'}}]\n{place}")
    assert len(alarms(text, "CONF022")) == told


@pytest.mark.parametrize(("more", "count"), [("", 1), (", -pcp, '2'", 0), (", -pcp=1", 1)])
def test_ranks_that_share_prompts_use_gpus_beside_tp_and_pp(more: str, count: int) -> None:
    assert len(alarms(of_pod(f"args: [--model, /m, -tp, '4'{more}]"), "CONF001")) == count


def test_memory_of_a_shared_gpu_in_mib_is_no_number_of_gpus() -> None:
    shared = of_pod("args: [--model, m/x]").replace("gpu: 8", "gpu: 1, nvidia.com/gpumem: 64k")
    assert alarms(shared, "CONF098") == []
    assert alarms(shared.replace("gpu: 1,", "gpu: 64k,"), "CONF098")


GROUPS = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: vllm}
spec:
  serviceName: vllm
  %s
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.12.0
        command: [bash, -c]
        args:
        - ORD=${HOSTNAME##*-}; exec vllm serve /m -tp 8 -pp 2 --nnodes 2 --node-rank %s
          --master-addr vllm-$((ORD / 2 * 2)).vllm
        resources: {limits: {nvidia.com/gpu: 8}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: v}
spec: {scaleTargetRef: {kind: StatefulSet, name: vllm}, minReplicas: 2, maxReplicas: 8}
"""


def test_an_autoscaler_may_add_whole_groups_of_ranks() -> None:
    assert alarms(GROUPS % ("replicas: 2", "$ORD"), "CONF056")
    assert alarms(GROUPS % ("replicas: 4", "$ORD"), "CONF056") == []
    assert alarms(GROUPS % ("replicas: 2", "$((ORD % 2))"), "CONF056") == []


def test_eight_thousand_thousandths_are_eight_gpus() -> None:
    pod = of_pod("args: [--model, m/x]")
    assert alarms(pod.replace("gpu: 8", "gpu: 8000m"), "CONF098") == []
    assert alarms(pod.replace("gpu: 8", "gpu: 8500m"), "CONF098")


TWO = """\
command: [sh, -c, "CUDA_VISIBLE_DEVICES=0-3 trtllm-serve /m/a --tp_size 4 --port 8000 &
      CUDA_VISIBLE_DEVICES=4-7 trtllm-serve /m/b --tp_size 4 --port 8001 & wait"]"""


@pytest.mark.parametrize(("rule", "devices"), [("CONF001", "0-3"), ("CONF093", "0,1,2,3")])
def test_two_servers_of_tensorrt_llm_in_a_container_share_its_gpus(rule: str, devices: str) -> None:
    both = TWO.replace("0-3", devices).replace("4-7", "4,5,6,7")
    image = "nvcr.io/nvidia/tensorrt-llm/release:1.2.0"
    assert not alarms(of_pod(both, image), rule)
    one = both.replace(both[both.index("CUDA_VISIBLE_DEVICES=4") : both.index("wait")], "")
    assert alarms(of_pod(one, image), rule)


@pytest.mark.parametrize(("flag", "level"), [("--enable-elastic-ep", "hint"), ("", "warning")])
def test_copies_that_are_added_later_use_the_rest(flag: str, level: str) -> None:
    args = f"command: [sh, -c, 'vllm serve /m -tp 2 -dp 2 --enable-expert-parallel {flag}']"
    (one,) = judged(of_pod(args), only="CONF001").findings
    assert one.level == level


@pytest.mark.parametrize(("gpus", "level"), [(1, "hint"), (2, "warning")])
def test_one_rank_does_not_fill_a_shm_above_the_memory_limit(gpus: int, level: str) -> None:
    text = of_pod("args: [--model, /m]", memory="16Gi").replace("gpu: 8", f"gpu: {gpus}")
    (one,) = judged(text, only="CONF063").findings
    assert one.level == level


@pytest.mark.parametrize(
    ("devices", "level"),
    [("0,1,2,3,4,5,6,7,8,9", "hint"), ("0,1,2,3,4,5,6,7", "hint"), ("1,2,3,4,5,6,7,8,9", "warning"),
     ("0,1,2,3", "warning")],
)  # fmt: skip
def test_indices_behind_those_of_all_gpus_hide_none(devices: str, level: str) -> None:
    """CUDA takes those ahead of the first that there is not."""
    env = f"env: [{{name: CUDA_VISIBLE_DEVICES, value: '{devices}'}}]"
    (one,) = judged(of_pod(env), only="CONF093").findings
    assert one.level == level


def test_copies_that_sglang_adds_later_use_the_rest() -> None:
    words = "python3 -m sglang.launch_server --model-path /m --tp 4"
    for more, level in ((" --max-ep-size 8", "hint"), ("", "warning")):
        (one,) = judged(
            of_pod(f"command: [sh, -c, '{words}{more}']", SGLANG), only="CONF001"
        ).findings
        assert one.level == level
