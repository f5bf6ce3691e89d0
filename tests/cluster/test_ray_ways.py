"""Ray asked without an agent: which way is taken, what it tells, and what it does not."""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from distcheck.agent.cluster import ray_again as again
from distcheck.agent.cluster.api import Api, connect
from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.gather import Ways, gather
from distcheck.agent.cluster.without_agents import ray_exec, ray_ways, through
from distcheck.agent.cluster.without_agents.exec_in import Ended
from distcheck.agent.cluster.without_agents.fallback import Outside
from distcheck.agent.cluster.without_agents.ray_ways import RayQuestion, ask_ray
from distcheck.agent.logs.ray_status import read_status
from distcheck.agent.probes.ray_proto import decode, tables
from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.agent.ray_rows import BrokenRowsError, of_accessor, of_rest
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import (
    Missing,
    NodeLook,
    Pod,
    PodLook,
    RayCluster,
    encode_evidence,
    ray,
)
from distcheck.checks.evidence.ray import LocalGcs, LocalRaylet, RayletAnswers, RayLocal, RayNode
from distcheck.checks.judging import judge
from distcheck.lab.ray import ReplayedRay
from distcheck.lab.scenarios import load
from tests.evidence_builder import healthy
from tests.warm import warm_world

CORPUS = Path(__file__).parents[2] / "../shared/corpus/ray"
HEAD, WORKER = "ab" * 28, "cd" * 28
POD = Pod("llm", "vllm-head-0", node="gpu-a", ip="10.0.0.2", role="leader")
GCS = "10.0.0.2:6379"


def cluster(replies: Any) -> RayCluster:
    seen = decode.cluster(GCS, None, replies)
    assert isinstance(seen, RayCluster)
    return seen


# `ray status`

STATUS = f"""======== Autoscaler status: 2026-01-15 09:30:00 ========
Node status
---------------------------------------------------------------
Active:
 1 node_{HEAD}
Pending:
 (no pending nodes)
Recent failures:
 (no failures)

Resources
---------------------------------------------------------------
Total Usage:
 0.0/2.0 CPU
 8.0/16.0 GPU (8.0 used of 8.0 reserved in placement groups)

Node: {HEAD} (node_{HEAD})
 Usage:
  0.0/1.0 CPU
  6.0/8.0 GPU (6.0 used of 8.0 reserved in placement groups)

Node: {WORKER}
 Usage:
  2.0/8.0 GPU
"""


def test_nodes_of_ray_status_have_their_gpus_and_the_ip_that_is_known_here() -> None:
    (row,) = told(read_status(STATUS, {HEAD: "10.0.0.2"}))
    assert (row.ip, row.state, row.gpus, row.gpus_available) == ("10.0.0.2", "ALIVE", 8.0, 2.0)


def told(seen: tuple[RayNode, ...] | Missing) -> tuple[RayNode, ...]:
    assert not isinstance(seen, Missing)
    return seen


def test_a_raylet_that_runs_and_is_not_listed_is_neither_alive_nor_dead() -> None:
    rows = told(read_status(STATUS, {HEAD: "10.0.0.2", WORKER: "10.0.0.3"}))
    assert [(r.ip, r.state, r.gpus) for r in rows] == [
        ("10.0.0.2", "ALIVE", 8.0),
        ("10.0.0.3", "UNLISTED", 0.0),
    ]


def test_kuberays_form_names_groups_and_its_blocks_name_the_nodes() -> None:
    text = STATUS.replace(f" 1 node_{HEAD}", " 1 headgroup\n 1 gpu-workers")
    assert {r.id for r in told(read_status(text, {}))} == {HEAD, WORKER}
    alone = text.partition("Node: ")[0]
    seen = read_status(alone, {})
    assert isinstance(seen, Missing)
    assert "it counts 2" in seen.reason


@pytest.mark.parametrize(
    "young",
    [
        STATUS.replace("  0.0/1.0 CPU\n  6.0/8.0 GPU (6.0 used of 8.0 reserved in", " (no"),
        STATUS.replace(f"Node: {HEAD} (node_{HEAD})\n", ""),
    ],
    ids=["no amounts", "no block"],
)
def test_a_node_that_has_not_reported_yet_is_not_one_without_gpus(young: str) -> None:
    seen = read_status(young, {HEAD: "10.0.0.2"})
    assert isinstance(seen, Missing)
    assert "no resources yet of 1 of its 1 nodes" in seen.reason


def test_a_node_that_reported_and_has_no_gpus_has_none() -> None:
    text = STATUS.replace("  6.0/8.0 GPU (6.0 used of 8.0 reserved in placement groups)\n", "")
    (row,) = told(read_status(text, {}))
    assert (row.gpus, row.gpus_available) == (0.0, 0.0)


def test_right_after_its_start_ray_has_no_report() -> None:
    seen = read_status("No cluster status. It may take a few seconds for the Ray\n", {})
    assert isinstance(seen, Missing)
    assert "no report yet" in seen.reason


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*/cli_status_v.txt")), ids=str)
def test_every_recorded_report_names_its_nodes_or_says_why_not(path: Path) -> None:
    text = path.read_text()
    seen = read_status(text, {})
    if "Active:" not in text:
        assert isinstance(seen, Missing)
        return
    active = text.partition("Active:")[2].partition("Pending:")[0]
    assert {f"node_{r.id}" for r in told(seen)} == set(active.split()) - {"1"}
    assert all(r.gpus in (0.0, 8.0) for r in told(seen))


@given(st.text(), st.integers(0, len(STATUS)))
def test_any_report_gives_rows_or_a_reason(noise: str, cut: int) -> None:
    seen = read_status(STATUS[:cut] + noise, {WORKER: "10.0.0.3"})
    assert isinstance(seen, Missing) or all(r.gpus >= 0 for r in seen)


# What Ray's own accessor tells in the container


def accessor(**changed: Any) -> dict[str, Any]:
    nodes = [
        {
            "NodeID": HEAD,
            "Alive": True,
            "NodeManagerAddress": "10.0.0.2",
            "NodeManagerHostname": "vllm-head-0",
            "NodeManagerPort": 7001,
            "Resources": {"GPU": 8.0, "node:__internal_head__": 1.0},
        },
        {
            "NodeID": WORKER,
            "Alive": False,
            "NodeManagerAddress": "10.0.0.3",
            "DeathReason": 2,
            "DeathReasonMessage": "health check failed due to missing too many heartbeats",
        },
    ]
    return {"ray": "2.40.0", "nodes": nodes, "groups": [], "actors": []} | changed


def test_rows_of_the_accessor_are_those_of_the_gcs() -> None:
    seen = cluster(of_accessor(accessor()))
    head, dead = seen.nodes
    assert (head.id, head.ip, head.gpus, head.is_head, head.node_manager_port) == (
        HEAD,
        "10.0.0.2",
        8.0,
        True,
        7001,
    )
    assert (dead.state, dead.death_reason) == ("DEAD", "UNEXPECTED_TERMINATION")
    assert "heartbeats" in dead.death


def test_messages_of_the_accessor_are_decoded_as_a_reply_of_the_gcs() -> None:
    replies = ReplayedRay([("127.77.22.2", 8)]).replies
    path = CORPUS / "v2.40.0-default/leaked_pg/gcs_capture.json"
    if path.exists():
        raw = json.loads(path.read_text())["raw_b64"]
        replies = {m: base64.b64decode(r) for m, r in raw.items() if isinstance(r, str)}
    groups = pb.GetAllPlacementGroupReply.FromString(replies[tables.GROUPS]).groups
    packed = [base64.b64encode(g.SerializeToString()).decode() for g in groups]
    seen = cluster(of_accessor(accessor(groups=packed)))
    assert seen.placement_groups == cluster(replies).placement_groups


def test_a_table_that_the_accessor_lacks_is_missing_alone() -> None:
    seen = cluster(of_accessor(accessor(actors="AttributeError('get_actor_table')", groups=["!"])))
    assert isinstance(seen.actors, Missing)
    assert "AttributeError" in seen.actors.reason
    assert isinstance(seen.placement_groups, Missing)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["nodes", "NodeID", "Resources", "data", "result"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_whatever_is_told_in_a_container_ends_in_evidence_or_an_error_of_ours(
    noise: Any, row: Any
) -> None:
    for made in (noise, accessor(nodes=[row]), accessor(groups=noise)):
        try:
            replies = of_accessor(made)
        except BrokenRowsError:
            continue
        assert isinstance(decode.cluster(GCS, None, replies), RayCluster | Missing)


# The dashboard's REST


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*/rest/v0_nodes_detail.json")), ids=str)
def test_every_recorded_dashboard_tells_what_its_gcs_did(path: Path) -> None:
    told = {
        n: json.loads((path.parent / f"{n}.json").read_text())
        for n in ("version", "v0_nodes_detail", "v0_pgs_detail", "v0_actors_detail")
    }
    version = told["version"]["ray_version"]
    seen = cluster(
        of_rest(version, told["v0_nodes_detail"], told["v0_pgs_detail"], told["v0_actors_detail"])
    )
    rows = told["v0_nodes_detail"]["data"]["result"]["result"]
    assert [(n.id, n.ip, n.state) for n in seen.nodes] == [
        (r["node_id"], r["node_ip"], r["state"]) for r in rows
    ]
    assert seen.version == version
    assert isinstance(seen.placement_groups, tuple)
    assert isinstance(seen.actors, tuple)
    groups = told["v0_pgs_detail"]["data"]["result"]["result"]
    assert [(g.id, g.state) for g in seen.placement_groups] == [
        (g["placement_group_id"], g["state"]) for g in groups
    ]
    ips = {r["node_id"]: r["node_ip"] for r in rows}
    for actor in seen.actors:
        assert actor.ip == ips.get(actor.node_id, "")
    assert changed_is_a_time(seen)


def changed_is_a_time(seen: RayCluster) -> bool:
    return seen.changed_ms > 1_700_000_000_000


def test_a_dashboard_that_fails_in_part_leaves_that_part_missing() -> None:
    rows = {"data": {"result": {"result": [{"node_id": HEAD, "state": "ALIVE"}]}}}
    seen = cluster(of_rest("2.60.0", rows, Missing("no answer in 2 s"), {"result": False}))
    assert isinstance(seen.placement_groups, Missing)
    assert "no answer" in seen.placement_groups.reason
    assert isinstance(seen.actors, Missing)
    with pytest.raises(BrokenRowsError):
        of_rest("2.60.0", {"result": False}, rows, rows)


# Which way is taken


class Tried:
    """Stands in for the ways; each answers as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: RayCluster | Missing) -> None:
        self.ways: list[str] = []
        names = {
            "grpc": "ask_gcs",
            "exec": "by_image",
            "status": "by_status",
            "rest": "ask_dashboard",
        }
        for way, name in names.items():
            monkeypatch.setattr(
                ray_ways, name, self._way(way, answers.get(way, Missing(f"no {way}")))
            )

    def _way(self, name: str, answer: RayCluster | Missing) -> Callable[..., RayCluster | Missing]:
        def ask(*_: object, **__: object) -> RayCluster | Missing:
            self.ways.append(name)
            return answer

        return ask


API: Any = object.__new__(Api)
SOON = 1e12


def test_each_way_is_taken_where_those_before_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch, rest=RayCluster(GCS, way="rest"))
    seen = ask_ray(API, RayQuestion(POD, GCS), SOON)
    assert tried.ways == ["grpc", "exec", "status", "rest"]
    assert isinstance(seen, RayCluster)
    assert seen.tried == ("no grpc", "no exec", "no status")


def test_nothing_is_run_where_the_caller_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch)
    seen = ask_ray(API, RayQuestion(POD, GCS, forbidden="--no-exec"), SOON)
    assert tried.ways == ["grpc", "rest"]
    assert isinstance(seen, Missing)
    assert "nothing was run in vllm-head-0 (--no-exec)" in seen.reason


def test_a_gcs_that_is_gone_is_not_asked_for_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch, grpc=Missing("refused", ray.GCS_REFUSED))
    seen = ask_ray(API, RayQuestion(POD, GCS), SOON)
    assert tried.ways == ["grpc"]
    assert isinstance(seen, Missing)
    assert seen.cause == ray.GCS_REFUSED


def test_one_cause_is_told_once_and_a_gcs_that_is_gone_counts_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = (Missing("the agent: needs a token", ray.NEEDS_TOKEN),)
    Tried(monkeypatch, grpc=Missing("port-forward: needs a token", ray.NEEDS_TOKEN))
    seen = ask_ray(API, RayQuestion(POD, GCS, before=before), SOON)
    says = "the agent: needs a token; no exec; no status; no rest"
    assert seen == Missing(says, ray.NEEDS_TOKEN)
    Tried(monkeypatch, grpc=Missing("refused", ray.GCS_REFUSED))
    silent = (Missing("the agent: silent", ray.GCS_SILENT),)
    gone = ask_ray(API, RayQuestion(POD, GCS, before=silent), SOON)
    assert gone == Missing("the agent: silent; refused", ray.GCS_REFUSED)


def test_no_way_is_begun_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch)
    seen = ask_ray(API, RayQuestion(POD, GCS), 0.0)
    assert (tried.ways, isinstance(seen, Missing)) == ([], True)


def test_what_ray_status_alone_tells_is_not_enough_for_a_pass() -> None:
    evidence = healthy()
    nodes = tuple(_as_status(n) for n in evidence.nodes)
    told = judge(structs.replace(evidence, nodes=nodes), catalog()).report.checks
    (verdict,) = (f for f in told if f.id == "RAY001")
    assert (verdict.outcome, "up to 5 s" in verdict.says) == ("unknown", True)


def _as_status(node: NodeLook) -> NodeLook:
    if isinstance(node.ray, Missing):
        return node
    weak = ("`ray status` tells of a moment up to 5 s before",)
    return structs.replace(node, ray=structs.replace(node.ray, way="status", weak=weak))


# After the agents


def looks(answer: RayCluster | Missing) -> dict[str, NodeLook]:
    local = RayLocal(
        raylets=(LocalRaylet(7, GCS, HEAD, "10.0.0.2"),),
        heads=(LocalGcs(6, GCS),),
        python="/opt/venv/bin/python3",
    )
    pod = structs.replace(PodLook.unseen("llm/vllm-head-0", ""), ray_local=local)
    gone = Missing("")
    return {"gpu-a": NodeLook("gpu-a", "", "", gone, answer, (pod,))}


def outside() -> Outside:
    return Outside(API, SOON)


def test_a_ray_that_an_agent_may_not_ask_is_asked_in_its_own_pod(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    questions: list[RayQuestion] = []

    def answered(_api: Api, question: RayQuestion, _deadline: float) -> RayCluster:
        questions.append(question)
        return RayCluster(GCS, way="exec")

    monkeypatch.setattr(again, "ask_ray", answered)
    seen = again.ray_again(outside(), [POD], looks(Missing("it needs a token", ray.NEEDS_TOKEN)))
    (question,) = questions
    assert (question.address, question.head, question.python) == (GCS, POD, "/opt/venv/bin/python3")
    assert question.known == {HEAD: "10.0.0.2"}
    assert question.before == (Missing("it needs a token", ray.NEEDS_TOKEN),)
    assert seen["gpu-a"].ray == RayCluster(GCS, way="exec")


@pytest.mark.parametrize("answer", [RayCluster(GCS), Missing("no raylet and no GCS runs")])
def test_where_an_agent_was_told_or_no_ray_runs_nobody_asks_again(
    answer: RayCluster | Missing,
) -> None:
    assert again.ray_again(outside(), [POD], looks(answer)) == {}


# Each way on its own


class Here:
    """Stands in for a port-forward: the port is one of this machine."""

    def __init__(self, port: int, error: str = "") -> None:
        self.port, self.error = port, error

    def __call__(self, *_: object) -> "Here":
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Dashboard(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, object]] = {}

    def do_GET(self) -> None:
        answer = self.answers.get(self.path.partition("?")[0])
        body = json.dumps(answer).encode()
        self.send_response(200 if answer is not None else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def dashboard(**answers: object) -> Iterator[int]:
    Dashboard.answers = {f"/api/{name.replace('__', '/')}": a for name, a in answers.items()}
    server = HTTPServer(("127.0.0.1", 0), Dashboard)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def rows(*found: dict[str, object]) -> dict[str, object]:
    return {"result": True, "data": {"result": {"result": list(found), "total": len(found)}}}


def test_a_dashboard_is_asked_in_the_heads_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    node = {"node_id": HEAD, "node_ip": "10.0.0.2", "state": "ALIVE", "is_head_node": True}
    node["resources_total"] = {"GPU": 8.0}
    with dashboard(version={"ray_version": "2.60.0"}, v0__nodes=rows(node)) as port:
        monkeypatch.setattr(through, "Tunnel", Here(port))
        seen = through.ask_dashboard(API, POD, GCS, SOON)
    assert isinstance(seen, RayCluster)
    assert [(n.ip, n.state, n.gpus) for n in seen.nodes] == [("10.0.0.2", "ALIVE", 8.0)]
    assert (seen.way, seen.source) == ("rest", "Ray's dashboard in vllm-head-0")
    assert isinstance(seen.actors, Missing)
    assert seen.weak


def test_a_dashboard_that_wants_a_token_or_is_not_there_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with dashboard() as port:
        monkeypatch.setattr(through, "Tunnel", Here(port))
        assert "401" in str(through.ask_dashboard(API, POD, GCS, SOON))
    monkeypatch.setattr(through, "Tunnel", Here(port, "connection refused in the pod"))
    assert "refused in the pod" in str(through.ask_dashboard(API, POD, GCS, SOON))


def test_a_gcs_that_the_kubelet_is_refused_at_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setattr(through, "Tunnel", Here(port, "dial tcp4 127.0.0.1:6379: refused"))
    seen = through.ask_gcs(API, POD, GCS, time.monotonic() + 5)
    assert isinstance(seen, Missing)
    assert seen.cause == ray.GCS_REFUSED


def run(monkeypatch: pytest.MonkeyPatch, output: bytes, why: str = "") -> list[list[str]]:
    """What an exec prints; the commands that were run."""
    commands: list[list[str]] = []

    def exec_in(_api: object, _pod: Pod, argv: list[str], take: Any, _deadline: float) -> Ended:
        commands.append(argv)
        take(output)
        return Ended(why)

    monkeypatch.setattr(ray_exec, "exec_in", exec_in)
    return commands


def test_the_image_tells_by_one_line_of_what_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b"a warning\ndistcheck-ray " + json.dumps(accessor()).encode() + b"\nand more\n"
    commands = run(monkeypatch, line)
    seen = ray_exec.by_image(API, POD, GCS, time.monotonic() + 30, "/opt/venv/bin/python3")
    assert isinstance(seen, RayCluster)
    assert (seen.way, seen.source, len(seen.nodes)) == ("exec", "exec in vllm-head-0", 2)
    assert commands[0][0] == "/opt/venv/bin/python3"
    assert commands[0][-2:] == [GCS, "10"]
    assert len(" ".join(commands[0])) < 4096


@pytest.mark.parametrize(
    ("output", "why", "says"),
    [
        (b"", "", "it printed no answer"),
        (b"\ndistcheck-ray []\n", "", "another form"),
        (b"", "exit status 1: No module named 'ray'", "No module named 'ray'"),
    ],
)
def test_an_image_that_does_not_tell_says_why(
    monkeypatch: pytest.MonkeyPatch, output: bytes, why: str, says: str
) -> None:
    run(monkeypatch, output, why)
    seen = ray_exec.by_image(API, POD, GCS, time.monotonic() + 30)
    assert isinstance(seen, Missing)
    assert seen.reason.startswith("exec in vllm-head-0: ")
    assert says in seen.reason


def test_nothing_is_run_without_time_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = run(monkeypatch, b"")
    assert isinstance(ray_exec.by_image(API, POD, GCS, time.monotonic() + 0.5), Missing)
    assert commands == []


def test_ray_status_says_what_it_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, STATUS.encode())
    soon = time.monotonic() + 30
    seen = ray_exec.by_status(API, POD, GCS, soon, known={HEAD: "10.0.0.2"})
    assert isinstance(seen, RayCluster)
    assert (seen.way, [n.ip for n in seen.nodes]) == ("status", ["10.0.0.2"])
    assert "never of nodes that are DEAD" in seen.weak[0]
    assert isinstance(seen.placement_groups, Missing)


# All of it


def test_a_group_whose_ray_wants_a_token_is_seen_with_the_callers() -> None:
    ray_ = ReplayedRay([("127.88.7.2", 8), ("127.88.7.3", 8)], token="s3cret")
    ray_.start()
    try:
        with warm_world(load("healthy-tp16"), ray_) as lab:
            api = connect(str(lab.kubeconfig))
            group = find_group(api, "llm", "vllm-head-0")
            closed = gather(api, group, ways=Ways(exec=False)).nodes[0].ray
            evidence = gather(api, group, ways=Ways(ray_token="s3cret"))
    finally:
        ray_.stop()
    assert isinstance(closed, Missing)
    assert closed.cause == ray.NEEDS_TOKEN
    assert "nothing was run in vllm-head-0 (--no-exec)" in closed.reason
    seen = evidence.nodes[0].ray
    assert isinstance(seen, RayCluster)
    assert (seen.way, seen.source) == ("grpc", "port-forward to vllm-head-0")
    assert "needs a token" in seen.tried[0]
    rows = [evidence.look(pod).raylets for pod in evidence.pods]
    answers = [a.outcome for row in rows if isinstance(row, RayletAnswers) for a in row.answers]
    assert answers == ["serving", "serving", "open", "open"] * 2
    assert b"s3cret" not in encode_evidence(evidence)
