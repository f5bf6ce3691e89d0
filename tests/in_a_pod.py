"""The commands that wait, as a container of a pod of the healthy lab runs them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from distcheck.agent.cli import kubelet, waiting
from distcheck.lab.scenarios import load
from distcheck.lab.world import World
from tests.warm import warm_world


@contextmanager
def healthy_lab() -> Iterator[World]:
    """Its Ray is a recording."""
    os.environ["DISTCHECK_LAB_RAY"] = "replayed"
    with warm_world(load("healthy-tp16")) as world:
        yield world


def enter(lab: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A termination log in `folder`, the lab as the cluster, and waits that look again at once."""
    log = folder / "termination-log"
    log.touch()
    monkeypatch.setattr(kubelet, "TERMINATION_LOG", log)
    monkeypatch.setattr(waiting, "PAUSE", 0.05)
    monkeypatch.setenv("KUBECONFIG", str(lab.kubeconfig))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
