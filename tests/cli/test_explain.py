"""`distcheck explain` knows every word that an answer can hold."""

import json
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess
from typing import get_args

import pytest

from distcheck.agent.cli.app import main
from distcheck.agent.cli.exit import did_you_mean
from distcheck.agent.cli.explain import _marks, _meanings
from distcheck.agent.logs.nccl_grammar import FAILURES, MARK_FORMS
from distcheck.agent.logs.vllm_failures import PHRASES
from distcheck.checks.catalog import catalog
from distcheck.checks.knowledge import transports
from distcheck.checks.verdict import Outcome
from distcheck.exporters.explain_terms import Term, render_term, terms
from distcheck.exporters.typography import Ink

Run = Callable[..., CompletedProcess[bytes]]
CHECKS = {c.id: c for c in catalog()}


def words() -> Iterator[str]:
    for one in CHECKS.values():
        yield from one.page.causes
    yield from (f.id for f in FAILURES)
    yield from (m.id for m in MARK_FORMS)
    yield from (p.id for p in PHRASES)
    yield from (*get_args(transports.Verdict), *get_args(Outcome), "waiting_for_ranks")


@pytest.mark.parametrize("word", sorted(set(words())))
def test_every_word_of_an_answer_is_explained(word: str) -> None:
    for one in _meanings(word, CHECKS):
        assert one.means
        assert one.given_by
        assert one.remedy or one.kind == "a mark in NCCL's log"


def test_a_word_may_be_in_any_case_and_with_either_dash() -> None:
    assert _meanings("NO-PEERMEM", CHECKS) == _meanings("no_peermem", CHECKS)
    assert _meanings("env-nccl-ib-disable", CHECKS)[0].id == "env-NCCL_IB_DISABLE"


def test_a_cause_names_the_checks_that_give_it() -> None:
    (sockets, *_) = _meanings("no-ib-device", CHECKS)
    assert [g.split()[0] for g in sockets.given_by] == ["NCCL002"]
    assert {g.split()[0] for g in _meanings("duplicate-gpu", CHECKS)[0].given_by} >= {"NCCL004"}


def test_a_cause_with_its_own_remedy_shows_that_one() -> None:
    assert "RAY_AUTH_TOKEN" in _meanings("needs_token", CHECKS)[0].remedy
    names = {m.kind: m.remedy for m in _meanings("name_unresolved", CHECKS)}
    assert "publishNotReadyAddresses" in names["a cause of RAY001"]
    for one in CHECKS.values():
        for cause, remedy in one.page.remedies.items():
            assert "{" not in remedy
            assert remedy in {m.remedy for m in _meanings(cause, CHECKS)}


@pytest.mark.parametrize("word", ["kv_too_small", "nccl"])
def test_a_failure_of_the_engine_names_its_check_and_the_logs(word: str) -> None:
    given = _meanings(word, CHECKS)[0].given_by
    assert [g.split()[0] for g in given] == ["GROUP003", "`distcheck"]


def test_one_meaning_is_told_once_and_several_are_all_told() -> None:
    known = terms(CHECKS.values(), _marks())
    for every in known.values():
        assert len({one.means for one in every}) == len(every)
    assert len(known["no_peermem"]) > 1


def test_a_page_has_the_meaning_who_gives_it_and_what_to_do() -> None:
    page = render_term((Term("a-word", "a kind", "it is so", "Do that."),), 60, Ink())
    assert page.split("\n\n") == [
        "a-word  a kind",
        "Means\n  It is so.",
        "Given by\n  `distcheck logs`",
        "What to do\n  Do that.\n",
    ]


def test_words_from_the_command_line(distcheck: Run) -> None:
    assert b"host memory" in distcheck("explain", "rdma-no-gdr").stdout
    assert distcheck("explain", "nccl002").stdout.startswith(b"NCCL002")
    wrong = distcheck("explain", "engine_innit")
    assert wrong.returncode == 2
    assert b"did you mean engine_init?" in wrong.stderr


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("CONF999", ""),
        ("CNF098", " (did you mean CONF098?)"),
        ("CONF98", " (did you mean CONF098?)"),
    ],
)
def test_another_number_is_another_rule_not_a_misspelt_one(word: str, near: str) -> None:
    assert did_you_mean(word, ["CONF097", "CONF098"]) == near


def test_several_ids_are_explained_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "conf060", "SHARD001", "wrong_degree"]) == 0
    out = capsys.readouterr().out
    at = [out.index(t) for t in ("CONF060  Pods", "SHARD001  Every GPU", "wrong_degree  a cause")]
    assert at == sorted(at)
    assert main(["explain", "CONF060", "CONF0O6"]) == 2
    out, err = capsys.readouterr()
    assert (out, "CONF0O6" in err) == ("", True)


@pytest.mark.parametrize("more", [(), ("--rules",)])
def test_a_list_is_json_by_either_option(
    capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    told = []
    for words in (("--json",), ("-o", "json"), ("--output=text",)):
        assert main(["list", *more, *words]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] != told[2]
    assert json.loads(told[0])[0]["id"]
    assert main(["list", "-o", "yaml"]) == 2
