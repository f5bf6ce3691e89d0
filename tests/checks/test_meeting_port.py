"""NCCL006 at the port where ranks meet: who listens there, and who has called."""

from collections.abc import Sequence

import pytest
from msgspec import structs
from tests.evidence_builder import AT, STARTED, change_looks, healthy, name_of

from distcheck.checks.evidence import (
    Connection,
    Evidence,
    ListeningPort,
    ListeningPorts,
    Missing,
    PodLook,
    Process,
    Processes,
    VllmLog,
)
from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.evidence.rendezvous import NameLookup, NameLookups
from distcheck.checks.nccl.no_rank_stuck import no_rank_stuck
from distcheck.checks.verdict import Verdict

YOUNG = "2026-01-15T09:28:00Z"
LEADER, WORKER = "10.0.0.2", "10.0.0.3"
SERVE = ("vllm", "serve", "m", "--nnodes", "2", "--master-addr", LEADER)
LEADS, FOLLOWS = (*SERVE, "--master-port=29500"), (*SERVE, "--master-port=29500", "-r", "1")
ANYWHERE = (ListeningPort(8000, "0.0.0.0"), ListeningPort(29500, "::"))
HELD = (Connection(WORKER, 51000, LEADER, 29500),)


def group(
    *,
    argvs: Sequence[tuple[str, ...]] = (LEADS, FOLLOWS),
    ports: Sequence[ListeningPort] | None = ANYWHERE,
    connections: Sequence[tuple[Connection, ...]] = ((), ()),
    started: str = STARTED,
    title: str = "",
    log: VllmLog | None = None,
    environ: dict[str, str] | None = None,
) -> Evidence:
    """A leader and a worker whose servers set out to meet; no log says how far they came."""

    def change(look: PodLook) -> PodLook:
        at = 0 if look.pod.endswith(name_of(0)) else 1
        server = [Process(101, "vllm", 1, argvs[at], started)] if argvs[at] else []
        titled = [Process(200, title, 101, (), started)] if title else []
        seen = Missing("ss was not read") if ports is None else ListeningPorts((), "net/tcp", AT)
        if isinstance(seen, ListeningPorts) and at == 0:
            seen = structs.replace(seen, ports=tuple(ports or ()))
        return structs.replace(
            look,
            ras=Missing("nobody listens on port 28028"),
            processes=Processes((*server, *titled), environ or {}, AT, 101),
            vllm=log or VllmLog(lines=9),
            nccl=NcclLog(),
            listening=seen,
            connections=connections[at],
        )

    return change_looks(healthy(), change)


def judged(evidence: Evidence) -> Verdict:
    """What NCCL006 says."""
    return no_rank_stuck.judge_evidence(evidence)


def test_a_port_that_listens_and_that_nobody_calls_fails() -> None:
    """Both servers have run for ten minutes."""
    found = judged(group())
    assert (found.outcome, found.cause) == ("fail", "rendezvous_waits")
    assert "logs --tail=50 vllm-worker-0 -c vllm` shows" in (found.remedy or "")
    assert found.says == (
        "the rendezvous port 29500 of vllm-head-0 listens, and vllm-worker-0 has no connection to"
        " it, 10 min after the servers started"
    )
    assert found.subjects == ("vllm-worker-0",)


@pytest.mark.parametrize("seen_by", [0, 1])
def test_a_connection_that_either_side_shows_is_no_sign(seen_by: int) -> None:
    """Behind a Service or NAT the two have other addresses of each other."""
    mine = (Connection(LEADER, 29500, "10.9.9.9", 51000), Connection(LEADER, 29500, WORKER, 51000))
    sides = [(mine[1:], ()), ((mine[0],), HELD)][seen_by]
    assert judged(group(connections=sides)).outcome == "unknown"


def test_young_servers_are_no_sign() -> None:
    """The worker may still import what it needs."""
    assert judged(group(started=YOUNG)).outcome == "unknown"


@pytest.mark.parametrize(
    "past",
    [
        {"title": "VLLM::Worker_DP0_TP3"},
        {"log": VllmLog(lines=9, started=True)},
        {"log": VllmLog(lines=9, version="0.7.3")},
    ],
)
def test_an_engine_that_has_met_is_no_sign(past: dict[str, object]) -> None:
    """A worker has its place, the server serves, or it is a release that does not tell."""
    assert judged(group(ports=(), **past)).outcome == "unknown"  # type: ignore[arg-type]


def test_listeners_that_were_not_seen_are_no_sign() -> None:
    """Nor are the connections then."""
    assert judged(group(ports=None)).outcome == "unknown"


def test_a_port_at_which_nobody_listens_is_a_warning() -> None:
    """Rank 0 never came as far as its store; on the loopback nobody else can call it."""
    for ports in (ANYWHERE[:1], (ListeningPort(29500, "127.0.0.1"),)):
        found = judged(group(ports=ports))
        assert (found.outcome, found.cause) == ("warn", "rendezvous_waits")
        assert found.says.startswith("nobody listens on the rendezvous port 29500 of vllm-head-0, ")
        assert found.subjects == ("vllm-head-0",)


def test_a_pod_that_runs_no_server_is_a_warning() -> None:
    """Its script may fetch the model before."""
    found = judged(group(argvs=(LEADS, ())))
    assert (found.outcome, found.subjects) == ("warn", ("vllm-worker-0",))


RPC = ("vllm", "serve", "m", "-dp", "16", "-dpa", LEADER, "-dpp", "29500")


def test_engines_of_copies_are_waited_for_at_the_rpc_port() -> None:
    """It is closed once all have come: that nobody listens there says nothing."""
    argvs = (RPC, (*RPC, "--headless"))
    assert judged(group(argvs=argvs)).cause == "rendezvous_waits"
    assert judged(group(argvs=argvs, ports=())).outcome == "unknown"


def test_torchs_own_variables_name_the_port() -> None:
    """They may be set and unused: that nobody listens there says nothing."""
    plain = ("python3", "serve.py")
    environ = {"MASTER_PORT": "29500", "MASTER_ADDR": LEADER}
    given = group(argvs=(plain, plain), environ=environ)
    assert judged(given).outcome == "fail"
    assert judged(group(argvs=(plain, plain), environ=environ, ports=())).outcome == "unknown"

    def named(look: PodLook) -> PodLook:
        assert isinstance(look.processes, Processes)
        variables = {**environ, "MASTER_ADDR": "head"}
        one = NameLookup("head", "MASTER_ADDR", "resolved", (LEADER,))
        processes = structs.replace(look.processes, environ=variables)
        return structs.replace(look, processes=processes, names=NameLookups((one,), "x"))

    assert judged(change_looks(given, named)).outcome == "fail"
