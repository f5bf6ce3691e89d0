"""What the gate has not seen, or is not sure of, does not pass."""

import threading
import time

import pytest
from msgspec.structs import replace
from tests.evidence_builder import healthy
from tests.serve.gate_world import CHECKS, SEEN, Cluster, blind, replicas

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import Unreachable
from distcheck.agent.cluster.finding.group import Group, find_group
from distcheck.agent.serve.gate import Answer, Terms
from distcheck.checks.evidence import Evidence, Trouble
from distcheck.checks.judging import judge
from distcheck.lab.apiserver import Fault


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """TARGETs whose group discovery cannot find out."""
    away: set[str] = set()

    def found(api: Api, namespace: str, target: str) -> Group:
        if target in away:
            raise Unreachable("timed out")
        return find_group(api, namespace, target)

    monkeypatch.setattr("distcheck.agent.serve.discover.find_group", found)
    return away


def test_a_replica_that_discovery_could_not_read_does_not_pass(
    here: Cluster, unread: set[str]
) -> None:
    replicas(here.server, 2)
    unread.add("pod/qwen-1")
    here.round()
    said = here.workload("qwen", inconclusive="pass")
    assert (said.passed, said.result, said.known) == (False, "unknown", True)
    assert said.says == "1 of 2 groups pass; qwen-1: it could not be looked at: timed out"
    assert here.workload("qwen-0").passed
    unread.clear()
    here.round()
    assert here.workload("qwen").passed


def test_a_failed_group_is_not_forgotten_because_one_round_could_not_read_it(
    here: Cluster, unread: set[str]
) -> None:
    refused = Trouble("vllm-worker-0", "model_refused", "no", "status of vllm-worker-0")

    def gather(group: Group) -> Evidence:
        failed = group.pods[0].name == "qwen-1"
        return replace(healthy(), troubles=(refused,)) if failed else healthy()

    here.rounds._gather = gather
    replicas(here.server, 2)
    here.round()
    unread.add("pod/qwen-1")
    here.round()
    said = here.workload("qwen")
    assert (said.passed, said.result) == (False, "fail")
    kept = here.rounds.verdicts.all(0.0)
    assert kept["llm", "qwen-1"].report.verdict == "fail"
    here.server.objects = [o for o in here.server.objects if o["metadata"]["name"] != "qwen-1"]
    here.round()
    assert ("llm", "qwen-1") not in here.rounds.verdicts.all(0.0)


def test_a_replica_whose_command_names_no_engine_does_not_pass(here: Cluster) -> None:
    replicas(here.server, 2, "sleep infinity")
    here.round()
    said = here.workload("qwen")
    assert (said.passed, "no engine" in said.says) == (False, True)
    assert not here.workload("qwen-1").known


def test_a_replica_that_was_never_made_is_missed(here: Cluster) -> None:
    replicas(here.server, 2)
    here.server.objects = here.server.objects[:-1]
    here.round()
    said = here.workload("qwen", inconclusive="pass")
    assert (said.passed, said.says) == (False, "a rollout of sts/qwen runs: 1 of 2 pods are there")


def test_a_replica_that_was_found_and_not_verified_yet_does_not_pass(here: Cluster) -> None:
    replicas(here.server, 2)
    here.round()
    del here.rounds.verdicts._kept["llm", "qwen-1"]
    assert "qwen-1: it was found, and not verified yet" in here.workload("qwen").says


@pytest.mark.parametrize("error", [Unreachable("API server away"), KeyError("bug")])
def test_inconclusive_is_no_pass_for_a_group_that_nobody_saw(
    here: Cluster, error: Exception
) -> None:
    def gather(group: Group) -> Evidence:
        raise error

    here.rounds._gather = gather
    here.round()
    said = here.ask(inconclusive="pass")
    assert (said.passed, said.result) == (False, "unknown")


def test_inconclusive_is_no_pass_for_a_group_that_still_starts(here: Cluster) -> None:
    SEEN[0] = blind()
    here.round()
    assert here.ask(inconclusive="pass").result == "pass"
    head, worker = SEEN[0].pods
    SEEN[0] = replace(SEEN[0], pods=(replace(head, ready=False), worker))
    here.round()
    assert here.ask(inconclusive="pass").result == "unknown"


def test_a_check_that_crashed_does_not_pass_and_hides_no_failure(
    here: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = "Traceback\nKeyError: 'https://bob:S3cr3tPassw0rd@host'"
    here.rounds._judge = lambda evidence: replace(judge(evidence, CHECKS), bugs=(trace,))
    here.round()
    told = capsys.readouterr().err
    assert "KeyError" in told
    assert "S3cr3tPassw0rd" not in told
    said = here.ask(inconclusive="pass")
    assert (said.passed, said.result) == (False, "unknown")
    assert "a check of distcheck itself crashed" in said.says
    refused = Trouble("vllm-worker-0", "model_refused", "no", "status of vllm-worker-0")
    SEEN[0] = replace(healthy(), troubles=(refused,))
    here.round()
    assert here.ask().result == "fail"


def test_ages_do_not_hang_on_a_clock_that_somebody_sets(
    here: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    here.round()
    kept = here.rounds.verdicts.all(time.monotonic())["llm", "vllm-head"]
    assert abs(time.monotonic() - kept.judged_at) < 60
    assert (kept.succeeded_at, kept.report.verdict) == (0.0, "pass")


def test_a_workload_that_cannot_be_read_may_be_in_a_rollout(here: Cluster) -> None:
    here.round()
    here.server.faults = (Fault(path="/apis/apps/v1/namespaces/llm/statefulsets", status=403),)
    said = here.ask()
    assert (said.passed, "whether a rollout runs is not known" in said.says) == (False, True)


def test_replicas_cost_no_questions_of_their_own(here: Cluster) -> None:
    replicas(here.server, 3)
    here.round()
    few = _calls(here, "qwen-0")
    assert _calls(here, "qwen") == few < 5


def _calls(here: Cluster, name: str) -> int:
    before = here.rounds.api.calls
    assert here.workload(name).passed
    return here.rounds.api.calls - before


def test_a_slow_api_server_is_asked_once_for_all_who_ask_at_once(here: Cluster) -> None:
    replicas(here.server, 4)
    here.round()
    here.server.faults = (Fault(latency=0.1),)
    here.gate.running.forget()
    before = here.rounds.api.calls
    said = _side_by_side(here, [f"qwen-{n}" for n in range(4)])
    assert [one.passed for one in said] == [True] * 4
    assert here.rounds.api.calls - before < 5


def test_who_waits_longer_than_an_answer_may_take_is_told_so(
    here: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distcheck.agent.serve.running.ANSWER_S", 0.05)
    here.round()
    here.server.faults = (Fault(latency=0.3),)
    for said in _side_by_side(here, ["vllm-head", "vllm-head-0"]):
        assert (said.passed, said.result) == (False, "unknown")


def _side_by_side(here: Cluster, names: list[str]) -> list[Answer]:
    said: list[Answer] = []
    ask = [
        threading.Thread(target=lambda n=n: said.append(here.gate.ask("llm", n, Terms())))
        for n in names
    ]
    for one in ask:
        one.start()
    for one in ask:
        one.join()
    return said
