"""A message names the mistake that was made, at its place, and its fix mends that one."""

import pytest
from tests.lint.judge import found, judged

RANKS = """\
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: llm}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: v}, ports: [{port: 29501}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: v, namespace: llm}
spec:
  serviceName: peers
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: v}}
  template:
    metadata: {labels: {app: v}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.13.0
        command: [bash, -c]
        args:
        - |
          RANK=${HOSTNAME##*-}
          [ "$RANK" = 0 ] || HEADLESS=--headless
          exec vllm serve deepseek-ai/DeepSeek-R1 -tp 16 --nnodes 2 --node-rank "$RANK" \\
            --master-addr v-0.peers --master-port 29501 $HEADLESS
        env: [{name: NCCL_DEBUG, value: INFO}]
        resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
        volumeMounts: [{name: shm, mountPath: /dev/shm}]
      volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 16Gi}}]
"""
ONE = """\
apiVersion: v1
kind: Pod
metadata: {name: v}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    command: [bash, -c]
    args:
    - %s
      vllm serve m/x%s
      --max-num-seqs 8%s
      --tensor-parallel-size 8
    resources: {limits: {nvidia.com/gpu: 8}}
"""


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("", " \\", "the line before it does not end with a backslash"),
        (" \\ ", " \\", "a blank follows the backslash before it"),
        (" \\\n", " \\", "an empty line stands between"),
        (" \\\n      # --port 80 \\", " \\", "a comment stands between"),
    ],
)
def test_what_cuts_off_a_flag_is_told_with_what_mends_it(first: str, second: str, why: str) -> None:
    text = ONE % ("|", first, second)
    (one,) = found(text, "CONF074")
    assert one.says == f"container vllm: --max-num-seqs is cut off from its command: {why}"
    assert "bash, -c" not in one.fix
    (size,) = found(text, "CONF007")
    assert size.fix.startswith("Join the line of the parallel size to the command")
    assert not judged(ONE % ("|", " \\", " \\"), only="CONF074").findings


def test_a_backslash_in_a_folded_line_is_part_of_the_flag_behind_it() -> None:
    (one,) = found(ONE % (">", " \\", " \\"), "CONF074")
    says = "container vllm: the backslash before --max-num-seqs makes a blank part of it:"
    assert one.says.startswith(says)
    assert one.fix.startswith("Write the script behind `|`")
    for right in (ONE % (">", "", ""), ONE % ("|", " \\", " \\")):
        assert not found(right, "CONF074")
    for other in (
        r"echo a\ --tp",
        r"echo 'vllm serve m/x \ --tp'",
        r"vllm serve m/x --title a\ -b",
    ):
        text = ONE % ("|", " \\", " \\")
        assert not found(
            text.replace("      vllm serve", f"      {other}\n      vllm serve"), "CONF074"
        )


def test_a_number_that_a_shell_works_out_is_marked_at_its_flag() -> None:
    """The text of the value stands elsewhere, too."""
    text = RANKS.replace("##*-", "%%-*").replace("name: v,", "name: deepseek,")
    (one,) = found(text, "CONF117")
    assert one.says == "--node-rank deepseek: vllm takes a whole number"
    assert one.at.source[one.at.column - 1 :].startswith("--node-rank")


def test_a_pod_without_a_number_is_told_as_that() -> None:
    text = RANKS.replace("kind: StatefulSet", "kind: Deployment")
    (one,) = found(text, "CONF117")
    assert one.says == "--node-rank is made of the pod's name, and that ends in no number here"
    assert "StatefulSet" in one.fix
    assert not found(RANKS, "CONF117")


@pytest.mark.parametrize("field", ["serviceName", "podManagementPolicy"])
def test_a_field_of_statefulsets_is_told_as_theirs(field: str) -> None:
    text = RANKS.replace("kind: StatefulSet", "kind: Deployment")
    (one,) = [f for f in found(text, "CONF071") if field in f.says]
    assert (one.level, one.says) == (
        "warning",
        f"DeploymentSpec has no field {field}; StatefulSets have it",
    )
    assert one.fix == "Write `kind: StatefulSet`, or take the field out."
    assert not found(RANKS, "CONF071")


def test_the_service_name_that_is_wrong_is_marked_and_mended() -> None:
    (one,) = found(RANKS.replace("serviceName: peers", "serviceName: v"), "CONF020")
    assert one.fix == "Set `serviceName: peers`."
    assert [a.source for a in one.also] == ["  serviceName: v"]


def test_the_name_of_a_service_for_requests_is_mended_to_the_headless_one() -> None:
    requests = """
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: llm}
spec: {selector: {app: v}, ports: [{port: 80}]}
"""
    (one,) = found(RANKS.replace("v-0.peers", "v-0.api") + requests, "CONF020")
    assert one.fix == "Join v-0.peers."
    assert not found(RANKS + requests, "CONF020")


@pytest.mark.parametrize("replicas", [1, 3])
def test_pods_that_are_too_few_or_too_many_for_the_ranks_are_the_mistake(replicas: int) -> None:
    """One pod alone leads itself, by a name that is in the input."""
    (one,) = found(RANKS.replace("replicas: 2", f"replicas: {replicas}"), "CONF002")
    assert (one.level, one.fix) == ("error", "Write `replicas: 2`: the 16 ranks fill 2 pods.")
    assert not found(RANKS, "CONF002")
    (one,) = found(RANKS.replace("--nnodes 2", "--nnodes 4"), "CONF002")
    assert one.fix == "Write `--nnodes 2`, or change the pods."


@pytest.mark.parametrize("replicas", ["", "  replicas: ${REPLICAS}\n"])
def test_replicas_that_are_not_told_may_be_set_elsewhere(replicas: str) -> None:
    (one,) = found(RANKS.replace("  replicas: 2\n", replicas), "CONF002")
    assert (one.level, one.unseen) == ("hint", "what sets its replicas: here none are told")


@pytest.mark.parametrize("rank", ["0", "'0'"])
def test_workers_of_a_head_with_a_written_rank_may_be_in_another_file(rank: str) -> None:
    """As pairs of StatefulSets are: `v-0` leads, and those of the other one have the ranks."""
    text = RANKS.replace("replicas: 2", "replicas: 1").replace('"$RANK" \\', f"{rank} \\")
    text = text.replace("          RANK=${HOSTNAME##*-}\n", "          echo $HOSTNAME\n")
    text = text.replace('          [ "$RANK" = 0 ] || HEADLESS=--headless\n', "")
    (one,) = found(text, "CONF002")
    assert (one.level, "not in these files" in one.unseen) == ("hint", True)
    assert not [f for f in found(text, "CONF001") if f.level != "hint"]


LWS = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: v}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      metadata: {labels: {app: v}}
      spec:
        containers:
        - name: sglang
          image: lmsysorg/sglang:v0.5.3
          command: [python3, -m, sglang.launch_server, --model-path, m/x, --tp, "16",
            --nnodes, "2", --node-rank, $(LWS_WORKER_INDEX), --dist-init-addr,
            "$(LWS_LEADER_ADDRESS):20000", --port, "30000"]
          readinessProbe: {httpGet: {path: /health, port: 30000}}
          resources: {limits: {nvidia.com/gpu: 8}}
---
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {selector: {app: v}, ports: [{port: 80, targetPort: 30000}]}
"""


def test_a_service_that_took_the_name_of_lwss_own_is_renamed() -> None:
    (one,) = found(LWS % "v", "CONF025")
    assert one.fix.startswith("Give the Service for requests another name: lws then makes")
    assert not found(LWS % "v-http", "CONF025")


@pytest.mark.parametrize(
    ("old", "new", "level", "fix"),
    [
        ("memory: 900Gi", "memory: 900GB", "error", "Write 900Gi, or 900G for powers of ten."),
        ("memory: 900Gi", "memory: 900kb", "error", "Write 900Ki, or 900k for powers of ten."),
        ("sizeLimit: 16Gi", "sizeLimit: 16 GiB", "error", "Write 16Gi."),
        ("sizeLimit: 16Gi", "sizeLimit: much", "error", "Write a number, of bytes with Ki, Mi, Gi"),
        ("[bash, -c]", "python3 -m vllm", "error", 'Write `["python3", "-m", "vllm"]`.'),
        ("[bash, -c]", "a && b", "error", "Write a list, each word an item of its own."),
        ("[bash, -c]", "a" * 90, "error", "Write a list, each word an item of its own."),
        ("[bash, -c]", "{a: b}", "error", "Write a list: each item begins with `- `."),
        ("[bash, -c]", "COMMAND", "hint", "Give it as it is applied:"),
        ("value: INFO", "valueFrom: {secretKeyRef: hf}", "error", "Write `{name: hf, key: ...}`."),
        (
            "        env:",
            "        envFrom: [{secretRef: hf}]\n        env:",
            "error",
            "Write `{name: hf}`.",
        ),
        (
            "        env:",
            "        securityContext: {capabilities: {add: IPC_LOCK}}\n        env:",
            "error",
            'Write `["IPC_LOCK"]`.',
        ),
    ],
)
def test_a_value_of_another_type_is_told_as_its_field_takes_it(
    old: str, new: str, level: str, fix: str
) -> None:
    (one,) = found(RANKS.replace(old, new), "CONF070")
    assert (one.level, one.fix[: len(fix)]) == (level, fix)


@pytest.mark.parametrize("path", ["/dev/smh", "/dev/shm/ranks", "/dev/sh"])
def test_a_volume_that_is_mounted_beside_dev_shm_is_told_as_that(path: str) -> None:
    text = RANKS.replace("mountPath: /dev/shm", f"mountPath: {path}")
    (one,) = found(text, "CONF060")
    assert f"no volume at /dev/shm: shm is mounted at {path}: it gets 64 MiB" in one.says
    assert (one.fix, one.fixable) == ("Write `mountPath: /dev/shm`.", False)
    assert path in one.at.source
    assert not found(RANKS, "CONF060")


@pytest.mark.parametrize("path", ["/models", "/dev/infiniband"])
def test_a_volume_that_is_mounted_elsewhere_is_not_the_one_for_dev_shm(path: str) -> None:
    text = RANKS.replace("mountPath: /dev/shm", f"mountPath: {path}")
    assert not [f for f in found(text, "CONF060") if "is mounted at" in f.says]


def test_a_key_that_stands_twice_is_shown_at_both_places() -> None:
    (one,) = found(RANKS.replace("  replicas: 2\n", "  replicas: 2\n  replicas: 4\n"), "CONF072")
    assert (one.at.line, [(a.line, a.column, a.source) for a in one.also]) == (
        12,
        [(11, 3, "  replicas: 2")],
    )
    assert not found(RANKS, "CONF072")


def test_a_comment_that_lacks_its_colon_is_told_as_it_should_be() -> None:
    text = ONE % ("|", " \\", " \\")
    (one,) = judged(f"# distcheck ignore CONF060 ours\n{text}").not_judged
    assert one.says.endswith("`# distcheck: ignore CONF060 reason` would")


@pytest.mark.parametrize(("flag", "count"), [("--max-model-length", 1), ("--max-model-len", 0)])
def test_a_flag_of_other_programs_is_told_by_the_engines_own(flag: str, count: int) -> None:
    found_ = found(RANKS.replace("-tp 16", f"-tp 16 {flag} 8192"), "CONF115")
    assert [f.fix for f in found_] == ["Write --max-model-len."] * count


def test_a_head_that_uses_no_name_of_its_own_may_have_workers_elsewhere() -> None:
    name = "{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}"
    text = RANKS.replace("replicas: 2", "replicas: 1").replace(
        "{name: NCCL_DEBUG, value: INFO}", name
    )
    first, last = text.index("          RANK="), text.index("        env:")
    head = "          vllm serve m/x -tp 1 -dp 16 -dpl 8 --data-parallel-address v-0.peers%s\n"
    levels = {}
    for more in ("", " --data-parallel-start-rank $((8 * ${POD##*-}))"):
        (one,) = found(text[:first] + head % more + text[last:], "CONF001")
        levels[bool(more)] = one.level
    assert levels == {False: "hint", True: "error"}
