"""Names of pods by which ranks meet: only rank 0's, or the head's, has somebody who listens."""

import pytest
from tests.lint.judge import found

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {SELECTOR}, ports: [{port: 1}]}
---
"""
STATEFUL = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec:
  serviceName: s
  replicas: 4
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: s}}
  template:
    metadata: {labels: {app: s}}
    spec:
      containers:
      - name: llm
        image: IMAGE
        command: [bash, -c]
        args:
        - |
          SCRIPT
        resources: {limits: {nvidia.com/gpu: 8}}
"""
SGLANG = "python3 -m sglang.launch_server --model-path /m --tp 16 --nnodes 2 --dist-init-addr"
RAY = "if [ ${HOSTNAME##*-} = 0 ]; then ray start --head --block; fi; ray start --block --address="


def judged(script: str, selector: str = "app: s") -> list[tuple[str, str]]:
    image = "lmsysorg/sglang:v0.5.3" if "sglang" in script else "vllm/vllm-openai:v0.11.0"
    text = SERVICE.replace("SELECTOR", selector) + STATEFUL
    findings = found(text.replace("IMAGE", image).replace("SCRIPT", script), "CONF034")
    return [(f.level, f.says) for f in findings]


def test_two_groups_in_one_stateful_set_meet_each_at_its_own_first_pod() -> None:
    rank = "--node-rank $(( ${HOSTNAME##*-} % 2 ))"
    assert judged(f"{SGLANG} s-$(( ${{HOSTNAME##*-}} / 2 * 2 )).s:20000 {rank}") == []
    assert judged(f"{SGLANG} s-2.s:20000 {rank}") == []
    assert judged(f"{SGLANG} s-3.s:20000 {rank}") == [
        ("error", "s-3.s is rank 1, and the ranks meet at rank 0")
    ]


@pytest.mark.parametrize(
    ("selector", "wrong"),
    [
        ("app: s", False),
        ("apps.kubernetes.io/pod-index: '0'", False),
        ("apps.kubernetes.io/pod-index: '1'", True),
        ("statefulset.kubernetes.io/pod-name: s-2", True),
        ("app: s, statefulset.kubernetes.io/pod-name: s-0", False),
    ],
)
def test_a_service_of_one_pod_stands_for_that_pod(selector: str, wrong: bool) -> None:
    script = f"{SGLANG} s:20000 --node-rank ${{HOSTNAME##*-}}".replace("nnodes 2", "nnodes 4")
    assert bool(judged(script, selector)) == wrong


@pytest.mark.parametrize(("pod", "wrong"), [(0, False), (1, True), (3, True)])
def test_a_pod_that_only_joins_ray_is_no_head(pod: int, wrong: bool) -> None:
    script = RAY.replace("; fi; ", "; else ") + f"s-{pod}.s:6379; fi"
    told = judged(script)
    assert told == ([("error", f"s-{pod}.s joins Ray itself: no head listens there")] * wrong)


def test_a_rank_that_a_script_may_change_is_not_known() -> None:
    script = f"[ -f /first ] && {SGLANG} s-1.s:20000 --node-rank 0; {SGLANG} s-1.s:20000"
    assert judged(f"{script} --node-rank ${{HOSTNAME##*-}}") == []


def test_a_script_beside_it_may_start_a_head() -> None:
    script = RAY.replace("; fi; ", "; else ") + "s-1.s:6379; fi; /opt/more.sh"
    assert [level for level, _ in judged(script)] == ["hint"]


OWN_IP = """
        env:
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        resources"""


def met(script: str, asked: str) -> list[str]:
    """What is said where the pods meet at `asked`, behind the lines of `script`."""
    lines = f"{script}; " if script else ""
    serve = f"{lines}{SGLANG} {asked}:20000 --node-rank ${{HOSTNAME##*-}}".replace(
        "; ", "\n          "
    )
    text = SERVICE.replace("SELECTOR", "app: s") + STATEFUL.replace("\n        resources", OWN_IP)
    text = text.replace("IMAGE", "lmsysorg/sglang:v0.5.3").replace("SCRIPT", serve)
    return [f.says for f in found(text, "CONF034")]


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        ("", "$POD_IP"),
        ("echo POD_IP is $POD_IP", "${POD_IP}"),
        ("export A=$POD_IP", "$A"),
        ('A="${POD_IP}"; B=$A', "$B"),
    ],
)
def test_each_pods_own_address_is_one_under_another_name_too(script: str, asked: str) -> None:
    name = asked.strip("${}")
    assert met(script, asked) == [f"2 nodes meet at {name}, which is each pod's own address"]


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        ("[ -f /leads ] || read -r POD_IP < /shared/address", "$POD_IP"),
        ("[ -f /leads ] || for POD_IP in $(cat /shared/address); do true; done", "$POD_IP"),
        ("[ -f /leads ] || POD_IP=s-0.s", "$POD_IP"),
        (". /shared/address", "$POD_IP"),
        ("A=$POD_IP; [ -f /leads ] || A=s-0.s", "$A"),
        ("[ -f /leads ] && A=$POD_IP", "$A"),
        ("if [ -f /leads ]; then; A=$POD_IP; fi", "$A"),
        ("A=$POD_IP.example.com", "$A"),
    ],
)
def test_an_address_that_a_script_may_give_anew_is_not_each_pods_own(
    script: str, asked: str
) -> None:
    assert met(script, asked) == []


WORKER = """\
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
          image: vllm/vllm-openai:v0.11.0
          command: [bash, -c, "ray start --head --port=6379; vllm serve /m -tp 8 -pp 2
            --distributed-executor-backend ray"]
          resources: {limits: {nvidia.com/gpu: 8}}
    workerTemplate:
      spec:
        hostNetwork: HOST
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          env: [{name: MY_IP, valueFrom: {fieldRef: {fieldPath: FIELD}}}]
          command: [bash, -c]
          args:
          - |
            LINES
            ray start --address=ASKED:6379 --block
          resources: {limits: {nvidia.com/gpu: 8}}
"""


def joined(asked: str, lines: str = "", host: str = "false", field: str = "status.podIP") -> str:
    text = WORKER.replace("ASKED", asked).replace("LINES", lines)
    return text.replace("HOST", host).replace("FIELD", field)


@pytest.mark.parametrize(
    ("asked", "lines"),
    [
        ("127.0.0.1", ""),
        ("$MY_IP", ""),
        ("${MY_IP}", ""),
        ("$(MY_IP)", ""),
        ("$A", "A=$MY_IP"),
        ("$(hostname -i)", ""),
    ],
)
def test_a_worker_that_joins_ray_at_its_own_address_finds_no_head(asked: str, lines: str) -> None:
    (one,) = found(joined(asked, lines), "CONF034")
    assert (one.level, one.says) == ("error", "this worker joins Ray at its own address")


@pytest.mark.parametrize("asked", ["$MY_IP", "$(hostname -i)", "127.0.0.1"])
def test_a_worker_that_may_start_a_head_itself_may_join_it(asked: str) -> None:
    assert not found(joined(asked, "[ -f /leads ] && exec ray start --head --block"), "CONF034")
    assert not found(joined(asked, "lead() { ray start --head; }; lead"), "CONF034")
    (hint,) = found(joined(asked, "/opt/prepare.sh"), "CONF034")
    assert hint.level == "hint"


@pytest.mark.parametrize(
    "text",
    [
        joined("$LWS_LEADER_ADDRESS"),
        joined("$MY_IP", "MY_IP=$LWS_LEADER_ADDRESS"),
        joined("$MY_IP", ". /shared/address"),
        joined("${OTHER_IP:-$MY_IP}"),
        joined("$MY_IP", host="true"),
        joined("$(hostname -i)", host="true"),
        joined("$MY_IP", field="metadata.annotations['our.own/head']"),
        joined("$MY_IP", "ray start --address=$LWS_LEADER_ADDRESS:6379 --block ||"),
    ],
)
def test_an_address_of_ray_that_may_be_another_pods_is_right(text: str) -> None:
    assert not found(text, "CONF034")
