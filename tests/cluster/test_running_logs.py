"""Lines of processes that have ended are no evidence of the world that runs; failures stay."""

from distcheck.agent.cluster.without_agents.running_logs import of_now
from distcheck.agent.logs.distil import Distilled, Distiller

COMPLETE = b"busId 1b000 commId 0xfd - Init COMPLETE"
LINES = b"""\
head:71:71 [0] NCCL INFO NCCL version 2.27.3+cuda12.9
head:71:99 [0] NCCL INFO Using network IB
head:71:99 [0] NCCL INFO ncclCommInitRank comm 0x1 rank 0 nranks 2 cudaDev 0 %b
head:71:99 [0] misc/socket.cc:58 NCCL WARN socketProgress: Connection closed by remote peer
head:72:98 [1] NCCL INFO Using network IB
head:72:98 [1] NCCL INFO ncclCommInitRank comm 0x2 rank 1 nranks 2 cudaDev 1 %b
""" % (COMPLETE, COMPLETE)
SESSION = "/tmp/ray/session_latest/logs"


def log() -> Distilled:
    distiller = Distiller("x")
    distiller.feed(LINES)
    return distiller.finish()


def test_the_file_of_a_worker_that_runs_is_whole() -> None:
    whole = log()
    assert {p.pid for p in whole.nccl.processes} == {71, 72}
    assert of_now(whole, f"{SESSION}/worker-ab-01000000-71.out", {71, 72}) == (whole, False)


def test_of_a_worker_that_has_ended_only_failures_stay() -> None:
    kept, cut = of_now(log(), f"{SESSION}/worker-ab-01000000-71.out", {72})
    assert cut
    assert (kept.nccl.processes, kept.nccl.communicators, kept.nccl.channels) == ((), (), ())
    assert kept.nccl.failures == log().nccl.failures != ()
    assert kept.nccl.lines == log().nccl.lines


def test_in_a_file_of_several_processes_those_that_run_stay() -> None:
    kept, cut = of_now(log(), "/tmp/nccl.log", {72})
    assert cut
    assert {p.pid for p in kept.nccl.processes} == {72}
