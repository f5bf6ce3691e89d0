"""What nodes of one engine may be told apart, and what only looks as if they were."""

import pytest
from tests.lint.judge import found

LWS = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: s}
spec:
  leaderWorkerTemplate:
    size: 3
    workerTemplate:
      spec:
        containers:
        - name: llm
          image: lmsysorg/sglang:v0.5.3
          command: [bash, -c]
          args:
          - |
            SCRIPT
          resources: {limits: {nvidia.com/gpu: 8}}
"""
SGLANG = "python3 -m sglang.launch_server --model-path /m --tp 24 --nnodes 3 --node-rank\
 $LWS_WORKER_INDEX --dist-init-addr $LWS_LEADER_ADDRESS:20000"
IS_FIRST = '[ "$LWS_WORKER_INDEX" = 0 ]'


def judged(script: str) -> list[str]:
    return [f.says for f in found(LWS.replace("SCRIPT", script), "CONF017")]


@pytest.mark.parametrize(
    "script",
    [
        f"{SGLANG} --ep-size 8 --enable-dp-attention --dp 3",
        f"if {IS_FIRST}; then {SGLANG} --dp=3; else {SGLANG} --dp-size 3; fi",
        f"A='{SGLANG} --moe-a2a-backend deepep'; if {IS_FIRST}; then $A --ep 24; else $A; fi",
        f"if {IS_FIRST}; then {SGLANG} --config /c; else {SGLANG} --enable-dp-attention; fi",
        f"if {IS_FIRST}; then {SGLANG} $(cat /flags); else {SGLANG} --enable-dp-attention; fi",
        f"if [ -f /x ]; then {SGLANG} --ep 8; else {SGLANG}; fi",
    ],
)
def test_nothing_is_told_where_it_is_alike_or_may_be(script: str) -> None:
    assert judged(script) == []


def test_pods_that_differ_alike_are_told_once() -> None:
    script = f"if {IS_FIRST}; then {SGLANG} --ep 8; else {SGLANG} --ep 24; fi"
    assert judged(script) == ["pod s-0-1 is told EP=24, and LeaderWorkerSet s (leader) EP=8"]


def test_one_that_has_a_flag_of_its_own_is_named() -> None:
    script = f"A=; [ $LWS_WORKER_INDEX = 2 ] && A=--enable-dp-attention; {SGLANG} $A"
    assert judged(script) == [
        "pod s-0-2 is told --enable-dp-attention, and LeaderWorkerSet s (leader) is not"
    ]


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: s}
spec:
  containers:
  - name: s
    image: IMAGE
    command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "8", WORDS]
    resources: {limits: {nvidia.com/gpu: 8}}
"""


@pytest.mark.parametrize(
    ("image", "words", "level"),
    [
        ("lmsysorg/sglang:v0.5.3", "--ep, '3'", "error"),
        ("lmsysorg/sglang:v0.4.10.post2-cu126", "--ep-size=16", "error"),
        ("lmsysorg/sglang:v0.5.10", "--ep=2, --moe-dp-size=2", "error"),
        ("lmsysorg/sglang:v0.5.10", "--ep=4, --moe-dp-size=2", ""),
        ("lmsysorg/sglang:v0.5.3", "--ep, '4'", ""),
        ("lmsysorg/sglang:v0.5.3", "--ep, '16', --moe-a2a-backend, deepep", ""),
        ("lmsysorg/sglang:v0.5.3", "--ep, '12', --moe_a2a_backend, deepep", ""),
        ("lmsysorg/sglang:v0.4.9.post6", "--ep-size, '3'", ""),
        ("registry.corp/llm:prod", "--ep-size, '3'", "hint"),
    ],
)
def test_experts_are_spread_over_the_ranks_of_tp(image: str, words: str, level: str) -> None:
    findings = found(POD.replace("IMAGE", image).replace("WORDS", words), "CONF014")
    assert [f.level for f in findings] == [level] * bool(level)
