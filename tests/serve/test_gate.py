"""The gate passes on a fresh verdict of the pods that are there now, and on nothing else."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from tests.cluster.manifests.build import member, statefulset
from tests.evidence_builder import healthy
from tests.serve.gate_world import SEEN, Cluster, blind

from distcheck.agent.serve.gate import Terms
from distcheck.agent.serve.web import Web
from distcheck.lab.apiserver import Fault


def test_a_fresh_verdict_of_the_pods_that_are_there_passes(here: Cluster) -> None:
    here.round()
    said = here.ask()
    assert (said.passed, said.verdict, said.known) == (True, "pass", True)
    assert said.pods == ("vllm-head-0", "vllm-worker-0")
    assert said.age_seconds == 0.0


def test_nothing_passes_before_the_first_round(here: Cluster) -> None:
    said = here.ask()
    assert (said.passed, said.verdict) == (False, "unknown")
    assert "no round has ended yet" in said.says


def test_a_group_of_another_name_says_which_are_known(here: Cluster) -> None:
    here.round()
    said = here.gate.ask("llm", "vllm-haed", Terms())
    assert (said.passed, said.known) == (False, False)
    assert said.says == "no serving group llm/vllm-haed; known: llm/vllm-head"


def test_a_verdict_older_than_the_caller_allows_does_not_pass_and_is_renewed(
    here: Cluster,
) -> None:
    here.round()
    here.now += 45
    assert here.ask(max_age=60.0).passed
    said = here.ask(max_age=30.0)
    assert (said.passed, said.verdict) == (False, "unknown")
    assert said.says == "last verified 45 s ago, more than 30 s"
    assert here.rounds._early.is_set()
    here.now += 3 * 60
    assert not here.ask().passed


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("vllm-worker-0", {"uid": "another"}, "its pods have been replaced or started again"),
        ("vllm-head-0", {"name": "vllm-head-1"}, "its pods have been replaced since"),
        ("vllm-worker", {"generation": 2, "status": {"observedGeneration": 1}},
         "a rollout of sts/vllm-worker runs: its controller has not acted"),
    ],
)  # fmt: skip
def test_a_verdict_on_pods_of_before_a_rollout_does_not_pass(
    here: Cluster, name: str, change: dict[str, Any], says: str
) -> None:
    here.round()
    here.change(name, **change)
    said = here.ask(inconclusive="pass")
    assert (said.passed, said.verdict) == (False, "unknown")
    assert said.says.startswith(says)


def test_the_new_pods_pass_once_they_were_verified(here: Cluster) -> None:
    here.round()
    here.change("vllm-worker-0", uid="another")
    assert not here.ask().passed
    here.round()
    assert here.ask().passed


def test_an_api_server_that_does_not_answer_leaves_nothing_to_pass(here: Cluster) -> None:
    here.round()
    here.server.faults = (Fault(status=403),)
    said = here.ask()
    assert not said.passed
    assert said.says.startswith("whether its pods are still those that were verified is not known")


def test_unknown_is_no_pass_unless_the_caller_says_so(here: Cluster) -> None:
    SEEN[0] = blind()
    here.round()
    said = here.ask()
    assert (said.passed, said.verdict) == (False, "unknown")
    assert "SHM001" in said.says
    assert here.ask(inconclusive="pass").passed


def test_a_warning_passes_unless_strict_and_one_of_a_start_does_not(here: Cluster) -> None:
    head, worker = healthy().pods
    again = replace(worker, restarts=1, started_at=healthy().observed_at)
    SEEN[0] = replace(healthy(), pods=(head, again))
    here.round()
    assert (here.ask().passed, here.ask(strict=True).passed) == (True, False)
    SEEN[0] = replace(healthy(), pods=(replace(head, ready=False), worker))
    here.round()
    assert here.ask().verdict == "unknown"
    assert "is not ready yet" in here.ask().says


def test_a_failure_is_told_as_one_unless_time_may_mend_it(here: Cluster) -> None:
    from distcheck.checks.evidence import Trouble  # noqa: PLC0415

    for cause, verdict in (("model_refused", "fail"), ("pod_unschedulable", "unknown")):
        trouble = Trouble("vllm-worker-0", cause, "no", "status of vllm-worker-0")
        SEEN[0] = replace(healthy(), troubles=(trouble,))
        here.round()
        assert (here.ask().passed, here.ask().verdict) == (False, verdict)


def test_a_question_to_the_cluster_serves_all_who_ask_in_the_same_moment(here: Cluster) -> None:
    here.round()
    here.gate.ask("llm", "vllm-head", Terms())
    calls = here.rounds.api.calls
    here.gate.ask("llm", "vllm-worker-0", Terms())
    assert here.rounds.api.calls == calls


def test_a_workload_of_several_groups_passes_when_all_of_them_do(here: Cluster) -> None:
    whole = "exec vllm serve /models/qwen -tp 8"
    here.server.objects = [
        *here.server.objects,
        statefulset("qwen", 2),
        member("qwen-0", "gpu-c", "10.0.0.4", whole),
        member("qwen-1", "gpu-d", "10.0.0.5", whole),
    ]
    here.round()
    assert here.gate.ask("llm", "qwen", Terms()).passed
    assert here.gate.ask("llm", "qwen-1", Terms()).pods == ("qwen-1",)
    here.change("qwen-1", uid="another")
    here.gate.running.forget()
    said = here.gate.ask("llm", "qwen", Terms())
    assert (said.passed, said.verdict, said.pods) == (False, "unknown", ("qwen-0", "qwen-1"))
    assert said.says.startswith("1 of 2 groups pass; qwen-1: its pods have been replaced")


@pytest.fixture
def url(here: Cluster) -> Iterator[str]:
    here.round()
    with Web(("127.0.0.1", 0), here.rounds) as web:
        here.gate = web.gate
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def post(url: str, body: bytes, path: str = "/v1/gate") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, body), timeout=60) as done:
            return done.status, done.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def hook(metadata: dict[str, Any] | None = None, **more: Any) -> bytes:
    """As Flagger sends it."""
    asked = {"name": "vllm-head", "namespace": "llm", "phase": "Progressing", "checksum": "1f2"}
    return json.dumps(asked | {"metadata": metadata or {}} | more).encode()


def test_flagger_goes_on_at_200_and_reads_one_line(url: str, here: Cluster) -> None:
    code, said = post(url, hook())
    assert code == 200
    assert said.startswith("pass: ")
    here.change("vllm-worker-0", uid="another")
    here.gate.running.forget()
    code, said = post(url, hook({"workload": "vllm-head", "strict": "true", "max_age": "5m"}))
    assert (code, said.count("\n")) == (409, 1)
    assert said.startswith("unknown: its pods have been replaced")
    assert post(url, hook(name="nobody"))[0] == 404


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"{", 400, "truncated"),
        (b"[]", 400, "got `array`"),
        (b'{"name": "x"}', 400, "required field `namespace`"),
        (b'{"name": 1, "namespace": "x"}', 400, "$.name"),
        (b"\xff", 400, "no webhook"),
        (hook({"max-age": "60s"}), 400, "'max-age' is not one of strict, inconclusive, max_age"),
        (hook({"max_age": "60"}), 400, "metadata: max_age: '60' is not a duration"),
        (hook({"strict": "yes"}), 400, "is not true or false"),
        (hook({"inconclusive": "warn"}), 400, "is not fail or pass"),
        (hook({"workload": ""}), 400, "must not be empty"),
        (b" " * 65537, 413, "65536"),
        (b"[" * 60000, 400, "no webhook"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    url: str, body: bytes, code: int, says: str
) -> None:
    got, said = post(url, body)
    assert (got, says in said, said.count("\n")) == (code, True, 1), said


def test_only_one_path_may_be_posted_to(url: str) -> None:
    assert post(url, hook(), "/v1/verdict/llm/vllm-head")[0] == 404


def get(url: str) -> tuple[int, Any, str | None]:
    try:
        with urllib.request.urlopen(url, timeout=60) as done:
            return done.status, json.loads(done.read()), done.headers.get("Age")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), None


def test_who_reads_json_gets_200_and_the_verdict_that_counts(url: str) -> None:
    code, said, _ = get(f"{url}/v1/gate/llm/vllm-head?max_age=5m&strict=true")
    assert (code, said["passed"], said["verdict"]) == (200, True, "pass")
    code, said, _ = get(f"{url}/v1/gate/llm/nobody")
    assert (code, said["passed"], said["verdict"]) == (200, False, "unknown")
    code, said, _ = get(f"{url}/v1/gate/llm/vllm-head?maxage=5m")
    assert (code, "query: 'maxage' is not one of" in said["error"]) == (400, True)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("strict", "write NAME=VALUE"),
        ("strict=", "'' is not true or false"),
        ("strict=true&strict=false", "'strict' is given twice"),
        ("max_age=&strict=true", "'' is not a duration"),
    ],
)
def test_an_option_that_cannot_be_read_is_not_passed_over(url: str, query: str, says: str) -> None:
    code, said, _ = get(f"{url}/v1/gate/llm/vllm-head?{query}")
    assert (code, says in said["error"]) == (400, True), said


def test_a_webhook_has_no_options_in_its_address(url: str) -> None:
    code, said = post(url, hook(), "/v1/gate?strict=true")
    assert (code, "a POST has its options in metadata" in said) == (400, True)


def test_the_result_folds_the_terms_of_the_caller_in(url: str, here: Cluster) -> None:
    head, worker = healthy().pods
    again = replace(worker, restarts=1, started_at=healthy().observed_at)
    for seen, query, verdict, result in (
        (replace(healthy(), pods=(head, again)), "", "warn", "pass"),
        (replace(healthy(), pods=(head, again)), "?strict=true", "warn", "fail"),
        (blind(), "", "unknown", "unknown"),
        (blind(), "?inconclusive=pass", "unknown", "pass"),
    ):
        SEEN[0] = seen
        here.round()
        _, said, _ = get(f"{url}/v1/gate/llm/vllm-head{query}")
        assert (said["verdict"], said["result"]) == (verdict, result)


def test_a_report_tells_its_age(url: str) -> None:
    assert get(f"{url}/v1/verdict/llm/vllm-head")[2] is not None
