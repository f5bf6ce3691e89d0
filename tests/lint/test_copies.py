"""vLLM's copies over pods that work out their own ranks (CONF015)."""

import pytest
from tests.lint.judge import found

PODS = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ds}
spec:
  serviceName: ds
  replicas: %d
  selector: {matchLabels: {app: ds}}
  template:
    metadata: {labels: {app: ds}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        command: [bash, -c]
        args:
        - |
          ORD=${HOSTNAME##*-}
          exec vllm serve /m %s
        env: [{name: LOCAL, value: "8"}]
        resources: {limits: {nvidia.com/gpu: 8}}
---
apiVersion: v1
kind: Service
metadata: {name: ds}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: ds}, ports: [{port: 13345}]}
"""
HYBRID = "--data-parallel-hybrid-lb -dpa ds-0.ds"
INNER = "-dpa ds-0.ds $([ $ORD = 0 ] || echo --headless)"


def of(flags: str, pods: int = 2) -> list[str]:
    said = found(PODS % (pods, flags), "CONF015")
    assert {f.level for f in said} <= {"error"}
    return [f.says.removeprefix("StatefulSet ds: ") for f in said]


@pytest.mark.parametrize(
    ("flags", "pods"),
    [
        (f"-dp 16 -dpl 8 -dpr $((8 * ${{HOSTNAME##*-}})) {HYBRID}", 2),
        (f"-dp 32 -dpl 8 -dpr $((ORD * LOCAL)) {HYBRID}", 4),
        (f"-dp 24 -dpl $LOCAL -dpr $((ORD * ${{LOCAL:-4}})) {INNER}", 3),
        (f"-dp 16 -tp 2 -dpl 4 -dpr $((ORD * 4)) {INNER}", 4),
        (f"-dp 16 -dpl 8 -dpr $(( ORD * ${{OTHER}} )) {HYBRID}", 2),
        (f"-dp 2 -dpl 1 -dpr $ORD {HYBRID}", 2),
        ("-dp 16 -dpl 8 -dpr $((ORD * 8)) -dpa ds-0.ds --data-parallel-multi-port-external-lb", 2),
    ],
)
def test_ranks_that_each_pod_works_out_are_no_fault(flags: str, pods: int) -> None:
    assert not of(flags, pods)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (f"-dp 16 -dpl 8 -dpr $((4 * ${{HOSTNAME##*-}})) {HYBRID}",
         "a pod starts at rank 4, and the leader has 0 to 7"),
        (f"-dp 16 -dpl 8 -dpr 0 {HYBRID}", "a pod starts at rank 0, and the leader has 0 to 7"),
        (f"-dp 16 -dpl 8 -dpr $((16 * ORD)) {INNER}",
         "a pod's ranks are 16 to 23, and the last one of 16 is 15"),
        (f"-dp 16 -dpl 8 {INNER}", "a pod starts at rank 0, and the leader has 0 to 7"),
        (f"-dp 32 -dpl 8 -dpr $((8 * ${{HOSTNAME##*-}})) {HYBRID}",
         "it waits for 32 copies, and the pods start 16 (1 x 8 + 1 x 8)"),
        ("-dp 16 -dpl 8 -dpr $((8 * ${HOSTNAME##*-})) --data-parallel-hybrid-lb",
         "without --data-parallel-address it meets the others at 127.0.0.1"),
        (f"-dp 16 -dpl 8 --headless -dpr $((8 * ${{OTHER}})) {HYBRID}",
         "vLLM refuses --data-parallel-hybrid-lb with --headless"),
        (f"-dp 16 -tp 2 -dpl 8 -dpr $((8 * ORD)) {INNER}",
         "each pod starts 16 ranks; it has 8 GPUs"),
        ("-dp 16 -dpl 8 -dpr $((8 * ORD)) -dpa ds-0.ds",
         "without --headless it is one more front-end, which waits as the leader does"),
    ],
)  # fmt: skip
def test_ranks_that_no_leader_waits_for_are_found_though_worked_out(flags: str, says: str) -> None:
    assert of(flags) == [says]


LWS = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: ep}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          %s
          resources: {limits: {nvidia.com/gpu: 8}}
"""
SERVE = "vllm serve /m --data-parallel-hybrid-lb -dpa $LWS_LEADER_ADDRESS"


def scripted(flags: str) -> str:
    return LWS % f'command: [bash, -c, "{SERVE} {flags}"]'


@pytest.mark.parametrize("start", ["$LWS_WORKER_INDEX", "$((LWS_WORKER_INDEX + 1))", "8"])
def test_leader_and_workers_of_one_template_get_a_start_that_each_works_out(start: str) -> None:
    flags = "-dp 16 -dpl 8 --data-parallel-start-rank"
    (one,) = found(scripted(f"{flags} {start}"), "CONF015")
    mended = "--data-parallel-start-rank $((LWS_WORKER_INDEX * 8))"
    assert f"`{mended}`" in one.fix
    assert not found(scripted(f"-dp 16 -dpl 8 {mended}"), "CONF015")


def test_without_a_shell_the_start_is_told_in_words() -> None:
    words = SERVE.replace("$LWS_LEADER_ADDRESS", "$(LWS_LEADER_ADDRESS)").replace(" ", ", ")
    text = LWS % f'command: [{words}, -dp, "16", -dpl, "8", -dpr, $(LWS_WORKER_INDEX)]'
    (one,) = found(text, "CONF015")
    assert one.fix == "Give each pod a start of its own: its index x 8."


def test_a_leader_whose_copies_start_later_is_told_to_start_at_0_not_where_to_meet() -> None:
    (one,) = found(scripted("-dp 16 -dpl 8 --data-parallel-start-rank 8"), "CONF034")
    assert one.fix.startswith("Let the leader start at 0")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("-dp 8 -dpl 4 -dpr $((LWS_WORKER_INDEX * 4))", "starts 4 ranks, and has 8 GPUs: 4 stand"),
        ("-dp 4 -dpl 2 -tp 2 -dpr $((LWS_WORKER_INDEX * 2))", "4 ranks (2 copies of TP=2), and"),
        ("-dp 16 -dpl 8 -dpr $((LWS_WORKER_INDEX * 8))", ""),
        ("-dp 8 -dpl 4 -tp 2 -dpr $((LWS_WORKER_INDEX * 4))", ""),
        ("-dp 8 -dpl $COPIES -dpr 0", ""),
        ("-dp 8 -dpl 4 -tp 1 $MORE", ""),
    ],
)
def test_local_copies_of_hybrid_load_balancing_use_all_gpus_of_a_pod(flags: str, says: str) -> None:
    told = found(scripted(flags), "CONF001")
    assert [f.level for f in told] == ["warning"] * bool(says)
    assert not says or says in told[0].says
