"""Probes that look for processes, and those of nodes that serve nobody."""

import pytest
from tests.lint.judge import found

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: llm}
spec:
  containers:
  - name: llm
    image: vllm/vllm-openai:v0.12.0
    args: [--model, /m]
    resources: {limits: {nvidia.com/gpu: 1}}
    livenessProbe: {exec: {command: %s}}
"""


@pytest.mark.parametrize(
    ("command", "count"),
    [
        ("""[bash, -c, "[ $R = 0 ] && curl -sf a || pgrep -f 'vllm serve'"]""", 1),
        ("""[/bin/sh, -c, "pgrep -f vllm >/dev/null; exit $?"]""", 1),
        ("""[bash, -c, "if pgrep -fa 'vllm serve'; then true; fi"]""", 1),
        ("""[bash, -c, "[ $R = 0 ] || pgrep -f '[v]llm serve'"]""", 0),
        ("""[bash, -c, "pgrep -f 'vllm serve' > /dev/null"]""", 0),
        ("""[bash, -c, "[ $R = 0 ] || pgrep vllm"]""", 0),
        ("""[bash, -c, "pgrep -f vllm | grep -v $$ || exit 1"]""", 0),
        ("""[bash, -c, "[ $R = 0 ] || pgrep -f $NAME"]""", 0),
        ("""[bash, -c, "[ $(pgrep -f vllm | wc -l) -gt 1 ]"]""", 0),
        ("""[bash, -c, "[ $(pgrep -cf vllm) -gt 1 ]"]""", 0),
        ("""[bash, -c, "! pgrep -f download"]""", 1),
        ("[pgrep, -f, vllm]", 0),
    ],
)
def test_pgrep_finds_the_shell_that_runs_it(command: str, count: int) -> None:
    assert [f.level for f in found(POD % command, "CONF080")] == ["hint"] * count


def test_a_probe_of_many_letters_is_read_in_one_go() -> None:
    assert not found(POD % f'[bash, -c, "pgrep -{"f" * 60_000};"]', "CONF080")


GROUP = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: r1}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate:
      spec:
        containers:
        - {name: leader, image: "lmsysorg/sglang:v0.5.3", command: [%s, --node-rank, "0",
            --host, 0.0.0.0], resources: {limits: {nvidia.com/gpu: 8}}}
    workerTemplate:
      spec:
        containers:
        - {name: worker, image: "lmsysorg/sglang:v0.5.3", command: [%s, --node-rank, "1"%s],
           resources: {limits: {nvidia.com/gpu: 8}}, livenessProbe: {httpGet: {port: %s}}}
"""
SGLANG = (
    "python3, -m, sglang.launch_server, --model-path, /m, --tp, '16', --nnodes, '2',"
    " --dist-init-addr, '$(LWS_LEADER_ADDRESS):20000'"
)


@pytest.mark.parametrize(
    ("more", "port", "count"),
    [
        ("", 30000, 1),
        (", --host, 0.0.0.0", 30000, 0),
        (", --port, '8000'", 8000, 1),
        (", --port, '8000'", 30000, 0),
        ("", 20000, 0),
    ],
)
def test_probes_of_sglangs_other_nodes_are_heard_at_their_host(
    more: str, port: int, count: int
) -> None:
    assert len(found(GROUP % (SGLANG, SGLANG, more, port), "CONF036")) == count
