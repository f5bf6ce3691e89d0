"""NCCL006: what RAS proves in one look and in two, and what is proven without it."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from msgspec import structs
from tests.evidence_builder import AT, STARTED, change_looks, healthy, name_of

from distcheck.checks.evidence import (
    Connection,
    Evidence,
    GpuDevice,
    Gpus,
    Missing,
    PodLook,
    Process,
    Processes,
    VllmLog,
)
from distcheck.checks.evidence.nccl import Failure, NcclLog
from distcheck.checks.evidence.ras import RasCommunicator, RasProcess, RasRank, RasStatus
from distcheck.checks.evidence.vllm import EngineFailure, RankLine
from distcheck.checks.nccl.no_rank_stuck import no_rank_stuck
from distcheck.checks.verdict import Verdict

EARLIER = "2026-01-15T09:29:50Z"
LONG_AGO = "2026-01-15T09:27:00Z"
Change = Callable[[RasRank], RasRank]
SAME: Change = lambda r: r  # noqa: E731


def world(change: Change = SAME, **what: object) -> RasCommunicator:
    """All 16 ranks in one communicator; `change` makes some differ."""
    ranks = tuple(
        change(
            RasRank(
                n, f"10.0.0.{2 + n // 8}", 200 + n % 8, 0, n % 8, {"AllReduce": 40, "AllGather": 7}
            )
        )
        for n in range(16)
    )
    missing = sum(r.missing for r in ranks)
    return structs.replace(RasCommunicator("0xc1", 16, ranks, missing), **what)


def on(rank: int, **what: object) -> Change:
    """That rank with other fields."""
    return lambda r: structs.replace(r, **what) if r.rank == rank else r


def status(
    now: RasCommunicator, before: RasCommunicator | None = None, at: str = EARLIER
) -> RasStatus:
    """RAS's answer, and the one before it."""
    then = () if before is None else (before,)
    return RasStatus(
        (now,),
        "NCCL RAS at 127.0.0.1:28028",
        version="2.28.9",
        seen_at=AT,
        before=then,
        before_at=at if then else None,
    )


def unasked(look: PodLook) -> PodLook:
    """The same, and RAS was not asked."""
    return structs.replace(look, ras=Missing("nobody listens on port 28028"))


def asked(answer: RasStatus, evidence: Evidence | None = None) -> Evidence:
    """The group with that answer in the leader's pod; the other was not asked."""

    def change(look: PodLook) -> PodLook:
        leads = look.pod.endswith(name_of(0))
        return structs.replace(look, ras=answer if leads else Missing("the leader's answers"))

    return change_looks(evidence or healthy(), change)


def verdict(
    now: RasCommunicator, before: RasCommunicator | None = None, at: str = EARLIER
) -> Verdict:
    """What NCCL006 says of it."""
    return no_rank_stuck.judge_evidence(asked(status(now, before, at)))


def ended(found: Verdict) -> tuple[str, str | None]:
    """Outcome and cause."""
    return found.outcome, found.cause


LATE = on(9, counts={"AllReduce": 39, "AllGather": 7})


def test_all_ranks_with_equal_counts_pass() -> None:
    """One look is enough; an idle group stands still and is well."""
    found = verdict(world())
    assert found.outcome == "pass"
    assert (
        found.says == "RAS answers for all 16 ranks in 1 communicator of 16: as many calls on each"
    )
    assert verdict(world(), world()).outcome == "pass"


def test_a_rank_that_stays_behind_in_two_looks_is_stuck() -> None:
    """Named with its pod, its node and its GPU, and by how much it is behind."""
    found = verdict(world(LATE), world(LATE))
    assert ended(found) == ("fail", "rank_stuck")
    assert "rank 9 (vllm-worker-0 on gpu-1, GPU 1) is behind: AllReduce 39 of 40" in found.says
    assert "no call in 10 s" in found.says
    assert found.subjects == ("vllm-worker-0",)
    assert "AllReduce 39 of 40" in found.cites[0].what
    assert "exec vllm-worker-0 -c vllm -- py-spy dump --pid" in (found.remedy or "")


def test_a_rank_that_fell_behind_since_the_look_before_is_asked_for_again() -> None:
    """A request may have begun at this moment, after a minute in which all stood still."""
    before = world(lambda r: structs.replace(r, counts={"AllReduce": 39, "AllGather": 7}))
    found = verdict(world(LATE), before, LONG_AGO)
    assert ended(found) == ("unknown", None)
    assert "ranks differ in one look" in found.says


def test_a_rank_of_a_serving_engine_may_lag_for_some_seconds() -> None:
    """It compiles a kernel; in ten seconds it would have."""
    found = verdict(world(LATE), world(LATE), "2026-01-15T09:29:55Z")
    assert ended(found) == ("warn", "rank_stuck")
    assert "look again" in found.says


@pytest.mark.parametrize("version", ["2.24.3", "2.25.1"])
def test_counts_of_cuda_graphs_of_old_releases_prove_nothing(version: str) -> None:
    """There only ranks with network channels count a replayed graph."""
    answer = structs.replace(status(world(LATE), world(LATE)), version=version)
    assert ended(no_rank_stuck.judge_evidence(asked(answer))) == ("unknown", None)


def test_ranks_that_tear_down_what_others_hold_are_missing() -> None:
    """Half of them, in both looks; in one look it is a moment of an orderly end."""
    half = world(lambda r: structs.replace(r, leaving=r.rank > 7))
    found = verdict(half, half)
    assert ended(found) == ("fail", "rank_missing")
    assert "leaving" in found.says
    assert verdict(half).cause is None


def test_ranks_without_counts_do_not_pass() -> None:
    """Equal counts of nothing say nothing."""
    bare = world(lambda r: structs.replace(r, counts={}))
    assert ended(verdict(bare)) == ("unknown", None)


def test_a_foreign_peer_that_died_is_a_warning_where_our_own_world_is_whole() -> None:
    """A trainer that sent its weights in a communicator of its own has ended."""
    trainer = RasRank(16, "10.9.9.9", 77, missing=True, dead=True)
    wide = structs.replace(world(), hash="0xf0", size=17, ranks=(*world().ranks, trainer))
    answer = structs.replace(status(world()), communicators=(wide, world()))
    found = no_rank_stuck.judge_evidence(asked(answer))
    assert ended(found) == ("warn", "rank_dead")
    assert "the group's own 16 ranks are all there" in found.says
    alone = no_rank_stuck.judge_evidence(asked(structs.replace(answer, communicators=(wide,))))
    assert ended(alone) == ("fail", "rank_dead")


def test_a_rank_behind_in_one_look_is_not_called_stuck() -> None:
    """A collective outruns the question."""
    found = verdict(world(LATE))
    assert ended(found) == ("unknown", None)
    assert "ranks differ in one look" in found.says


@pytest.mark.parametrize(
    "before",
    [
        world(on(9, counts={"AllReduce": 20, "AllGather": 7})),
        world(on(9, counts={"AllReduce": 39, "AllGather": 6})),
    ],
)
def test_a_rank_that_has_called_anything_since_is_well(before: RasCommunicator) -> None:
    """A busy group differs in every look."""
    found = verdict(world(LATE), before)
    assert found.outcome == "pass"
    assert "those behind went on between two looks" in found.says


def test_looks_a_second_apart_prove_nothing() -> None:
    """Two looks must be apart."""
    assert verdict(world(LATE), world(LATE), "2026-01-15T09:29:59Z").outcome == "unknown"


def test_a_starting_engine_may_have_a_slow_rank_for_a_while() -> None:
    """It compiles; two minutes without a call are more than that."""

    def starts(look: PodLook) -> PodLook:
        return structs.replace(look, vllm=VllmLog(lines=3))

    young = asked(status(world(LATE), world(LATE)), change_looks(healthy(), starts))
    old = asked(status(world(LATE), world(LATE), LONG_AGO), change_looks(healthy(), starts))
    assert ended(no_rank_stuck.judge_evidence(young)) == ("warn", "rank_stuck")
    assert ended(no_rank_stuck.judge_evidence(old)) == ("fail", "rank_stuck")


def test_counts_of_different_communicators_are_not_compared() -> None:
    """A stage's ranks call others than the next stage's."""

    def stage(number: int) -> RasCommunicator:
        counts = {"AllReduce": 40 + number}
        found = world().ranks[8 * number : 8 * number + 8]
        ranks = tuple(structs.replace(r, rank=r.rank % 8, counts=counts) for r in found)
        return RasCommunicator(f"0xd{number}", 8, ranks)

    answer = RasStatus((stage(0), stage(1)), "RAS", seen_at=AT)
    assert no_rank_stuck.judge_evidence(asked(answer)).outcome == "pass"


def test_a_dead_rank_fails_at_once() -> None:
    """RAS has waited a minute already."""
    found = verdict(world(on(12, missing=True, silent=True, dead=True, counts={})))
    assert ended(found) == ("fail", "rank_dead")
    assert "rank 12 (vllm-worker-0 on gpu-1, GPU 4) is dead for NCCL's RAS" in found.says


def test_text_names_a_dead_process_apart_from_its_rank() -> None:
    """Releases before 2.26."""
    lost = RasRank(12, missing=True, silent=True)
    one = RasCommunicator("0xc1", 16, (lost,), 1, "RUNNING", "INCOMPLETE")
    answer = structs.replace(
        status(one), format="text", gpus=16, lost=(RasProcess("10.0.0.3", 204, "4", True),)
    )
    found = no_rank_stuck.judge_evidence(asked(answer))
    assert ended(found) == ("fail", "rank_dead")
    assert "vllm-worker-0 on gpu-1" in found.says


SILENT = on(5, missing=True, silent=True, counts={})
LEFT = on(5, missing=True, counts={})


def test_a_silent_rank_is_missing_in_two_looks_and_a_warning_in_one() -> None:
    """A process that is stopped for a moment comes back."""
    assert ended(verdict(world(SILENT), world(SILENT))) == ("fail", "rank_missing")
    assert ended(verdict(world(SILENT))) == ("warn", "rank_missing")
    assert ended(verdict(world(), world(SILENT))) == ("pass", None)


def test_a_rank_that_left_is_missing_in_two_looks_and_unknown_in_one() -> None:
    """Communicators come and go rank by rank."""
    found = verdict(world(LEFT), world(LEFT))
    assert ended(found) == ("fail", "rank_missing")
    assert "left what the others still hold" in found.says
    assert ended(verdict(world(LEFT))) == ("unknown", None)


@pytest.mark.parametrize(
    ("what", "word"),
    [({"error": "Remote process error"}, "Remote process error"), ({"aborted": True}, "aborted")],
)
def test_an_error_of_a_communicator_fails(what: dict[str, object], word: str) -> None:
    """In NCCL's own words."""
    found = verdict(world(on(2, **what)))
    assert ended(found) == ("fail", "comm_error")
    assert word in found.says


def test_a_start_that_takes_minutes_is_stuck() -> None:
    """A short one is not decided."""
    starts = world(lambda r: structs.replace(r, init="in progress", counts={}))
    assert ended(verdict(starts, starts, LONG_AGO)) == ("fail", "init_stuck")
    assert ended(verdict(starts, starts)) == ("unknown", None)


def test_too_few_processes_are_not_a_pass() -> None:
    """Half of the group may be of another job, or not there."""
    half = structs.replace(world(), hash="0xd0", size=8, ranks=world().ranks[:8])
    found = no_rank_stuck.judge_evidence(asked(RasStatus((half,), "RAS", seen_at=AT)))
    assert ended(found) == ("unknown", None)
    assert found.says == "RAS answers for 8 of 16 ranks"


def test_communicators_of_other_jobs_are_not_judged() -> None:
    """Pods on the node's network share RAS's port."""
    other = structs.replace(
        world(SILENT),
        hash="0xee",
        ranks=tuple(structs.replace(r, host="10.9.9.9") for r in world(SILENT).ranks),
    )
    answer = RasStatus((world(), other), "RAS", seen_at=AT)
    assert no_rank_stuck.judge_evidence(asked(answer)).outcome == "pass"


def test_a_dead_process_that_two_answers_name_is_one() -> None:
    """Pods of two nodes were asked, and text does not tell that they are one job."""
    lost = RasRank(12, missing=True, silent=True)
    one = RasCommunicator("0xc1", 16, (lost,), 1, "RUNNING", "INCOMPLETE")
    gone = RasProcess("10.0.0.3", 204, "0 (NVML 4)", True)
    answer = structs.replace(status(one), format="text", gpus=16, lost=(gone,))
    twice = change_looks(healthy(), lambda look: structs.replace(look, ras=answer))
    found = no_rank_stuck.judge_evidence(twice)
    assert found.says == "1 rank dead for NCCL's RAS: vllm-worker-0 on gpu-1, GPU 4"


def test_text_of_a_healthy_group_passes_by_its_table() -> None:
    """It names no rank; its summary counts the GPUs."""
    group = RasCommunicator("#0", 16, status="RUNNING", errors="OK")
    answer = structs.replace(status(group), format="text", gpus=16)
    assert no_rank_stuck.judge_evidence(asked(answer)).outcome == "pass"
    shared = structs.replace(answer, notes=("RAS's text does not tell jobs apart",))
    assert no_rank_stuck.judge_evidence(asked(shared)).outcome == "unknown"


def test_text_that_stands_still_and_names_nobody_is_stuck() -> None:
    """Where half of the ranks are behind, text names none of them."""
    halves = RasCommunicator(
        "0xc1", 16, status="RUNNING", errors="MISMATCH", spread={"AllReduce": {40: 8, 39: 8}}
    )
    answer = structs.replace(status(halves, halves), format="text", gpus=16)
    assert ended(no_rank_stuck.judge_evidence(asked(answer))) == ("fail", "rank_stuck")


def test_without_ras_nothing_is_decided() -> None:
    """Unless a sign shows that something is wrong."""
    found = no_rank_stuck.judge_evidence(change_looks(healthy(), unasked))
    assert ended(found) == ("unknown", None)
    assert "RAS was not seen" in found.says


def titled(*titles: str, started: str = STARTED) -> Callable[[PodLook], PodLook]:
    """The pods' processes: a server, and those titles on each pod in turn."""

    def change(look: PodLook) -> PodLook:
        second = look.pod.endswith(name_of(1))
        own = titles[len(titles) // 2 :] if second else titles[: len(titles) // 2]
        first = Process(101, "vllm", 1, ("vllm", "serve", "m"), STARTED)
        ranks = tuple(Process(200 + n, t, 101, (), started) for n, t in enumerate(own) if t)
        return structs.replace(
            unasked(look),
            processes=Processes((first, *ranks), {}, AT),
            vllm=VllmLog(lines=1),
            nccl=NcclLog(),
        )

    return change


def test_workers_that_never_got_a_rank_wait() -> None:
    """VLLM names a worker after its place once its ranks have met."""
    evidence = change_looks(healthy(), titled(*["VLLM::Worker"] * 8, *[""] * 8))
    found = no_rank_stuck.judge_evidence(evidence)
    assert ended(found) == ("fail", "rendezvous_waits")
    assert found.says.startswith("8 workers of vllm-head-0 started 10 min ago and never got a rank")


def test_ranks_wait_for_a_pod_that_does_not_run_yet_and_that_is_no_hang() -> None:
    """It pulls its image: that is GROUP001's to tell, and time mends it."""
    evidence = change_looks(healthy(), titled(*["VLLM::Worker"] * 8, *[""] * 8))
    first, second = evidence.pods
    pulls = structs.replace(second, phase="Pending", waiting="ContainerCreating")
    found = no_rank_stuck.judge_evidence(structs.replace(evidence, pods=(first, pulls)))
    assert found.outcome == "unknown"


def test_young_workers_without_a_rank_are_no_sign() -> None:
    """A meeting takes some minutes at most."""
    evidence = change_looks(healthy(), titled(*["VLLM::Worker"] * 16, started=EARLIER))
    assert no_rank_stuck.judge_evidence(evidence).outcome == "unknown"


def test_a_rank_whose_process_is_gone_is_missing() -> None:
    """Those that have a place show that it was there."""
    titles = [f"VLLM::Worker_TP{n}" for n in range(16)]
    titles[12] = ""
    found = no_rank_stuck.judge_evidence(change_looks(healthy(), titled(*titles)))
    assert ended(found) == ("fail", "rank_missing")
    assert found.says.startswith("15 of 16 rank processes run: rank 12 has ended")
    assert found.subjects == ("vllm-worker-0",)


def test_all_ranks_by_title_are_no_sign() -> None:
    """Nor a pass: a hang has all of its processes."""
    titles = [f"VLLM::Worker_TP{n}" for n in range(16)]
    found = no_rank_stuck.judge_evidence(change_looks(healthy(), titled(*titles)))
    assert found.outcome == "unknown"


def dead_engine(**log: object) -> Evidence:
    """Only the API process is left in the leader's pod, and nobody on its GPUs."""
    group = change_looks(healthy(), titled(*[""] * 16))
    group = change_looks(
        group, lambda x: structs.replace(x, vllm=structs.replace(VllmLog(lines=1), **log))
    )
    free = Gpus(tuple(GpuDevice(f"GPU-{n}", n, memory_total=80 << 30) for n in range(8)))
    nodes = tuple(structs.replace(n, gpus=free) for n in group.nodes)
    return structs.replace(group, nodes=nodes)


def test_an_api_process_without_its_engine_is_told() -> None:
    """The pod is Running and Ready all the while."""
    says = EngineFailure("engine_dead", "EngineCore encountered an issue", "log:9", seen_at=AT)
    found = no_rank_stuck.judge_evidence(dead_engine(started=True, failures=(says,)))
    assert ended(found) == ("fail", "engine_dead")
    assert found.says == (
        "vllm-head-0 is Running and Ready, but only its API process is left: no engine, no rank"
    )


def test_a_server_without_gpus_of_its_own_has_no_engine_to_lose() -> None:
    """As the API server of a data-parallel group on a CPU node."""
    evidence = dead_engine(started=True)
    pods = tuple(structs.replace(p, gpus=0) for p in evidence.pods)
    found = no_rank_stuck.judge_evidence(structs.replace(evidence, pods=pods))
    assert found.outcome == "unknown"


def test_an_engine_that_never_ran_is_not_called_dead() -> None:
    """It may wait for a placement group."""
    assert no_rank_stuck.judge_evidence(dead_engine()).outcome == "unknown"


def lines(*ranks: int, seen_at: str = STARTED) -> Evidence:
    """Ranks that set out to meet, and nothing after that."""

    def change(look: PodLook) -> PodLook:
        found = tuple(
            RankLine(
                n,
                16,
                f"log:{n}",
                pid=200 + n % 8,
                host=f"10.0.0.{2 + n // 8}",
                init_method="tcp://10.0.0.2:41000",
                seen_at=seen_at,
            )
            for n in (ranks if look.pod.endswith(name_of(0)) else ())
        )
        return structs.replace(unasked(look), vllm=VllmLog(lines=9, ranks=found), nccl=NcclLog())

    return change_looks(healthy(), change)


def test_ranks_that_set_out_long_ago_and_never_met_wait() -> None:
    """The others are named by their numbers, and by the pod that has none."""
    found = no_rank_stuck.judge_evidence(lines(*range(8)))
    assert ended(found) == ("fail", "rendezvous_waits")
    assert found.says == (
        "8 of 16 ranks set out to meet 10 min ago and have not met; nothing is seen of rank 8 to"
        " 15 (vllm-worker-0 has none); vllm-worker-0 has no connection to the rendezvous port 41000"
        " of vllm-head-0"
    )


def test_a_connection_to_the_meeting_port_is_seen() -> None:
    """Then that pod came as far as that."""
    held = Connection("10.0.0.2", 41000, "10.0.0.3", 51000)

    def change(look: PodLook) -> PodLook:
        return structs.replace(look, connections=(held,))

    found = no_rank_stuck.judge_evidence(change_looks(lines(*range(16)), change))
    assert found.says == "all 16 ranks set out to meet 10 min ago and have not met"


def test_ranks_that_set_out_lately_are_no_sign() -> None:
    """They may meet yet."""
    assert no_rank_stuck.judge_evidence(lines(*range(8), seen_at=EARLIER)).outcome == "unknown"


def test_old_releases_that_do_not_tell_places_are_no_sign() -> None:
    """They may load their weights since."""

    def old(look: PodLook) -> PodLook:
        assert isinstance(look.vllm, VllmLog)
        return structs.replace(look, vllm=structs.replace(look.vllm, version="0.7.3"))

    found = no_rank_stuck.judge_evidence(change_looks(lines(*range(8)), old))
    assert found.outcome == "unknown"


def test_ranks_that_met_and_stop_in_nccl_are_told_apart() -> None:
    """NCCL's own lines show that they came that far."""

    def nccl(look: PodLook) -> PodLook:
        return structs.replace(look, nccl=NcclLog(lines=8, versions=("2.27.3",)))

    found = no_rank_stuck.judge_evidence(change_looks(lines(*range(16)), nccl))
    assert ended(found) == ("fail", "init_stuck")
    assert found.says == "all 16 ranks began NCCL's start 10 min ago and none has completed it"


def test_ranks_that_failed_do_not_wait_in_silence() -> None:
    """NCCL004 has the line that says why."""
    failure = Failure("bootstrap-connect", True, "connect failed", "log:1", 1, "vllm-head-0")

    def nccl(look: PodLook) -> PodLook:
        return structs.replace(look, nccl=NcclLog(lines=8, failures=(failure,)))

    found = no_rank_stuck.judge_evidence(change_looks(lines(*range(16)), nccl))
    assert found.outcome == "unknown"


def test_a_collective_that_timed_out_is_a_sign() -> None:
    """PyTorch's watchdog says so after ten minutes."""
    failure = Failure("watchdog-timeout", True, "ALLREDUCE ran long", "log:1", 1, "vllm-head-0")

    def change(look: PodLook) -> PodLook:
        if not isinstance(look.nccl, NcclLog) or not look.pod.endswith(name_of(0)):
            return look
        return structs.replace(look, nccl=structs.replace(look.nccl, failures=(failure,)))

    found = no_rank_stuck.judge_evidence(change_looks(healthy(), change))
    assert ended(found) == ("fail", "rank_stuck")


@pytest.mark.parametrize(("at", "outcome"), [(AT, "fail"), ("2026-01-15T09:00:00Z", "pass")])
def test_a_step_that_timed_out_in_ray_counts_in_this_start_only(at: str, outcome: str) -> None:
    """The first request of vLLM issue 16692."""
    failure = EngineFailure("ray_channel_timeout", "RayChannelTimeoutError", "log:9", seen_at=at)

    def change(look: PodLook) -> PodLook:
        vllm = look.vllm
        assert isinstance(vllm, VllmLog)
        return structs.replace(look, vllm=structs.replace(vllm, failures=(failure,)))

    assert no_rank_stuck.judge_evidence(change_looks(healthy(), change)).outcome == outcome


def test_the_worst_is_told_first() -> None:
    """A dead rank makes others stuck, and these come to nothing without it."""
    causes = [
        verdict(one, one).cause
        for one in (
            world(lambda r: on(12, missing=True, silent=True, dead=True)(LATE(r))),
            world(lambda r: SILENT(LATE(r))),
        )
    ]
    assert causes == ["rank_dead", "rank_missing"]
    assert all(a != b for a, b in pairwise(causes))
