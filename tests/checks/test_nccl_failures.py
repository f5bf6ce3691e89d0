"""NCCL004: no NCCL failure, and which one was first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.checks.test_nccl import group, judge, quiet, read, with_log
from tests.evidence_builder import healthy
from tests.logs.nccl_lines import HOSTS, job

from distcheck.agent.logs.nccl_grammar import FAILURES as FORMS
from distcheck.agent.logs.nccl_grammar import WRAPPED
from distcheck.checks.evidence import Evidence, Missing, NcclLog
from distcheck.checks.evidence.nccl import Failure, Mark
from distcheck.checks.facts.nccl_failures import Failures
from distcheck.checks.facts.nccl_present import present
from distcheck.checks.findings import by_cause
from distcheck.checks.judging import judge as judge_all
from distcheck.checks.knowledge.nccl_failures import first_failure
from distcheck.checks.knowledge.nccl_remedies import FAILURES
from distcheck.checks.nccl.no_failure import no_failure
from distcheck.checks.nccl.ranks_initialised import ranks_initialised
from distcheck.checks.verdict import Verdict

EARLY, LATE = "2026-01-15T09:25:01.5Z", "2026-01-15T09:25:02Z"
CLOSED = "socketProgress: Connection closed by remote peer vllm-head-0<51000>"
CUDA = "Cuda failure 2 'out of memory'"


def warn(host: str, words: str, pid: int = 200) -> str:
    return f"{host}:{pid}:{pid + 500} [0] misc/socket.cc:5 NCCL WARN {words}"


def failure(name: str, host: str, line: int = 9, **more: object) -> Failure:
    made = Failure(id=name, fatal=True, says=name, source=f"{host}:{line}", line=line, host=host)
    return replace(made, **more)


def failing(*failures: Failure) -> Evidence:
    """A group whose pods' logs hold these failures, each in the log of its host."""

    def own(pod: str) -> NcclLog:
        whole = read([x for x in job() if x.startswith(f"{pod}:")], pod)
        return replace(whole, failures=tuple(f for f in failures if f.host == pod))

    return with_log(lambda look: own(look.pod.partition("/")[2]))


def told(*failures: Failure) -> Verdict:
    return no_failure.judge_evidence(failing(*failures))


def test_logs_without_a_failure_pass_and_cite_every_pod() -> None:
    verdict = judge(no_failure, job())
    assert verdict.outcome == "pass"
    assert [c.source.partition(":")[0] for c in verdict.cites] == list(HOSTS)


def test_a_failure_is_told_with_its_words_its_line_and_its_own_remedy() -> None:
    verdict = judge(no_failure, [*quiet(job(complete=[])), warn(HOSTS[1], CUDA)])
    assert (verdict.outcome, verdict.cause) == ("fail", "cuda")
    assert verdict.subjects == (HOSTS[1],)
    assert "out of memory" in verdict.says
    assert verdict.cites[0].source == "vllm-worker-0:49"
    assert "the GPU's memory is full" in verdict.says
    assert "--gpu-memory-utilization" in (verdict.remedy or "")


def test_a_failure_whose_words_add_nothing_has_the_remedy_of_its_kind() -> None:
    verdict = judge(no_failure, [*job(), warn(HOSTS[1], "No transport found for rank 1 -> 0")])
    assert verdict.cause == "no-transport"
    assert verdict.remedy == FAILURES["no-transport"].remedy


def test_what_follows_is_never_first_though_it_is_earlier_and_in_another_pod() -> None:
    closed = failure("peer-closed", HOSTS[0], 1, stamp=EARLY, symptom=True)
    verdict = told(closed, failure("cuda", HOSTS[1], 900, stamp=LATE))
    assert verdict.cause == "cuda"
    assert "also peer-closed" in verdict.says


def test_of_two_causes_the_earlier_by_time_is_first_whatever_its_line() -> None:
    late = failure("ib-completion", HOSTS[0], 3, stamp=LATE)
    verdict = told(late, failure("cuda", HOSTS[1], 900, stamp=EARLY))
    assert verdict.cause == "cuda"
    assert "no time tells" not in verdict.says


def test_a_fraction_of_a_second_is_time_too() -> None:
    whole, later = "2026-01-15T09:25:01Z", "2026-01-15T09:25:01.000001+00:00"
    two = failure("cuda", "a", stamp=later), failure("ib-mr", "b", stamp=whole)
    first = first_failure(two)
    assert first is not None
    assert first.id == "ib-mr"


def test_without_times_two_causes_are_both_named() -> None:
    verdict = told(failure("cuda", HOSTS[0]), failure("ib-completion", HOSTS[1]))
    assert "no time tells whether" in verdict.says
    assert "ib-completion on vllm-worker-0" in verdict.says
    assert len(verdict.cites) == 2


@pytest.mark.parametrize("caller", ["nccl-remote-error", "watchdog-timeout", "nccl-system-error"])
def test_the_words_of_a_caller_give_way_to_nccls_own_in_another_pod(caller: str) -> None:
    said = failure(caller, HOSTS[0], 1, stamp=EARLY)
    assert told(said, failure("shm-no-space", HOSTS[1], stamp=LATE)).cause == "shm-no-space"


def test_a_symptom_alone_fails_and_says_that_its_cause_is_not_seen() -> None:
    verdict = judge(no_failure, [*job(), warn(HOSTS[1], CLOSED)])
    assert (verdict.outcome, verdict.cause) == ("fail", "peer-closed")
    assert "which follows from a failure that no log shows" in verdict.says


def test_the_pod_that_owns_the_address_is_named_for_net001() -> None:
    ip = healthy().pods[0].ip
    words = f"socketPollConnect: connect to {ip}<41713> returned Connection timed out"
    verdict = judge(no_failure, [*quiet(job(complete=[])), warn(HOSTS[1], words)])
    assert (verdict.outcome, verdict.cause) == ("fail", "bootstrap-connect")
    assert f"{ip} port 41713 is vllm-head-0" in verdict.says
    assert "NET001" in verdict.says
    assert verdict.subjects == (HOSTS[1], HOSTS[0])


def test_an_address_of_nobody_is_said_to_be_one() -> None:
    words = "connect to 172.17.0.1<41713> returned No route to host"
    verdict = judge(no_failure, [*quiet(job(complete=[])), warn(HOSTS[1], words)])
    assert "172.17.0.1 is no address of the group's pods" in verdict.says
    assert verdict.subjects == (HOSTS[1],)


@pytest.mark.parametrize("peer", ["fe80::1%eth0<41713>", "[fd00::2]<41713>"])
def test_an_ipv6_address_is_read(peer: str) -> None:
    evidence = failing(failure("bootstrap-connect", HOSTS[1], peer=peer))
    fact = Failures.fold(evidence)
    assert isinstance(fact, Failures)
    named = fact.peer(fact.failures[0])
    assert named is not None
    assert named[:2] == (peer.strip("[").partition("%")[0].partition("]")[0], "41713")


@given(st.text(max_size=60))
def test_any_peer_is_read_or_left(peer: str) -> None:
    fact = Failures(failures=(), past=(), speakers=(), info=True, owners={})
    named = fact.peer(failure("bootstrap-connect", "a", peer=peer))
    assert named is None or named[1].isdigit()


def test_a_failure_from_before_the_process_started_again_is_past() -> None:
    lines = [x for x in job() if x.startswith(HOSTS[0])]
    worker = [x for x in job() if x.startswith(HOSTS[1])]
    failed = [*worker[:9], warn(HOSTS[1], CUDA), warn(HOSTS[1], "x")]
    verdict = judge(no_failure, [*lines, *failed, *worker])
    assert verdict.outcome == "pass"
    assert "1 from before a start" in verdict.says


def test_a_failure_from_before_the_container_started_is_past() -> None:
    old = failure("cuda", HOSTS[1], stamp="2026-01-15T09:19:59Z")
    assert told(old).outcome == "pass"
    assert present(failing(old), [old]) == ()
    assert told(replace(old, stamp="2026-01-15T09:20:01Z")).outcome == "fail"


def test_silence_of_a_pod_is_unknown() -> None:
    verdict = judge(no_failure, [x for x in job() if x.startswith(HOSTS[0])])
    assert verdict.outcome == "unknown"
    assert "no NCCL lines of vllm-worker-0" in verdict.says


def test_warnings_alone_show_that_nothing_failed_where_every_pod_speaks() -> None:
    lines = [warn(h, "NET/IB : Got non-fatal async event") for h in HOSTS for _ in range(2)]
    verdict = judge(no_failure, lines)
    assert verdict.outcome == "pass"
    assert "warnings only" in verdict.says


def test_the_ranks_of_a_silent_worker_may_be_in_the_drivers_log() -> None:
    whole = read(job(), "head")
    seen = with_log(lambda look: whole if "head" in look.pod else NcclLog())
    assert no_failure.judge_evidence(seen).outcome == "pass"


def test_a_log_that_lost_its_first_lines_may_have_lost_a_failure() -> None:
    late = [x for x in job() if "Bootstrap" not in x and " START" not in x]
    verdict = judge(no_failure, late)
    assert verdict.outcome == "unknown"
    assert "the first NCCL lines of vllm-head-0" in verdict.says


def test_a_log_that_nobody_read_is_unknown() -> None:
    gone = with_log(lambda look: Missing(f"no agent for {look.pod}"))
    assert no_failure.judge_evidence(gone).outcome == "unknown"


def test_one_unread_pod_is_unknown_and_its_reason_is_told() -> None:
    head = read([x for x in job() if x.startswith(HOSTS[0])], "head")
    half = with_log(lambda look: head if "head" in look.pod else Missing("no agent on gpu-1"))
    verdict = no_failure.judge_evidence(half)
    assert verdict.outcome == "unknown"
    assert "no agent on gpu-1" in verdict.says


def test_one_failure_in_two_logs_is_one() -> None:
    whole = read([*quiet(job(complete=[])), warn(HOSTS[1], CUDA)], "head")
    verdict = no_failure.judge_evidence(with_log(lambda _: whole))
    assert verdict.outcome == "fail"
    assert "the same" not in verdict.says
    assert "also" not in verdict.says


def test_the_same_failure_of_other_ranks_is_counted_and_not_repeated() -> None:
    lines = [*quiet(job(complete=[])), *(warn(HOSTS[1], CUDA, 200 + d) for d in range(8))]
    verdict = judge(no_failure, lines)
    assert "the same in 7 more processes" in verdict.says
    assert verdict.says.count("out of memory") == 1


def test_the_ranks_that_did_not_initialise_point_at_the_failure() -> None:
    lines = [*quiet(job(complete=range(8))), warn(HOSTS[1], CUDA)]
    verdict = judge(ranks_initialised, lines)
    assert (verdict.outcome, verdict.cause) == ("fail", "cuda")
    assert "8 of 16 ranks that are seen did not initialise" in verdict.says
    assert "the GPU's memory is full (NCCL004 has its line)" in verdict.says


def test_a_failure_after_every_rank_was_complete_is_not_one_of_initialising() -> None:
    lines = [*job(), warn(HOSTS[1], CUDA)]
    verdict = judge(ranks_initialised, lines)
    assert verdict.outcome == "unknown"
    assert "completed their communicators" in verdict.says
    assert judge(no_failure, lines).outcome == "fail"


def test_a_failure_id_that_the_table_lacks_still_fails() -> None:
    verdict = told(failure("brand-new", HOSTS[0]))
    assert (verdict.outcome, verdict.cause) == ("fail", "nccl-failure")


@pytest.mark.parametrize("check", [no_failure, ranks_initialised], ids=lambda c: c.id)
def test_every_failure_of_the_grammar_has_a_cause_and_a_remedy(check: object) -> None:
    fatal = {f.id for f in FORMS if f.weight != "noise"} | {name for name, _ in WRAPPED}
    assert fatal <= set(FAILURES)
    assert set(FAILURES) <= set(no_failure.page.causes)
    assert no_failure.page.causes == ranks_initialised.page.causes


def test_failures_of_a_group_with_one_node_are_judged_too() -> None:
    lines = job(hosts=HOSTS[:1])
    assert no_failure.judge_evidence(group(lines, nodes=1)).outcome == "pass"


LOOPBACK = "INFO Bootstrap: Using lo:127.0.0.1<0>"
PORT_DOWN = "NET/IB : mlx5_0:1 Got async event : port error"
RETRIES = "NET/IB : Got completion from peer 10.0.0.2<41000> with status=12 opcode=0 len=0"
REFUSED = "Connect to 127.0.0.1<41000> failed : Connection refused"


def test_an_interface_that_no_other_pod_reaches_is_told_beside_the_connection() -> None:
    using = f"{HOSTS[0]}:201:701 [1] NCCL {LOOPBACK}"
    verdict = judge(no_failure, [*quiet(job(complete=[])), using, warn(HOSTS[1], REFUSED)])
    assert (verdict.outcome, verdict.cause) == ("fail", "bootstrap-connect")
    assert "NCCL's bootstrap uses the loopback on vllm-head-0" in verdict.says
    assert any("lo:127.0.0.1" in c.what for c in verdict.cites)
    assert "NCCL_SOCKET_IFNAME" in (verdict.remedy or "")


def test_the_loopback_of_a_pod_alone_explains_nothing() -> None:
    lines = [*quiet(job(hosts=HOSTS[:1], complete=[])), warn(HOSTS[0], REFUSED)]
    lines.append(f"{HOSTS[0]}:201:701 [1] NCCL {LOOPBACK}")
    verdict = no_failure.judge_evidence(group(lines, nodes=1))
    assert verdict.outcome == "fail"
    assert "loopback" not in verdict.says


def test_a_link_that_went_down_is_told_beside_the_transfer_that_failed() -> None:
    down = warn(HOSTS[0], PORT_DOWN, 201)
    verdict = judge(no_failure, [*job(), down, warn(HOSTS[1], RETRIES)])
    assert (verdict.outcome, verdict.cause) == ("fail", "ib-completion")
    assert "the link of an RDMA port went down on vllm-head-0" in verdict.says
    assert any("port error" in c.what for c in verdict.cites)
    assert "cable" in (verdict.remedy or "")


def test_the_failures_own_line_is_told_before_what_came_of_it() -> None:
    evidence = group([*quiet(job(complete=[])), warn(HOSTS[1], CUDA)])
    report = judge_all(evidence, (ranks_initialised, no_failure)).report
    assert report.verdict == "fail"
    assert report.summary.startswith("NCCL004: ")
    assert [f.id for f in by_cause(report.checks)] == ["NCCL004", "NCCL001"]


def test_files_of_earlier_jobs_that_were_left_out_are_named_by_a_pass() -> None:
    note = Mark("ray-earlier-jobs", "2 log files left out", HOSTS[0], "vllm-head-0:/logs")
    whole = read(job(), "head")
    seen = replace(whole, marks=(*whole.marks, note))
    verdict = no_failure.judge_evidence(with_log(lambda _: seen))
    assert verdict.outcome == "pass"
    assert verdict.cites[-1].what == "vllm-head-0: 2 log files left out"
