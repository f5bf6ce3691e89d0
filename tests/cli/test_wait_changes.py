"""`verify --wait` while things change: a group that comes, a rollout, an API server that goes."""

import copy
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from tests.in_a_pod import enter, healthy_lab

from distcheck.agent.cli import app, kubelet
from distcheck.lab.apiserver import Fault
from distcheck.lab.world import World

Object = dict[str, Any]


@pytest.fixture(scope="module")
def lab() -> Iterator[World]:
    with healthy_lab() as world:
        yield world


@pytest.fixture
def world(lab: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The lab, as a container of a pod sees it, with waits that look again at once."""
    enter(lab, tmp_path, monkeypatch)
    whole = lab.api.objects
    yield lab
    lab.api.faults, lab.api.objects = (), whole


def verify(*words: str) -> int:
    return app.main(["verify", "vllm-head", "-n", "llm", *words])


def message() -> str:
    return kubelet.TERMINATION_LOG.read_text()


def later(seconds: float, change: Callable[[], None]) -> Timer:
    timer = Timer(seconds, change)
    timer.start()
    return timer


def without(things: tuple[Object, ...], *kinds: str) -> list[Object]:
    return [o for o in things if o["kind"] not in kinds or o["metadata"]["namespace"] != "llm"]


def test_a_group_that_is_not_there_yet_is_waited_for(world: World) -> None:
    whole = world.api.objects
    world.api.objects = without(whole, "StatefulSet", "Service", "Pod")

    def come() -> None:
        world.api.objects = without(whole, "Pod")
        later(0.3, lambda: setattr(world.api, "objects", whole))

    later(0.3, come)
    assert verify("--wait", "60s") == 0
    assert message().startswith("pass: ")


def test_without_wait_a_group_that_is_not_there_is_a_usage_error(world: World) -> None:
    world.api.objects = ()
    assert verify() == 2
    assert message().startswith("nothing in namespace llm is called vllm-head")


def test_a_name_that_never_comes_is_told_once_when_the_wait_runs_out(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["verify", "nobody", "-n", "llm", "--wait", "100ms"]) == 4
    told = capsys.readouterr()
    says = "nothing in namespace llm is called nobody"
    assert (told.out, told.err.count(says)) == ("", 1)
    assert message().startswith(f"--wait 100ms ran out: unknown: {says}")


def changed(things: tuple[Object, ...], **status: Any) -> list[Object]:
    """The worker's StatefulSet with a new template; its controller's word as `status`."""
    made = copy.deepcopy(list(things))
    for one in (o for o in made if o["kind"] == "StatefulSet"):
        one["metadata"]["generation"] = 2
        one["status"] = {"observedGeneration": 2, **status}
    return made


def test_pods_of_before_a_change_never_pass(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.api.objects = changed(world.api.objects, observedGeneration=1)
    assert verify("--wait", "400ms", "-o", "json") == 4
    told = capsys.readouterr()
    assert json.loads(told.out)["verdict"] == "pass"
    says = "--wait 400ms ran out: a rollout of sts/vllm-head runs: its controller has not acted"
    assert says in told.err
    assert message().startswith(says)


def test_a_rollout_is_waited_out(world: World) -> None:
    done = changed(world.api.objects)
    world.api.objects = changed(world.api.objects, observedGeneration=1)
    over: list[float] = []

    def end() -> None:
        world.api.objects = done
        over.append(time.monotonic())

    later(0.4, end)
    assert verify("--wait", "60s") == 0
    assert over


def test_an_api_server_that_is_away_for_a_while_is_waited_for(world: World) -> None:
    world.api.faults = (Fault(status=503),)
    later(0.5, lambda: setattr(world.api, "faults", ()))
    assert verify("--wait", "60s", "--timeout", "5s") == 0


def test_a_pod_that_is_not_ready_is_waited_for(world: World) -> None:
    whole = world.api.objects
    unready = copy.deepcopy(list(whole))
    head = next(o for o in unready if o["metadata"]["name"] == "vllm-head-0")
    ready = next(c for c in head["status"]["conditions"] if c["type"] == "Ready")
    ready["status"] = "False"
    for one in head["status"]["containerStatuses"]:
        one["ready"] = False
    world.api.objects = unready
    assert verify("--wait", "200ms") == 4
    assert "vllm-head-0 is not ready yet" in message()
    later(0.3, lambda: setattr(world.api, "objects", whole))
    assert verify("--wait", "60s") == 0


def test_wait_for_gpus_waits_for_the_group_and_for_its_rollout(world: World) -> None:
    whole = world.api.objects
    words = ["wait", "vllm-head", "-n", "llm", "--gpus", "16", "--interval", "50ms", "--timeout"]
    world.api.objects = ()
    later(0.3, lambda: setattr(world.api, "objects", whole))
    assert app.main([*words, "60s"]) == 0
    world.api.objects = changed(whole, observedGeneration=1)
    assert app.main([*words, "300ms"]) == 4
    assert "a rollout of sts/vllm-head runs" in message()


def test_a_signal_during_the_wait_gives_a_report_and_no_pass(world: World) -> None:
    world.api.objects = changed(world.api.objects, observedGeneration=1)
    command = [sys.executable, "-m", "distcheck", "verify", "vllm-head", "--wait", "60s"]
    with subprocess.Popen(
        [*command, "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        _until_quiet(world)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert json.loads(out)["rollouts"]
    assert b"a signal ended --wait 60s: a rollout of sts/vllm-head runs" in err


def _until_quiet(world: World) -> None:
    """Until a look has been asked for and has ended: nothing is asked for a second."""
    seen, since = len(world.api.asked), None
    end = time.monotonic() + 60
    while since is None or time.monotonic() - since < 1.0:
        assert time.monotonic() < end
        time.sleep(0.05)
        if len(world.api.asked) != seen:
            seen, since = len(world.api.asked), time.monotonic()
