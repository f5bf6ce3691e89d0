"""Listeners in the group's pods: which agents are asked to open them, and who tries which."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from msgspec import structs

from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.gather import gather
from distcheck.agent.cluster.listening import Listening, have_met, told
from distcheck.agent.cluster.ports import Peer, chosen
from distcheck.agent.listening import Listens, NodeListens
from distcheck.checks.evidence import (
    Connection,
    Evidence,
    NodeLook,
    Pod,
    PodLook,
    PortProbe,
    PortProbes,
)
from tests.cluster.manifests.build import two_nodes
from tests.cluster.manifests.world import Responder, cluster, http_ok
from tests.cluster.test_gather import HEALTHY, node_look

NONCE = "ab" * 16
PODS = {"gpu-a": "llm/vllm-head-0", "gpu-b": "llm/vllm-worker-0"}


def listening(node: str, *, why: str = "") -> Responder:
    """An agent that listens, or says why not."""

    def answer(path: str) -> bytes:
        if not path.startswith("/v1/listen"):
            return HEALTHY[node](path.replace(f"%7C{NONCE}", ""))
        (at,) = parse_qs(urlsplit(path).query)["pod"]
        pod, _, ip = at.partition("|")
        one = Listens(pod, ip, why=why) if why else Listens(pod, ip, 41000, 41001, NONCE, 10.0)
        return http_ok(msgspec.json.encode(NodeListens(node, "0.1.0", (one,))))

    return answer


def asked(tmp_path: Path, answers: dict[str, Responder]) -> tuple[Evidence, dict[str, list[str]]]:
    """The evidence, and by node the peers that its agent was told to try."""
    with cluster(tmp_path, two_nodes(), answers) as (api, _, doors):
        evidence = gather(api, find_group(api, "llm", "vllm-head-0"))
    tries = {n: parse_qs(urlsplit(path).query).get("peer", []) for n, path in doors.paths}
    return evidence, tries


def test_each_agent_tries_the_listener_of_the_other_with_its_nonce(tmp_path: Path) -> None:
    _, tries = asked(tmp_path, {n: listening(n) for n in PODS})
    assert f"llm/vllm-head-0|127.77.0.2|41000|nccl|{NONCE}" in tries["gpu-b"]
    assert "llm/vllm-head-0|127.77.0.2|41001|unused" in tries["gpu-b"]
    assert f"llm/vllm-worker-0|127.77.0.3|41000|nccl|{NONCE}" in tries["gpu-a"]


def test_an_agent_that_knows_no_listeners_is_not_given_their_words(tmp_path: Path) -> None:
    def old(path: str) -> bytes:
        if path.startswith("/v1/listen"):
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n"
        return HEALTHY["gpu-b"](path)

    evidence, tries = asked(tmp_path, {"gpu-a": listening("gpu-a"), "gpu-b": old})
    assert not any("nccl" in peer for peer in tries["gpu-b"])
    ports = evidence.look(evidence.pods[0]).ports
    assert isinstance(ports, PortProbes)
    why = "agent distcheck-agent-gpu-b is of a version that opens none"
    assert ports.unlistened == {"llm/vllm-worker-0": why}


def test_why_an_agent_does_not_listen_is_kept(tmp_path: Path) -> None:
    off = "port probes are switched off on gpu-b"
    answers = {"gpu-a": listening("gpu-a"), "gpu-b": listening("gpu-b", why=off)}
    evidence, _ = asked(tmp_path, answers)
    ports = evidence.look(evidence.pods[0]).ports
    assert isinstance(ports, PortProbes)
    assert ports.unlistened == {"llm/vllm-worker-0": off}


def _holding(node: str, local: str, remote: str) -> NodeLook:
    """Both pods accepted a call of the other at a random port, and the worker is in Ray."""
    held: tuple[Connection, ...] = (
        Connection(local, 45123, remote, 50001, accepted=True),
        Connection(local, 50001, remote, 45123),
    )
    if local == "127.77.0.3":
        held = (
            *held,
            Connection(local, 50002, remote, 6379),
            Connection(local, 50003, remote, 40001),
        )
    look = node_look(node, PODS[node])
    return structs.replace(
        look, pods=tuple(structs.replace(p, connections=held) for p in look.pods)
    )


def test_nobody_listens_where_connections_show_the_range_already() -> None:
    pods = [
        Pod("llm", key.partition("/")[2], node=node, ip=f"127.77.0.{2 + n}")
        for n, (node, key) in enumerate(PODS.items())
    ]
    head, worker = "127.77.0.2", "127.77.0.3"
    both = [_holding("gpu-a", head, worker), _holding("gpu-b", worker, head)]
    assert have_met(pods, both)
    assert not have_met(pods, [both[0], node_look("gpu-b", PODS["gpu-b"])])


@pytest.mark.parametrize(("taken", "outcome"), [(2.0, "refused"), (11.0, "error")])
def test_a_refusal_after_the_listeners_time_tells_nothing(taken: float, outcome: str) -> None:
    probe = PortProbe("llm/vllm-worker-0", "127.77.0.3", 41000, "nccl", "refused")
    look = structs.replace(PodLook.unseen("llm/vllm-head-0", ""), ports=PortProbes((probe,)))
    node = structs.replace(node_look("gpu-a", "llm/vllm-head-0"), pods=(look,))
    there = Listening({"x": Listens("x", "127.77.0.3", 41000, 41001, NONCE, 10.0)})
    assert _outcome(told(node, there, taken, [])) == outcome


def _outcome(node: NodeLook) -> str:
    ports = node.pods[0].ports
    assert isinstance(ports, PortProbes)
    return ports.probes[0].outcome


def _group(size: int) -> list[Pod]:
    return [
        Pod("llm", f"p-{n:02}", ip=f"10.0.0.{n + 1}", role="worker" if n else "leader")
        for n in range(size)
    ]


def _everything(group: list[Pod]) -> list[Peer]:
    gcs = Peer(group[0].key, str(group[0].ip), 6379, "gcs")
    rest = [
        Peer(p.key, str(p.ip), port, service)
        for p in group
        for port, service in ((40000, "node_manager"), (41000, "nccl"), (41001, "unused"))
    ]
    return [gcs, *rest]


def test_a_group_of_sixteen_tries_all_pairs_within_what_an_agent_does() -> None:
    group = _group(16)
    peers = chosen(_everything(group), group[3:4], group)
    assert peers[0].service == "gcs"
    assert {p.pod for p in peers if p.service == "nccl"} == {p.key for p in group}
    assert len(peers) <= 64


def test_in_a_large_group_workers_try_the_leader_and_their_neighbours() -> None:
    group = _group(40)
    peers = chosen(_everything(group), group[7:8], group)
    assert {p.pod for p in peers} == {"llm/p-00", "llm/p-06", "llm/p-08"}
    of_leader = chosen(_everything(group), group[:1], group)
    assert {p.pod for p in of_leader} == {p.key for p in group}
    assert len(of_leader) <= 64
