"""Each example of `deploy/gate` does in a cluster what its comment says."""

import copy
import importlib.resources
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import kubernetes_validate
import pytest

from distcheck import __version__
from distcheck.agent.cli import app, kubelet, looking
from distcheck.agent.cli.exit import MEANINGS
from distcheck.agent.cluster.api import connect
from distcheck.agent.cluster.finding.group import Group
from distcheck.agent.cluster.gather import Ways, gather
from distcheck.agent.serve.rounds import Duty, Rounds
from distcheck.agent.serve.web import Web
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Evidence
from distcheck.checks.judging import judge
from distcheck.lab.apiserver import Denial
from distcheck.lab.world import World
from tests.deploy.gate_examples import (
    EXAMPLES,
    GATE,
    NEVER,
    argv_of,
    example,
    patient,
    pod_spec_of,
    script_of,
)
from tests.deploy.gate_fields import FIELDS, strange
from tests.deploy.manifests import DEPLOY, Object, documents
from tests.deploy.roles import OnlyRoles, granted, refusals
from tests.in_a_pod import enter, healthy_lab
from tests.serve.gate_asks import get, phase, post

JOBS = ["job", "argocd-postsync", "helm-test", "argo-rollouts-job"]
RUN = [*JOBS, "tekton"]


@pytest.fixture(scope="module")
def lab() -> Iterator[World]:
    with healthy_lab() as world:
        yield world


@pytest.fixture
def world(lab: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The lab as the gate's ServiceAccount may use it, from a container of a pod."""
    enter(lab, tmp_path, monkeypatch)
    monkeypatch.setattr(looking, "_RIGHTS_S", 0.2)
    monkeypatch.chdir(tmp_path)
    whole = lab.api.objects
    lab.api.denied = (OnlyRoles(grants=granted(DEPLOY / "rbac-gate.yaml")),)
    yield lab
    lab.api.objects, lab.api.denied = whole, ()


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    yield from refusals(monkeypatch)


def turning(things: tuple[Object, ...]) -> list[Object]:
    """The group right after its StatefulSets were changed."""
    made = copy.deepcopy(list(things))
    for one in (o for o in made if o["kind"] == "StatefulSet"):
        one["metadata"]["generation"], one["status"] = 2, {"observedGeneration": 1}
    return made


def run(words: list[str], tmp_path: Path) -> int:
    """As the container would run them, in this process; `/tmp` is the test's own."""
    assert words[0] == "distcheck"
    return app.main([w.replace("=/tmp/", f"={tmp_path}/") for w in words[1:]])


def message() -> str:
    return kubelet.TERMINATION_LOG.read_text()


@pytest.mark.parametrize("name", ["job", "helm-test", "argo-rollouts-job", "tekton"])
def test_it_passes_a_healthy_group_as_its_service_account(
    world: World, refused: set[str], tmp_path: Path, name: str
) -> None:
    assert run(argv_of(name), tmp_path) == 0
    assert message().startswith("pass: ")
    assert {r for r in refused if " in llm" in r} == set()


def test_all_examples_that_run_us_ask_the_same() -> None:
    asked = {tuple(w for w in argv_of(name) if not w.startswith("--output")) for name in RUN}
    assert asked == {("distcheck", "verify", "sts/vllm-head", "--namespace=llm", "--wait=25m")}


def test_a_group_that_is_not_up_in_time_is_code_4_with_what_was_waited_for(
    world: World, tmp_path: Path
) -> None:
    world.api.objects = turning(world.api.objects)
    assert run(patient(argv_of("job"), "300ms"), tmp_path) == 4
    assert message().startswith("--wait 300ms ran out: a rollout of sts/vllm-head runs: its")
    assert len(message().encode()) <= 4096


def test_rights_that_are_not_granted_end_the_wait_as_unknown(world: World, tmp_path: Path) -> None:
    world.api.denied = (Denial(resources=("*",)),)
    assert run(argv_of("job"), tmp_path) == 3
    assert message().startswith("unknown: ")
    assert "403" in message() or "forbidden" in message().lower()


def test_a_failure_that_stays_is_code_1_at_once(world: World, tmp_path: Path) -> None:
    made = copy.deepcopy(list(world.api.objects))
    head = next(o for o in made if o["metadata"]["name"] == "vllm-head-0")
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    for one in head["status"]["containerStatuses"]:
        one |= {"state": state, "lastState": ended, "ready": False, "restartCount": 7}
    world.api.objects = made
    assert run(argv_of("job"), tmp_path) == 1
    assert message().startswith("fail: GROUP001: ")


def tekton_step(folder: Path, code: int, reason: str) -> tuple[int, str, str]:
    """What the second step makes of the first one's exit code, as Tekton hands it on."""
    (folder / "code").write_text(str(code))
    if reason:
        (folder / "reason").write_text(reason)
    files = {n: str(folder / n) for n in ("code", "verdict", "why")}
    values = {
        "$(steps.step-verify.exitCode.path)": files["code"],
        "$(results.verdict.path)": files["verdict"],
        "$(results.reason.path)": files["why"],
    }
    step = example("tekton", values)["spec"]["steps"][1]
    env = {v["name"]: v["value"] for v in step["env"]}
    script = step["script"].replace("/tmp/", f"{folder}/")
    done = subprocess.run(["sh", "-c", script], env=os.environ | env, check=False)
    return done.returncode, (folder / "verdict").read_text(), (folder / "why").read_text()


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(0, "pass"), (1, "fail"), (2, "error"), (3, "unknown"), (4, "timeout"), (143, "error")],
)
def test_tekton_gets_a_result_and_the_tasks_own_code(
    tmp_path: Path, code: int, verdict: str
) -> None:
    line = "DISTCHECK - " + "x" * 5000 if code != 2 else ""
    got, word, why = tekton_step(tmp_path, code, line)
    assert (got, word) == (code, verdict)
    assert why == (line[:1000] or "see the log of step verify\n")


def shell(script: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """As GitHub's and GitLab's runners run a step."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    env = {**os.environ, "PATH": path, **environ}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, check=False)


def test_a_github_job_has_annotations_summary_output_and_a_junit_file(
    world: World, tmp_path: Path
) -> None:
    files = {n: str(tmp_path / n) for n in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    script = script_of(GATE / "github-actions.yaml", "distcheck verify")
    done = shell(script, tmp_path, **files)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "GITHUB_OUTPUT").read_text() == "verdict=pass\n"
    assert "vllm-head" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert (tmp_path / "distcheck.xml").read_text().startswith("<?xml")
    steps = example("github-actions", {})["jobs"]["verify"]["steps"]
    kept = next(s for s in steps if "upload-artifact" in s.get("uses", ""))
    assert (tmp_path / kept["with"]["path"]).exists()


def test_a_gitlab_job_that_is_out_of_time_has_a_code_that_only_reviews_allow(
    world: World, tmp_path: Path
) -> None:
    world.api.objects = turning(world.api.objects)
    jobs = example("gitlab-ci", {})
    script = patient(script_of(GATE / "gitlab-ci.yaml", "distcheck verify"), "200ms")
    done = shell(script, tmp_path, **jobs[".distcheck"]["variables"])
    assert done.returncode in jobs["distcheck-review"]["allow_failure"]["exit_codes"]
    assert "allow_failure" not in jobs["distcheck"]
    assert (tmp_path / jobs[".distcheck"]["artifacts"]["reports"]["junit"]).exists()


@pytest.fixture
def url(world: World) -> Iterator[str]:
    """A `serve` of this cluster, with the role that is made for it."""
    world.api.denied = (OnlyRoles(grants=granted(DEPLOY / "serve" / "rbac.yaml")),)
    api = connect(str(world.kubeconfig))

    def look(group: Group) -> Evidence:
        return gather(api, group, ways=Ways(exec=False))

    rounds = Rounds(api, Duty(), look, lambda evidence: judge(evidence, catalog()))
    rounds.once()
    with Web(("127.0.0.1", 0), rounds) as web:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def test_argo_and_flagger_go_on_for_a_healthy_group_and_not_during_its_rollout(
    world: World, url: str
) -> None:
    assert phase(get(url, "argo-rollouts-web")) == "Successful"
    assert post(url, "flagger", "vllm-head")[0] == 200
    world.api.objects = turning(world.api.objects)
    threading.Event().wait(2.1)
    assert phase(get(url, "argo-rollouts-web")) == "Inconclusive"
    code, said = post(url, "flagger", "vllm-head")
    assert code == 409
    assert said.startswith("unknown: a rollout of sts/vllm-head runs")


def test_argo_never_takes_a_count_that_is_reached_for_a_pass() -> None:
    """All measurements inconclusive and `count` reached is Successful to Argo."""
    (metric,) = example("argo-rollouts-web")["spec"]["metrics"]
    assert metric["inconclusiveLimit"] < metric["count"]
    assert (metric["failureLimit"], metric["consecutiveSuccessLimit"]) == (0, 1)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_each_field_is_one_of_its_kind(path: Path) -> None:
    for made in documents(path) if path.stem != "helm-test" else [example("helm-test")]:
        if (made.get("apiVersion"), made.get("kind")) in FIELDS:
            assert strange(made) == []
        elif "apiVersion" in made:
            named = {**made["metadata"], "name": "made"}
            valid({**made, "metadata": named})
        else:
            assert path.stem in ("github-actions", "gitlab-ci")


def test_the_job_of_an_analysis_is_one_too() -> None:
    spec = example("argo-rollouts-job")["spec"]["metrics"][0]["provider"]["job"]["spec"]
    valid({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "made"}, "spec": spec})


def valid(made: Object) -> None:
    kubernetes_validate.validate(made, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize(
    ("name", "schema"), [("github-actions", "github-workflows"), ("gitlab-ci", "gitlab-ci")]
)
def test_pipelines_are_as_their_schemas_say(name: str, schema: str) -> None:
    """Those of SchemaStore, as check-jsonschema carries them; YAML's `on` is true in YAML 1.1."""
    store = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    known = json.loads((store / f"{schema}.json").read_text())
    made = {{"True": "on"}.get(str(key), key): value for key, value in example(name, {}).items()}
    checker = jsonschema.validators.validator_for(known)(known)
    assert [e.message for e in checker.iter_errors(made)] == []


@pytest.mark.parametrize("name", JOBS)
def test_its_pod_is_the_least_and_ends_with_a_reason(name: str) -> None:
    spec = pod_spec_of(name)
    (one,) = spec["containers"]
    assert (spec["restartPolicy"], spec["serviceAccountName"]) == ("Never", "distcheck-gate")
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert one["securityContext"]["readOnlyRootFilesystem"] is True
    assert one["image"].endswith(f":{__version__}")
    assert "terminationMessagePath" not in one


@pytest.mark.parametrize("name", ["job", "argocd-postsync", "argo-rollouts-job"])
def test_a_verdict_is_final_and_the_deadline_is_longer_than_the_wait(name: str) -> None:
    made = example(name)
    spec = made["spec"]
    if made["kind"] != "Job":
        spec = spec["metrics"][0]["provider"]["job"]["spec"]
    ignored, final = spec["podFailurePolicy"]["rules"]
    assert (ignored["action"], final["action"]) == ("Ignore", "FailJob")
    assert set(final["onExitCodes"]["values"]) == MEANINGS.keys() - {0}
    (container,) = spec["template"]["spec"]["containers"]
    assert final["onExitCodes"]["containerName"] == container["name"]
    minutes = next(int(w[7:-1]) for w in container["args"] if w.startswith("--wait="))
    assert spec["activeDeadlineSeconds"] >= 60 * minutes + 120


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_its_comment_has_the_command_that_uses_it(path: Path) -> None:
    head = path.read_text().partition("apiVersion")[0]
    assert any(line.startswith("#   ") for line in head.splitlines())
    page = (DEPLOY.parent / "docs" / "gate.md").read_text()
    assert f"deploy/gate/{path.name}" in page


def test_its_addresses_are_those_of_serve() -> None:
    (service,) = documents(DEPLOY / "serve" / "service.yaml")
    (port,) = service["spec"]["ports"]
    meta = service["metadata"]
    address = f"http://{meta['name']}.{meta['namespace']}.svc:{port['port']}/v1/gate"
    web = example("argo-rollouts-web")["spec"]["metrics"][0]["provider"]["web"]["url"]
    hooks = example("flagger")["spec"]["analysis"]["webhooks"]
    assert web.startswith(f"{address}/llm/vllm-head?")
    assert {h["url"] for h in hooks} == {address}
    assert "rollback" not in {h["type"] for h in hooks}
    assert not any(word in web for word in NEVER)


def test_the_service_account_is_the_one_that_is_shipped() -> None:
    shipped = {
        (o["metadata"]["name"], o["metadata"]["namespace"])
        for o in documents(DEPLOY / "rbac-gate.yaml")
        if o["kind"] == "ServiceAccount"
    }
    assert shipped == {("distcheck-gate", "llm")}
