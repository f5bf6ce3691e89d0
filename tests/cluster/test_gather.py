"""Gathering asks every node's agent; a node that gives no good answer is unseen, with a reason."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from msgspec import structs

from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.gather import Ways, gather
from distcheck.checks.evidence import (
    Evidence,
    Gpus,
    Missing,
    NodeLook,
    PodLook,
    PortProbe,
    PortProbes,
    Process,
    Processes,
    RayCluster,
    Trouble,
    VllmLog,
    decode_evidence,
    encode_evidence,
)
from distcheck.checks.evidence.ray import RayNode
from distcheck.checks.evidence.vllm import RankLine
from distcheck.lab.apiserver import Denial
from tests.cluster.manifests.build import two_nodes
from tests.cluster.manifests.world import Responder, cluster, http_ok, slow

HEAD = "127.77.0.2"
GCS = f"{HEAD}:6379"
SERVE = ("vllm", "serve", "/models/llama", "-tp", "8")


def node_look(node: str, pod: str) -> NodeLook:
    raylet = Process(9, "raylet", argv=("raylet", f"--gcs-address={GCS}"))
    argv = (raylet, Process(7, "vllm", argv=SERVE)) if node == "gpu-a" else (raylet,)
    shared = RankLine(0, 16, "log:1", init_method=f"tcp://{HEAD}:40001")
    alone = RankLine(0, 1, "log:2", init_method=f"tcp://{HEAD}:40002")
    ranks = (shared, alone) if node == "gpu-a" else (shared,)
    seen = structs.replace(
        PodLook.unseen(pod, "not in this test"),
        processes=Processes(argv),
        vllm=VllmLog(ranks=ranks),
    )
    nodes = (
        RayNode("1", "127.77.0.2", "ALIVE", node_manager_port=30001, object_manager_port=30002),
        RayNode("2", "127.77.0.3", "ALIVE", node_manager_port=30003, object_manager_port=30004),
        RayNode("3", "127.77.0.3", "DEAD", node_manager_port=39999),
    )
    ray = RayCluster(GCS, nodes=nodes) if node == "gpu-a" else Missing("no head here")
    return NodeLook(node, "2026-11-20T08:00:00Z", "agent 0.1.0", Gpus(()), ray, (seen,))


def healthy(node: str, pod: str) -> Responder:
    def answer(path: str) -> bytes:
        look = node_look(node, pod)
        peers = parse_qs(urlsplit(path).query).get("peer", [])
        if peers:
            probes = tuple(_probe(*p.split("|")) for p in peers)
            pods = tuple(structs.replace(p, ports=PortProbes(probes)) for p in look.pods)
            look = structs.replace(look, pods=pods)
        return http_ok(msgspec.json.encode(look))

    return answer


def _probe(peer: str, address: str, port: str, service: str) -> PortProbe:
    return PortProbe(peer, address, int(port), service, "open")


HEALTHY = {
    "gpu-a": healthy("gpu-a", "llm/vllm-head-0"),
    "gpu-b": healthy("gpu-b", "llm/vllm-worker-0"),
}


def gathered(tmp_path: Path, answers: dict[str, Responder], **more: Any) -> Evidence:
    with cluster(tmp_path, two_nodes(), answers) as (api, _, _):
        return gather(api, find_group(api, "llm", "vllm-head-0"), **more)


def reason(evidence: Evidence, pod: int) -> str:
    shown = evidence.look(evidence.pods[pod]).vllm
    assert isinstance(shown, Missing)
    return shown.reason


def test_both_nodes_are_seen_and_the_evidence_can_be_written(tmp_path: Path) -> None:
    evidence = gathered(tmp_path, HEALTHY)
    assert [n.node for n in evidence.nodes] == ["gpu-a", "gpu-b"]
    assert [n.agent for n in evidence.nodes] == ["agent 0.1.0"] * 2
    assert decode_evidence(encode_evidence(evidence)) == evidence


def test_every_pod_probes_the_ports_that_the_others_use(tmp_path: Path) -> None:
    evidence = gathered(tmp_path, HEALTHY)
    ports = evidence.look(evidence.pods[1]).ports
    assert isinstance(ports, PortProbes)
    assert {(p.peer, p.port, p.service) for p in ports.probes} >= {
        ("llm/vllm-head-0", 6379, "gcs"),
        ("llm/vllm-head-0", 30001, "node_manager"),
        ("llm/vllm-head-0", 30002, "object_manager"),
        ("llm/vllm-head-0", 40001, "rendezvous"),
    }
    assert 39999 not in {p.port for p in ports.probes}


def test_a_meeting_point_of_ranks_in_one_pod_is_not_probed(tmp_path: Path) -> None:
    evidence = gathered(tmp_path, HEALTHY)
    ports = evidence.look(evidence.pods[1]).ports
    assert isinstance(ports, PortProbes)
    assert 40002 not in {p.port for p in ports.probes}


def test_each_agent_is_asked_for_its_own_pods_only(tmp_path: Path) -> None:
    with cluster(tmp_path, two_nodes(), HEALTHY) as (api, _, doors):
        gather(api, find_group(api, "llm", "vllm-head-0"))
    asked = [
        (url.path, parse_qs(url.query)["pod"])
        for node, path in doors.paths
        if node == "gpu-b" and (url := urlsplit(path))
    ]
    assert asked == [
        ("/v1/evidence", ["llm/vllm-worker-0"]),
        ("/v1/listen", ["llm/vllm-worker-0|127.77.0.3"]),
        ("/v1/evidence", ["llm/vllm-worker-0"]),
    ]


def test_no_port_is_probed_where_that_is_off(tmp_path: Path) -> None:
    evidence = gathered(tmp_path, HEALTHY, ways=Ways(ports=False))
    assert evidence.look(evidence.pods[0]).ports == Missing("not in this test")


def test_a_node_without_an_agent_is_unseen_with_the_reason(tmp_path: Path) -> None:
    objects = [o for o in two_nodes() if o["metadata"]["name"] != "distcheck-agent-gpu-b"]
    with cluster(tmp_path, objects, HEALTHY) as (api, _, _):
        evidence = gather(api, find_group(api, "llm", "vllm-head-0"))
    assert reason(evidence, 1).endswith("no distcheck agent runs on node gpu-b")


BAD: list[tuple[Responder, str]] = [
    (lambda _p: http_ok(b"<html>"), "its answer is not JSON"),
    (lambda _p: http_ok(b'{"shape": 2}'), "its answer is of no version that is known"),
    (lambda _p: http_ok(msgspec.json.encode(node_look("gpu-c", "x/y"))), "answers for node gpu-c"),
    (lambda _p: b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "ended before the whole"),
    (lambda _p: b"HTTP/1.1 200 OK\r\n\r\n{}", "no Content-Length"),
    (lambda _p: b"SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
    (lambda _p: b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", "HTTP 503: busy"),
    (lambda _p: b"", "ended before the whole"),
]


@pytest.mark.parametrize(("answer", "why"), BAD)
def test_a_bad_answer_is_no_evidence(tmp_path: Path, answer: Responder, why: str) -> None:
    evidence = gathered(tmp_path, {**HEALTHY, "gpu-b": answer})
    assert why in reason(evidence, 1)
    assert isinstance(evidence.look(evidence.pods[0]).vllm, VllmLog)


def test_an_agent_without_a_listener_is_named_by_the_kubelets_words(tmp_path: Path) -> None:
    evidence = gathered(tmp_path, {"gpu-a": HEALTHY["gpu-a"]})
    assert "connection refused" in reason(evidence, 1)


def test_a_slow_agent_costs_no_more_than_the_time_that_was_given(tmp_path: Path) -> None:
    evidence = gathered(tmp_path, {**HEALTHY, "gpu-b": slow(60.0)}, timeout=1.0)
    assert "no whole answer before the deadline" in reason(evidence, 1)
    assert isinstance(evidence.look(evidence.pods[0]).ports, PortProbes)


def test_a_second_round_that_fails_takes_nothing_away(tmp_path: Path) -> None:
    def once(path: str) -> bytes:
        return b"" if "peer=" in path else HEALTHY["gpu-b"](path)

    evidence = gathered(tmp_path, {**HEALTHY, "gpu-b": once})
    look = evidence.look(evidence.pods[1])
    assert isinstance(look.vllm, VllmLog)
    assert isinstance(look.ports, Missing)
    assert look.ports.reason.startswith("ports were not probed: agent distcheck-agent-gpu-b")


def test_without_the_right_to_list_services_a_group_is_found_and_its_pods_are_seen(
    tmp_path: Path,
) -> None:
    with cluster(tmp_path, two_nodes(), HEALTHY) as (api, server, _):
        server.denied = (Denial(("list",), ("services",)),)
        group = find_group(api, "llm", "vllm-head-0")
        evidence = gather(api, group)
    assert isinstance(evidence.look(evidence.pods[0]).vllm, VllmLog)
    assert [n for n in group.notes if n.startswith("services may not be listed")]


def test_agents_are_sought_in_their_namespace_where_all_is_forbidden(tmp_path: Path) -> None:
    with cluster(tmp_path, two_nodes(), HEALTHY) as (api, server, _):
        server.denied = (Denial(("list",), ("pods",), ("",)),)
        evidence = gather(api, find_group(api, "llm", "vllm-head-0"))
    assert isinstance(evidence.look(evidence.pods[0]).vllm, VllmLog)


@pytest.mark.parametrize(
    ("denial", "why"),
    [
        (Denial(("create",), ("pods/portforward",)), 'cannot create resource "pods/portforward"'),
        (Denial(("list",), ("pods",), ("", "distcheck")), "the agents could not be listed"),
    ],
)
def test_what_the_caller_may_not_do_is_the_reason(tmp_path: Path, denial: Denial, why: str) -> None:
    with cluster(tmp_path, two_nodes(), HEALTHY) as (api, server, _):
        server.denied = (denial,)
        evidence = gather(api, find_group(api, "llm", "vllm-head-0"))
    assert why in reason(evidence, 0)
    assert why in reason(evidence, 1)


def test_agents_that_were_not_asked_show_nothing(tmp_path: Path) -> None:
    evidence = gathered(tmp_path, HEALTHY, ways=Ways(agents=False))
    assert "--no-agents" in reason(evidence, 0)


def test_real_command_lines_stand_beside_the_spec(tmp_path: Path) -> None:
    evidence = gathered(tmp_path, HEALTHY)
    assert evidence.intent.tp == 16
    told = [(c.name, c.value, c.source) for c in evidence.intent.conflicts]
    assert told == [("tp", "8", "argv of vllm-head-0 (pid 7)")]


def test_the_callers_expectation_is_recorded(tmp_path: Path) -> None:
    evidence = gathered(tmp_path, HEALTHY, expect={"tp": 8})
    assert (evidence.intent.tp, evidence.intent.sources["tp"]) == (8, "--expect")


def test_progress_names_every_node(tmp_path: Path) -> None:
    said: list[str] = []
    note: Callable[[str], None] = said.append
    gathered(tmp_path, HEALTHY, progress=note)
    assert {"gpu-a: seen", "gpu-b: seen"} <= set(said)


def test_a_pod_without_a_node_is_not_asked_about(tmp_path: Path) -> None:
    objects = two_nodes()
    worker = next(o for o in objects if o["metadata"]["name"] == "vllm-worker-0")
    worker["spec"]["nodeName"] = None
    with cluster(tmp_path, objects, HEALTHY) as (api, _, _):
        evidence = gather(api, find_group(api, "llm", "vllm-head-0"))
    assert reason(evidence, 1) == "it has no node yet (vllm-worker-0)"


def test_agents_of_another_version_are_noted_once(tmp_path: Path) -> None:
    def older(node: str, pod: str) -> Responder:
        look = structs.replace(node_look(node, pod), agent="0.0.9")
        return lambda _path: http_ok(msgspec.json.encode(look))

    doors = {n: older(n, p) for n, p in (("gpu-a", "llm/vllm-head-0"), ("gpu-b", "llm/x"))}
    notes = gathered(tmp_path, doors).notes
    told = [n for n in notes if n.startswith("agents of version 0.0.9 answer on gpu-a, gpu-b;")]
    assert len(told) == 1


def test_a_node_without_an_agent_is_looked_at_beside_one_that_has_one(tmp_path: Path) -> None:
    objects = [o for o in two_nodes() if o["metadata"]["name"] != "distcheck-agent-gpu-b"]
    log = b"2026-11-20T08:00:01Z stdout F pid=1 x:1:1 [0] NCCL INFO NCCL version 2.27.3+cuda12.9\n"
    with cluster(tmp_path, objects, HEALTHY, logs=lambda *_: log) as (api, _, _):
        evidence = gather(api, find_group(api, "llm", "vllm-head-0"))
    assert [n.agent for n in evidence.nodes] == ["agent 0.1.0", "Kubernetes API"]
    assert isinstance(evidence.look(evidence.pods[0]).ports, PortProbes)
    assert isinstance(evidence.look(evidence.pods[1]).vllm, VllmLog)


def test_troubles_of_the_group_are_part_of_the_evidence(tmp_path: Path) -> None:
    trouble = Trouble("vllm-worker-1", "pod_missing", "it is not there", "spec of sts/vllm-worker")
    with cluster(tmp_path, two_nodes(), HEALTHY) as (api, _, _):
        group = structs.replace(find_group(api, "llm", "vllm-head-0"), troubles=(trouble,))
        assert trouble in gather(api, group).troubles
