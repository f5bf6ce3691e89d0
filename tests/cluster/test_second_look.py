"""A second look comes where NCCL's RAS may have told of a moment only, and nowhere else."""

import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from msgspec import structs

from distcheck.agent.cluster import second_look
from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.gather import Ways, gather
from distcheck.checks.evidence import NodeLook, PodLook
from distcheck.checks.evidence.ras import RasCommunicator, RasRank, RasStatus
from tests.cluster.manifests.build import two_nodes
from tests.cluster.manifests.world import Responder, cluster, http_ok

EVEN, BEHIND = {"AllReduce": 40}, {"AllReduce": 39}


def ras(*counts: dict[str, int], before: RasStatus | None = None) -> RasStatus:
    """A communicator of ranks with these counts, and what was half a minute before."""
    ranks = tuple(RasRank(n, "10.0.0.2", 200 + n, counts=c) for n, c in enumerate(counts))
    then = () if before is None else before.communicators
    at = "2026-01-15T09:29:30Z" if then else None
    now = (RasCommunicator("0xc1", len(ranks), ranks),)
    return RasStatus(now, "RAS", before=then, before_at=at)


def look(status: RasStatus) -> NodeLook:
    """A node whose one pod has that answer."""
    pod = structs.replace(PodLook.unseen("llm/vllm-head-0", "not in this test"), ras=status)
    unseen = NodeLook.unseen("gpu-a", "2026-01-15T09:30:00Z", "not in this test")
    return structs.replace(unseen, pods=(pod,))


@pytest.mark.parametrize(
    ("status", "again"),
    [
        (ras(EVEN, EVEN), False),
        (ras(EVEN, BEHIND), True),
        (ras(EVEN, BEHIND, before=ras(EVEN, BEHIND)), False),
        (ras(EVEN, BEHIND, before=ras(BEHIND, BEHIND)), True),
        (RasStatus((RasCommunicator("#0", 16, status="RUNNING", errors="OK"),), "RAS"), False),
        (RasStatus((RasCommunicator("#0", 16, status="INIT", errors="OK"),), "RAS"), True),
        (RasStatus((RasCommunicator("0xc1", 1, (RasRank(0, missing=True),)),), "RAS"), True),
        (
            RasStatus((RasCommunicator("0xc1", 1, (RasRank(0, missing=True, dead=True),)),), "RAS"),
            False,
        ),
    ],
)
def test_only_what_another_look_can_settle_is_looked_at_again(
    status: RasStatus, again: bool
) -> None:
    """A healthy group does not wait, and a dead rank stays dead."""
    assert second_look.unsettled({"gpu-a": look(status)}) == (("gpu-a",) if again else ())


def test_the_pause_leaves_half_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gathering that is nearly over waits for nothing."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    second_look.pause(time.monotonic() + 0.1)
    second_look.pause(time.monotonic() - 1)
    assert max(slept) <= 0.05


def _agent(status: RasStatus, asked: list[int]) -> Responder:
    def answer(path: str) -> bytes:
        asked.append(len(parse_qs(urlsplit(path).query).get("peer", [])))
        return http_ok(msgspec.json.encode(look(status)))

    return answer


@pytest.mark.parametrize(("status", "times"), [(ras(EVEN, EVEN), 1), (ras(EVEN, BEHIND), 2)])
def test_ranks_that_differ_are_asked_for_twice_without_any_port_to_try(
    tmp_path: Path, status: RasStatus, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only agents of nodes that answered so."""
    monkeypatch.setattr(second_look, "PAUSE", 0.01)
    asked: list[int] = []
    with cluster(tmp_path, two_nodes(), {"gpu-a": _agent(status, asked)}) as (api, _, _):
        gather(api, find_group(api, "llm", "vllm-head-0"), ways=Ways(ports=False, exec=False))
    assert asked == [0] * times
