"""One round verifies every group; what goes wrong with one is unknown, and its own."""

import time
from pathlib import Path

import pytest
from tests.cluster.manifests.build import member, statefulset, two_nodes
from tests.cluster.manifests.world import cluster
from tests.evidence_builder import healthy

from distcheck.agent.cluster.errors import Unreachable
from distcheck.agent.cluster.finding.group import Group
from distcheck.agent.serve.rounds import Duty, Rounds
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Evidence
from distcheck.checks.judging import Judged, judge
from distcheck.lab.apiserver import Fault

NOW = 0.0
SERVE = "exec vllm serve /models/qwen -tp 8"
TWO_GROUPS = [
    *two_nodes(),
    statefulset("qwen"),
    member("qwen-0", "gpu-c", "10.0.0.4", SERVE),
]


def judged(evidence: Evidence) -> Judged:
    return judge(evidence, catalog())


def gather(group: Group) -> Evidence:
    """The healthy group's evidence; a group called qwen cannot be gathered."""
    if group.pods[0].name.startswith("qwen"):
        raise Unreachable("the API server went away")
    return healthy()


def test_a_group_that_cannot_be_seen_is_unknown_and_the_others_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cluster(tmp_path, TWO_GROUPS) as (api, _, _):
        rounds = Rounds(api, Duty(), gather, judged)
        rounds.once()
    kept = rounds.verdicts.all(NOW)
    assert {key: one.report.verdict for key, one in kept.items()} == {
        ("llm", "qwen-0"): "unknown",
        ("llm", "vllm-head"): "pass",
    }
    assert "the API server went away" in kept["llm", "qwen-0"].report.notes
    assert kept["llm", "qwen-0"].succeeded_at is None
    assert kept["llm", "vllm-head"].succeeded_at is not None
    said = capsys.readouterr().err
    assert "llm/qwen-0: UNKNOWN: " in said
    assert "llm/vllm-head: PASS: " in said


def test_groups_count_as_listed_while_the_first_round_goes_on(tmp_path: Path) -> None:
    seen: list[bool | None] = []

    def gathered(_: Group) -> Evidence:
        seen.append(rounds.verdicts.listed)
        return healthy()

    with cluster(tmp_path, two_nodes()) as (api, _, _):
        rounds = Rounds(api, Duty(), gathered, judged)
        assert rounds.verdicts.listed is None
        rounds.once()
    assert seen == [True]
    rounds.once()
    assert rounds.verdicts.listed is False


def test_a_round_without_threads_is_told_and_the_next_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with cluster(tmp_path, two_nodes()) as (api, _, _):
        rounds = Rounds(api, Duty(), gather, judged)
        with monkeypatch.context() as none_left:
            none_left.setattr("distcheck.agent.serve.rounds.ThreadPoolExecutor.submit", refuse)
            rounds.once()
        assert "can't start new thread" in rounds.verdicts.trouble
        assert (rounds.verdicts.listed, rounds.verdicts.rounds) == (True, 0)
        rounds.once()
    assert (rounds.verdicts.trouble, rounds.verdicts.rounds) == ("", 1)


def test_our_own_bug_is_unknown_too_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(group: Group) -> Evidence:
        raise ZeroDivisionError(group.target.name)

    with cluster(tmp_path, two_nodes()) as (api, _, _):
        rounds = Rounds(api, Duty(), broken, judged)
        rounds.once()
    report = rounds.verdicts.all(NOW)["llm", "vllm-head"].report
    assert report.verdict == "unknown"
    assert any("ZeroDivisionError" in note for note in report.notes)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_group_that_goes_away_is_forgotten_in_the_next_round(tmp_path: Path) -> None:
    with cluster(tmp_path, TWO_GROUPS) as (api, server, _):
        rounds = Rounds(api, Duty(), gather, judged)
        rounds.once()
        server.objects = two_nodes()
        rounds.once()
    assert list(rounds.verdicts.all(NOW)) == [("llm", "vllm-head")]


def test_groups_are_kept_while_pods_cannot_be_listed(tmp_path: Path) -> None:
    with cluster(tmp_path, two_nodes(), timeout=0.5) as (api, server, _):
        rounds = Rounds(api, Duty(), gather, judged)
        rounds.once()
        server.faults = (Fault(status=403),)
        rounds.once()
    assert "serving groups cannot be listed" in rounds.verdicts.trouble
    assert rounds.verdicts.all(NOW)["llm", "vllm-head"].report.verdict == "pass"


def test_rounds_that_hang_are_not_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster(tmp_path, two_nodes()) as (api, _, _):
        rounds = Rounds(api, Duty(interval=3600), gather, judged)
        rounds.start()
        before = rounds.alive
        monkeypatch.setattr(rounds, "_moved", -1e6)
        while not rounds.verdicts.rounds:
            time.sleep(0.01)
        monkeypatch.setattr(rounds, "_moved", time.monotonic() - 4 * 3600)
        after = rounds.alive
        rounds.over.set()
    assert (before, after) == (True, False)
