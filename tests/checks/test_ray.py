"""RAY001 and RAY002: who should be in Ray, who is, and what cannot be known."""

from msgspec.structs import replace

from distcheck.checks.evidence import (
    Evidence,
    Gpus,
    Intent,
    Missing,
    NodeLook,
    Pod,
    PodLook,
    Process,
    Processes,
    RayCluster,
    Target,
    decode_evidence,
    encode_evidence,
)
from distcheck.checks.evidence.ray import RayletOutcome, RayletProbe, RayNode
from distcheck.checks.facts.ray import RayMembership
from distcheck.checks.ray.all_gpus import all_gpus
from distcheck.checks.ray.nodes_alive import nodes_alive
from distcheck.checks.verdict import Verdict

NOW = "2026-11-21T05:00:00Z"
NAMES = {"10.77.0.2": "vllm-head-0", "10.77.0.3": "vllm-worker-0"}
HEAD, WORKER = "10.77.0.2", "10.77.0.3"
HEARTBEATS = "health check failed due to missing too many heartbeats"


def node(ip: str, state: str = "ALIVE", gpus: float = 8.0, **more: object) -> RayNode:
    name = NAMES.get(ip, "elsewhere")
    row = RayNode(f"{ip}/{more.get('end_ms', 0)}", ip, state, name, gpus, is_head=ip == HEAD)
    return replace(row, **more)


def dead(ip: str, reason: str = "UNEXPECTED_TERMINATION", end_ms: int = 5) -> RayNode:
    return node(ip, "DEAD", death_reason=reason, death_message=HEARTBEATS, end_ms=end_ms)


def cluster(*nodes: RayNode, at: str = HEAD, cluster_id: str = "c1") -> RayCluster:
    return RayCluster(f"{at}:6379", "2.60.0", cluster_id, NOW, nodes)


PODS = (
    Pod("llm", "vllm-head-0", node="gpu-a", ip=HEAD, role="leader", gpus=8),
    Pod("llm", "vllm-worker-0", node="gpu-b", ip=WORKER, gpus=8),
)


def look(name: str, ray: RayCluster | Missing, *pods: PodLook) -> NodeLook:
    return NodeLook(name, NOW, f"distcheck-agent-{name}", Gpus(()), ray, pods)


def group(
    *rays: RayCluster | Missing, pods: tuple[Pod, ...] = PODS, intent: Intent | None = None
) -> Evidence:
    nodes = tuple(look(f"gpu-{'ab'[i]}", ray) for i, ray in enumerate(rays))
    target = Target("llm", "sts", "vllm-head")
    return Evidence("0", NOW, target, intent or Intent(engine="vllm"), pods, nodes)


def judged(evidence: Evidence) -> tuple[Verdict, Verdict]:
    again = decode_evidence(encode_evidence(evidence))
    return nodes_alive.judge_evidence(again), all_gpus.judge_evidence(again)


def outcomes(evidence: Evidence) -> list[tuple[str, str | None]]:
    return [(v.outcome, v.cause) for v in judged(evidence)]


PASS, UNKNOWN, SKIPPED = ("pass", None), ("unknown", None), ("skipped", None)


def test_two_nodes_with_eight_gpus_each_pass_and_cite_their_rows() -> None:
    alive, gpus = judged(group(cluster(node(HEAD), node(WORKER))))
    assert (alive.outcome, alive.says) == ("pass", "2 of 2 Ray nodes are alive")
    assert (gpus.outcome, gpus.says) == ("pass", "Ray has 16 of 16 GPUs on 2 nodes")
    assert alive.subjects == ("vllm-head-0", "vllm-worker-0")
    assert alive.cites[1].source == "GCS 10.77.0.2:6379 NodeInfoGcsService/GetAllNodeInfo"
    assert "node id 10.77.0.3/0" in alive.cites[1].what
    assert alive.cites[1].seen_at == NOW


def test_a_worker_that_never_joined_is_named_with_its_address() -> None:
    evidence = group(cluster(node(HEAD)))
    assert outcomes(evidence) == [("fail", "node_missing"), ("fail", "node_missing")]
    alive, gpus = judged(evidence)
    assert alive.says == "Ray has 1 of 2 nodes: vllm-worker-0 (10.77.0.3) never joined"
    assert gpus.says == "Ray has 8 of 16 GPUs: vllm-worker-0 (10.77.0.3) never joined"
    assert alive.subjects == ("vllm-worker-0",)


def test_a_dead_row_says_why_in_the_words_of_ray() -> None:
    evidence = group(cluster(node(HEAD), dead(WORKER)))
    assert outcomes(evidence) == [("fail", "node_dead"), ("fail", "node_dead")]
    assert HEARTBEATS in judged(evidence)[0].says


def test_an_alive_row_beats_the_dead_rows_of_its_address() -> None:
    rows = (dead(WORKER, end_ms=5), node(HEAD), node(WORKER), dead(WORKER, end_ms=9))
    assert outcomes(group(cluster(*rows))) == [PASS, PASS]


def test_a_pod_with_a_new_address_never_joined_though_its_old_one_died() -> None:
    old = replace(dead(WORKER), ip="10.77.0.99", hostname="vllm-worker-0")
    evidence = group(cluster(node(HEAD), old))
    assert outcomes(evidence)[0] == ("fail", "node_missing")
    assert "as 10.77.0.99 it is DEAD" in judged(evidence)[0].says


def test_a_pod_without_an_address_never_joined() -> None:
    pods = (PODS[0], replace(PODS[1], ip=None, node=None))
    evidence = group(cluster(node(HEAD)), pods=pods)
    assert judged(evidence)[0].says.endswith("vllm-worker-0 (no IP yet) never joined")


def test_a_node_that_the_intent_asks_for_and_no_pod_is_never_joined() -> None:
    evidence = group(cluster(node(HEAD), node(WORKER)), intent=Intent(nodes=3, gpus=24))
    assert outcomes(evidence) == [("fail", "node_missing"), ("fail", "node_missing")]


def test_a_worker_with_fewer_gpus_than_its_pod_fails_only_the_gpus() -> None:
    evidence = group(cluster(node(HEAD), node(WORKER, gpus=0.0)))
    assert outcomes(evidence) == [PASS, ("fail", "node_gpu_short")]
    assert "vllm-worker-0 (10.77.0.3) brought 0 of its 8" in judged(evidence)[1].says


def test_two_alive_rows_of_one_address_are_a_fault_even_if_the_sum_is_right() -> None:
    rows = (node(HEAD), node(WORKER, gpus=0.0, id="a"), node(WORKER, id="b"))
    assert outcomes(group(cluster(*rows))) == [("fail", "duplicate_node_ip"), PASS]
    twice = (node(HEAD), node(WORKER, id="a"), node(WORKER, id="b"))
    both = ("fail", "duplicate_node_ip")
    assert outcomes(group(cluster(*twice))) == [both, both]


def test_a_head_on_loopback_is_a_fault_unless_that_is_its_pods_address() -> None:
    head = node("127.0.0.1", is_head=True)
    assert outcomes(group(cluster(head)))[0] == ("fail", "head_on_loopback")
    pods = tuple(replace(p, ip=f"127.77.0.{i}") for i, p in enumerate(PODS, 2))
    rows = (node("127.77.0.2", is_head=True), node("127.77.0.3"))
    assert outcomes(group(cluster(*rows, at="127.77.0.2"), pods=pods)) == [PASS, PASS]


def test_a_pod_in_ray_under_another_address_is_a_warning_and_a_loopback_one_a_fault() -> None:
    second = node("192.168.9.3", hostname="vllm-worker-0")
    evidence = group(cluster(node(HEAD), second))
    assert outcomes(evidence) == [("warn", "host_ip_mismatch"), PASS]
    assert "vllm-worker-0 (10.77.0.3) as 192.168.9.3" in judged(evidence)[0].says
    head = node("127.0.0.1", hostname="vllm-head-0", is_head=True)
    assert outcomes(group(cluster(head)))[0] == ("fail", "head_on_loopback")


def test_the_row_of_an_earlier_pod_does_not_hide_that_of_the_present_one() -> None:
    stale = node("10.77.0.99", hostname="vllm-worker-0")
    evidence = group(cluster(node(HEAD), stale, node(WORKER)))
    assert outcomes(evidence)[0] == ("warn", "unexpected_node")


def test_a_node_of_no_pod_is_a_warning() -> None:
    rows = (node(HEAD), node(WORKER), node("10.77.0.4", hostname="stranger"))
    evidence = group(cluster(*rows))
    assert outcomes(evidence)[0] == ("warn", "unexpected_node")
    assert "stranger (10.77.0.4)" in judged(evidence)[0].says


def test_a_head_pod_without_gpus_is_no_stranger() -> None:
    pods = (replace(PODS[0], gpus=0), PODS[1])
    rows = (node(HEAD, gpus=0.0), node(WORKER))
    assert outcomes(group(cluster(*rows), pods=pods)) == [PASS, PASS]


def probed(ip: str, outcome: RayletOutcome) -> RayNode:
    return node(ip, raylet=RayletProbe(outcome))


def test_a_raylet_that_refuses_fails_and_one_that_is_silent_warns() -> None:
    refused = group(cluster(node(HEAD), probed(WORKER, "refused")))
    assert outcomes(refused)[0] == ("fail", "raylet_unreachable")
    silent = group(cluster(node(HEAD), probed(WORKER, "no_answer")))
    assert outcomes(silent)[0] == ("warn", "raylet_unreachable")
    assert outcomes(group(cluster(node(HEAD), probed(WORKER, "serving"))))[0] == PASS


def test_a_node_state_that_is_not_known_leaves_the_check_undecided() -> None:
    evidence = group(cluster(node(HEAD), node(WORKER, "7")))
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]
    assert "state 7" in judged(evidence)[0].says


def test_the_answer_of_any_node_is_enough() -> None:
    closed = Missing("Ray's GCS at 10.77.0.2:6379: connection refused")
    assert outcomes(group(closed, cluster(node(HEAD), node(WORKER)))) == [PASS, PASS]


def test_a_worker_that_joined_another_head_is_told_so() -> None:
    own = cluster(node(WORKER, is_head=True), at=WORKER, cluster_id="c2")
    evidence = group(cluster(node(HEAD)), own)
    assert outcomes(evidence)[0] == ("fail", "node_missing")
    assert "is in another Ray cluster (10.77.0.3:6379)" in judged(evidence)[0].says


def test_where_nobody_could_ask_the_reasons_are_given_and_nothing_passes() -> None:
    evidence = group(Missing("it needs a token"), Missing("no agent answered on gpu-b"))
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]
    assert judged(evidence)[0].says == "it needs a token; no agent answered on gpu-b"
    assert outcomes(group()) == [UNKNOWN, UNKNOWN]


def test_an_empty_node_table_is_not_health() -> None:
    evidence = group(cluster(), pods=())
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]


def with_processes(*processes: Process, executor: str | None = None) -> Evidence:
    gone = Missing("no raylet and no GCS of this group runs on this node")
    nodes = tuple(
        look(
            p.node or "",
            gone,
            replace(PodLook.unseen(p.key, ""), processes=Processes(processes, seen_at=NOW)),
        )
        for p in PODS
    )
    return replace(group(intent=Intent(executor=executor)), nodes=nodes)


SERVE = Process(7, "VLLM::EngineCore", argv=("vllm", "serve", "/models/ray"))


def test_a_group_whose_processes_show_no_ray_is_skipped_and_cites_them() -> None:
    evidence = with_processes(SERVE, executor="mp")
    assert outcomes(evidence) == [SKIPPED, SKIPPED]
    fact = RayMembership.fold(evidence)
    assert isinstance(fact, RayMembership)
    assert [c.source for c in fact.cites] == ["/proc of vllm-head-0", "/proc of vllm-worker-0"]


def test_any_trace_of_ray_or_no_processes_at_all_is_not_a_group_without_ray() -> None:
    for trace in (
        Process(8, "raylet"),
        Process(8, "python3", argv=("/usr/bin/python3", "/usr/local/bin/ray", "start", "--head")),
        Process(8, "ray::RayWorkerWrapper"),
        Process(8, "", argv=("/opt/ray/core/src/ray/gcs/gcs_server", "--x")),
    ):
        assert outcomes(with_processes(SERVE, trace)) == [UNKNOWN, UNKNOWN]
    assert outcomes(with_processes()) == [UNKNOWN, UNKNOWN]
    assert outcomes(with_processes(SERVE, executor="ray")) == [UNKNOWN, UNKNOWN]


def alone(*nodes: RayNode, at: str = HEAD, intent: Intent | None = None) -> Evidence:
    evidence = group(cluster(*nodes, at=at), pods=(), intent=intent or Intent())
    return replace(evidence, target=Target("", "ray", f"{at}:6379"))


def test_without_an_expectation_the_known_rows_are_judged_and_it_says_so() -> None:
    evidence = alone(node(HEAD), node(WORKER))
    assert outcomes(evidence) == [PASS, UNKNOWN]
    assert "no number was expected" in judged(evidence)[0].says
    assert outcomes(alone(node(HEAD), dead(WORKER)))[0] == ("fail", "node_dead")
    told = alone(node(HEAD), dead(WORKER, "EXPECTED_TERMINATION"))
    assert outcomes(told)[0] == ("warn", "node_dead")


def test_a_number_of_nodes_and_gpus_is_enough_to_expect() -> None:
    two = Intent(nodes=2, gpus=16)
    assert outcomes(alone(node(HEAD), node(WORKER), intent=two)) == [PASS, PASS]
    never = ("fail", "node_missing")
    assert outcomes(alone(node(HEAD), intent=two)) == [never, never]
    lost = ("fail", "node_dead")
    assert outcomes(alone(node(HEAD), dead(WORKER), intent=two)) == [lost, lost]
    few = alone(node(HEAD), node(WORKER, gpus=4.0), intent=two)
    assert outcomes(few) == [PASS, ("fail", "node_gpu_short")]
    more = alone(node(HEAD), node(WORKER), node("10.77.0.4"), intent=two)
    assert outcomes(more)[0] == ("warn", "unexpected_node")


def test_on_one_machine_every_row_is_a_node_of_its_own() -> None:
    here = "127.0.0.1"
    rows = (node(here, id="a", is_head=True), node(here, id="b"))
    two = Intent(nodes=2, gpus=16)
    assert outcomes(alone(*rows, at=here, intent=two)) == [PASS, PASS]
    died = replace(dead(here), id="b")
    lost = ("fail", "node_dead")
    assert outcomes(alone(rows[0], died, at=here, intent=two)) == [lost, lost]
    back = node(here, id="c", start_ms=9)
    assert outcomes(alone(rows[0], died, back, at=here))[0] == PASS
    assert outcomes(alone(*rows, at=HEAD))[0] == ("fail", "head_on_loopback")
