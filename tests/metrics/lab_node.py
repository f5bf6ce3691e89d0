"""One node of the lab as a folder, and an agent over it, without a process of its own."""

import time
from datetime import UTC, datetime
from pathlib import Path

from distcheck.agent.metrics import AgentFamilies
from distcheck.agent.node import NodeAgent
from distcheck.agent.openmetrics import page
from distcheck.agent.settings import Settings
from distcheck.agent.wiring import make_agent
from distcheck.lab.folders import write_node
from distcheck.lab.kernel import LabNetlink
from distcheck.lab.layout import Layout, make_members
from distcheck.lab.nvml import LabNvml
from distcheck.lab.scenarios import load
from distcheck.lab.shm_files import LabSpace

STARTED = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def agent_of(scenario: str, root: Path) -> NodeAgent:
    """The agent of the scenario's first node; it has looked at nothing."""
    scene = load(scenario).world
    members = make_members(scene, root, "127.77.0")
    head = members[0]
    for name in ("proc", "pod-logs"):
        (head.folder / name).mkdir(parents=True)
    write_node(Layout(scene, members, 6379, 45123, STARTED), head)
    settings = Settings(
        node=head.node,
        host_proc=str(head.folder / "proc"),
        host_sys=str(head.folder / "sys"),
        pod_logs=str(head.folder / "pod-logs"),
    )
    library = LabNvml(head.folder / "nvml.json")
    return make_agent(settings, library, LabNetlink(head.folder), space=LabSpace(head.folder))


def looked(scenario: str, root: Path) -> NodeAgent:
    """The same, once it has looked by itself and read the logs."""
    agent = agent_of(scenario, root)
    look(agent)
    return agent


def look(agent: NodeAgent) -> None:
    """What its own threads would do: pods are found, their logs are read, they are looked at."""
    agent.watch.look(time.time())
    agent.tail.tick(time.monotonic())
    agent.tail.tick(time.monotonic())
    agent.watch.look(time.time())


def scrape(agent: NodeAgent, accept: str = "") -> str:
    """The agent's page."""
    return page(AgentFamilies(agent), accept, "").body.decode()


def series(text: str, name: str) -> list[str]:
    """The samples of one family."""
    return [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
