"""A worker of a group that starts a server of its own joins nothing, whatever its sizes."""

import pytest
from tests.lint.judge import found, judged, sure

POD = """\
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.12.0
          command: [sh, -c, "%s"]
          resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
          volumeMounts: [{name: dshm, mountPath: /dev/shm}]
        volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]
"""
LWS = f"""\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {{name: vllm}}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate:
{POD}    workerTemplate:
{POD}"""
RAY = "ray start --head; vllm serve /m -tp 8 -pp 2 --distributed-executor-backend ray"
NODES = "vllm serve /m -tp 8 -pp 2 --nnodes 2 --node-rank 0 --master-addr $LWS_LEADER_ADDRESS"
COPIES = "vllm serve /m -dp 16 -dpl 8 -dpa $LWS_LEADER_ADDRESS"
SGLANG = "python3 -m sglang.launch_server --model-path /m --tp 16"
JOINING = "--nnodes 2 --dist-init-addr $LWS_LEADER_ADDRESS:20000"


@pytest.mark.parametrize(
    ("leader", "worker", "wants"),
    [
        (RAY, "vllm serve /m -tp 8", "16 ranks"),
        (RAY, "vllm serve /m", "16 ranks"),
        (NODES, "vllm serve /m -tp 8", "2 nodes"),
        (COPIES, "vllm serve /m -tp 8", "16 copies"),
        (f"{SGLANG} {JOINING} --node-rank 0", SGLANG.replace("16", "8"), "2 nodes"),
    ],
)
def test_a_server_that_fits_its_own_pod_joins_nothing(leader: str, worker: str, wants: str) -> None:
    (one,) = found(LWS % (leader, worker), "CONF035")
    assert (one.level, one.at.line) == ("error", 21)
    assert "joins nothing" in one.says
    assert one.says.endswith(f"waits for {wants}")


def test_sizes_of_two_servers_are_not_multiplied() -> None:
    assert found(LWS % (COPIES, "vllm serve /m -tp 8"), "CONF001") == ()


@pytest.mark.parametrize(
    ("leader", "worker"),
    [
        (RAY, "ray start --address=$LWS_LEADER_ADDRESS:6379 --block"),
        (NODES, f"{NODES.replace('rank 0', 'rank 1')} --headless"),
        (COPIES, f"{COPIES} --data-parallel-start-rank 8 --headless"),
        (f"{SGLANG} {JOINING} --node-rank 0", f"{SGLANG} {JOINING} --node-rank 1"),
        ("vllm serve /m -tp 8", "vllm serve /m -tp 8 --enforce-eager"),
        ("python3 -m sglang_router.launch_router --host 0.0.0.0", "vllm serve /m -tp 8"),
    ],
)
def test_workers_that_join_and_servers_that_wait_for_nobody_are_right(
    leader: str, worker: str
) -> None:
    assert found(LWS % (leader, worker), "CONF035") == ()


def test_a_script_before_the_server_may_join_the_others() -> None:
    (one,) = found(LWS % (RAY, "/opt/join.sh && vllm serve /m -tp 8"), "CONF035")
    assert (one.level, one.unseen) == ("hint", "what /opt/join.sh does")


def test_the_fix_names_the_script_that_the_leader_runs() -> None:
    script = "bash /v/multi-node-serving.sh"
    leader = f"{script} leader --ray_cluster_size=2; vllm serve /m -tp 8 -pp 2"
    (one,) = found(LWS % (leader, "vllm serve /m -tp 8"), "CONF035")
    assert f"`{script} worker --ray_address=$(LWS_LEADER_ADDRESS)`" in one.fix
    joined = f"{script} worker --ray_address=$(LWS_LEADER_ADDRESS)"
    ray = f"{leader} --distributed-executor-backend ray"
    assert sure(judged(LWS % (ray, joined))) == []


SCRIPT = "bash /vllm-workspace/examples/online_serving/multi-node-serving.sh"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("workers --ray_address=x", "knows leader and worker, and not workers"),
        ("--ray_address=x", "knows leader and worker, and not --ray_address=x"),
        ("", "knows leader and worker, and is told neither"),
        ("worker --ray-address=x", "worker has no --ray_address=VALUE"),
    ],
)
def test_the_start_script_ends_for_what_it_does_not_know(call: str, says: str) -> None:
    leader = f"{SCRIPT} leader --ray_cluster_size=2; vllm serve /m -tp 8 -pp 2"
    (one,) = found(LWS % (leader, f"{SCRIPT} {call}"), "CONF035")
    assert (one.level, one.says) == ("error", f"multi-node-serving.sh {says}: it ends at once")


@pytest.mark.parametrize(
    "call", ["$ROLE --ray_address=x", "worker $JOIN", "worker --ray_address=x"]
)
def test_a_part_that_a_variable_names_is_not_judged(call: str) -> None:
    leader = f"{SCRIPT} leader --ray_cluster_size=2; vllm serve /m -tp 8 -pp 2"
    assert found(LWS % (leader, f"{SCRIPT} {call}"), "CONF035") == ()


def test_a_script_of_that_name_elsewhere_may_take_other_words() -> None:
    own = "bash /mine/multi-node-serving.sh"
    leader = f"{own} leader --ray_cluster_size=2; vllm serve /m -tp 8 -pp 2"
    (one,) = found(LWS % (leader, f"{own} join"), "CONF035")
    assert (one.level, one.unseen) == ("hint", "what /mine/multi-node-serving.sh takes")


def test_a_port_that_is_computed_is_nobody_elses() -> None:
    worker = "ray start --address=$LWS_LEADER_ADDRESS:6380 --block"
    assert found(LWS % ("ray start --head --port=$PORT; vllm serve /m", worker), "CONF021") == ()
    assert found(LWS % ("ray start --head; vllm serve /m -tp 8", worker), "CONF021")


JOINED = "ray start --address=$LWS_LEADER_ADDRESS:6379"


def test_a_worker_that_joins_ray_and_serves_wants_the_leaders_gpus() -> None:
    (one,) = found(LWS % (RAY, f"{JOINED}; {RAY.partition('; ')[2]}"), "CONF035")
    assert (one.level, one.at.line) == ("error", 21)
    assert "two want the same GPUs" in one.says


@pytest.mark.parametrize(
    "worker",
    [
        f"{JOINED} --block; vllm serve /m",
        f"if test $LWS_WORKER_INDEX = 0; then vllm serve /m; fi; {JOINED}",
        f"{JOINED}; exec sleep infinity; vllm serve /m",
        f"{JOINED}; sleep infinity",
    ],
)
def test_a_worker_that_never_comes_to_its_server_is_right(worker: str) -> None:
    assert found(LWS % (RAY, worker), "CONF035") == ()


ALONE = "vllm serve /m -tp 8"


def test_two_whole_copies_in_one_group_are_a_hint() -> None:
    (one,) = found(LWS % (ALONE, f"{ALONE} --enforce-eager"), "CONF001")
    assert (one.level, one.unseen) == ("hint", "whether something shares requests between them")


@pytest.mark.parametrize("flag", ["--kv-transfer-config '{}'", "# decode", "--port 8001 -tp 4"])
def test_parts_of_one_service_are_no_two_copies(flag: str) -> None:
    assert [
        f for f in found(LWS % (ALONE, f"{ALONE} {flag}"), "CONF001") if f.level == "hint"
    ] == []
