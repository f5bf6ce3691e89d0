"""One running lab: two node folders with agents, a Ray cluster, an API server, a kubeconfig."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Self
from urllib.request import urlopen

from distcheck.lab import firewall, folders, node_logs, objects
from distcheck.lab.apiserver import ApiServer, Denial, write_kubeconfig
from distcheck.lab.engine_answers import serves_at
from distcheck.lab.inside import execute
from distcheck.lab.layout import (
    AGENT_NAMESPACE,
    NAMESPACE,
    Layout,
    Member,
    make_members,
    now,
)
from distcheck.lab.listeners import Dropper, Listener
from distcheck.lab.lookups import make_server
from distcheck.lab.machine import Process, end, free_port, free_subnet, listens
from distcheck.lab.prometheus_file import prometheus_text
from distcheck.lab.ras_job import RAS_PORT, job_of
from distcheck.lab.ras_server import RasServer
from distcheck.lab.ray import LabRay
from distcheck.lab.ray_scene import ray_of
from distcheck.lab.scenario import Scenario

EVIDENCE_PORT, METRICS_PORT = 9411, 9410
_AGE_SECONDS = 600
_START_SECONDS = 20.0


Spawn = Callable[[Sequence[str], IO[bytes]], Process]
"""Starts `python -m WORDS`, which prints to that file and ends with this process."""


class LabError(RuntimeError):
    """The lab cannot be started here; the message says which part and why."""


class World:
    """A scenario brought to life; a context manager. `verify` sees only its kubeconfig.

    `ray` is a cluster that runs already, its two nodes at `.2` and `.3` of one subnet: it
    serves every scenario whose nodes have all joined, and is not stopped. `spawn` starts agents.
    """

    def __init__(
        self, scenario: Scenario, ray: LabRay | None = None, spawn: Spawn | None = None
    ) -> None:
        self.scenario, self._spawn = scenario, spawn or _spawn
        whole = scenario.world.ray_is_real and scenario.world.ray_nodes == scenario.world.nodes
        self._ray = ray if whole else None
        self._stack = ExitStack()
        self._agents: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        """Start every part; what was started is stopped again if a later part fails.

        Raises:
            LabError: this machine lacks what the scenario needs, or a part did not start.
        """
        with self._stack:
            self._enter_network()
            self.root = Path(tempfile.mkdtemp(prefix="distcheck-lab-"))
            self._stack.callback(shutil.rmtree, self.root, ignore_errors=True)
            self.layout = self._start()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop every part and remove the folder."""
        self._stack.close()

    def _enter_network(self) -> None:
        """A network of its own where the scenario has a firewall; this thread alone enters it."""
        if not self.scenario.world.firewall:
            return
        if why := firewall.why_not():
            raise LabError(f"{self.scenario.name} cannot run here: {why}")
        try:
            self._stack.enter_context(firewall.own_network())
        except OSError as error:
            raise LabError(f"{self.scenario.name} cannot run here: {error}") from error

    def _start(self) -> Layout:
        subnet = self._ray.address.rpartition(".")[0] if self._ray else free_subnet()
        members = make_members(self.scenario.world, self.root, subnet)
        self._dns = make_server(self.scenario.world, members)
        self._stack.callback(self._dns.close)
        for member in members:
            (member.folder / "proc").mkdir(parents=True)
            (member.folder / "pod-logs").mkdir()
            if member.node in self.scenario.world.agents:
                self._start_agent(member)
        meeting = self._meeting_point(members[0])
        gcs = self._start_ray(members).gcs_port if self.scenario.world.ray else 0
        layout = Layout(self.scenario.world, members, gcs, meeting, _past())
        for member in members:
            folders.write_node(layout, member)
            self._start_ras(layout, member)
        self._start_api(layout)
        self._wait_for_agents(members)
        self._wait_for_xids()
        return layout

    def _start_agent(self, member: Member) -> None:
        ports = free_port(), free_port()
        self._agents[f"distcheck-agent-{member.node}"] = ports
        command = [
            "distcheck.lab.node",
            *("--root", str(member.folder)),
            *("--node", member.node),
            *("--listen", f"127.0.0.1:{ports[0]}"),
            *("--metrics", f"127.0.0.1:{ports[1]}"),
            *("--dns-port", str(self._dns.port)),
            *("--range", self.scenario.world.nccl_range.get(member.node, "open")),
        ]
        log = self._stack.enter_context((member.folder / "agent.log").open("wb"))
        self._stack.callback(end, self._spawn(command, log))

    def _meeting_point(self, head: Member) -> int:
        """The port of the head where the ranks meet: listening, or dropped by the scenario."""
        kind = Dropper if "rendezvous" in self.scenario.world.dropped else Listener
        meeting = kind(head.ip)
        self._stack.callback(meeting.close)
        return meeting.port

    def _start_ray(self, members: tuple[Member, ...]) -> LabRay:
        if self._ray is not None:
            return self._ray
        ray = ray_of(self.scenario.world, members)
        self._stack.callback(ray.stop)
        ray.start()
        self._listen_for(ray)
        if self.scenario.world.firewall:
            firewall.drop(self.scenario.world.firewall, members, ray)
        return ray

    def _listen_for(self, ray: LabRay) -> None:
        """A recording's node table names ports; somebody must listen there, as raylets do."""
        for ip, ports in ray.node_ports().items():
            for port in ports:
                if not listens(port, ip):
                    self._stack.callback(Listener(ip, port).close)

    def _start_ras(self, layout: Layout, member: Member) -> None:
        """A thread of NCCL's RAS at the pod's own address, where its job is asked for."""
        job = job_of(layout, member)
        if job is not None:
            self._stack.callback(RasServer(member.ip, lambda: job, RAS_PORT).close)

    def _start_api(self, layout: Layout) -> None:
        self.api = ApiServer(
            objects=objects.objects_of(layout),
            token="lab-" + os.urandom(12).hex(),
            logs=self._logs,
            execute=self._execute,
            forward=self._forward,
            denied=_denied(self.scenario.world.forbidden),
        )
        self.api.start()
        self._stack.callback(self.api.stop)
        path = self.root / "kubeconfig"
        self.kubeconfig = write_kubeconfig(path, self.api.url, self.api.token, NAMESPACE)
        self.prometheus = self.root / "prometheus.yml"
        self.prometheus.write_text(prometheus_text(self.metrics))

    def _wait_for_agents(self, members: Sequence[Member]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        here = {f"distcheck-agent-{m.node}": m for m in members}
        for name, (port, _) in self._agents.items():
            served = serves_at(here[name]) if name in here else None
            while not (listens(port) and (served is None or listens(*served))):
                if time.monotonic() > deadline:
                    raise LabError(f"{name} did not start: {self._agent_log(name)}")
                time.sleep(0.02)

    def _wait_for_xids(self) -> None:
        """An agent tries again at once to wait for them, as the node came after it."""
        node = self.scenario.world.gpu_xid
        found = self._agents.get(f"distcheck-agent-{node}")
        deadline = time.monotonic() + _START_SECONDS
        while found and b"distcheck_gpu_xid_total{" not in _page(found[1]):
            if time.monotonic() > deadline:
                raise LabError(f"{node} told no Xid: {self._agent_log(f'distcheck-agent-{node}')}")
            time.sleep(0.05)

    def _agent_log(self, name: str) -> str:
        folder = self.root / name.removeprefix("distcheck-agent-")
        return (folder / "agent.log").read_text(errors="replace")[-2000:]

    def _logs(self, namespace: str, pod: str, _container: str, previous: bool) -> bytes | None:
        member = next((m for m in self.layout_members() if m.pod == pod), None)
        if previous or namespace != NAMESPACE or member is None:
            return None
        lines = node_logs.container_lines(self.layout, member)
        return "".join(f"{line}\n" for _, line in lines).encode()

    @property
    def metrics(self) -> dict[str, str]:
        """Where each agent's metrics are, by node: `127.0.0.1:40001`."""
        ports = {n.removeprefix("distcheck-agent-"): p for n, (_, p) in self._agents.items()}
        return {node: f"127.0.0.1:{port}" for node, port in ports.items()}

    def layout_members(self) -> tuple[Member, ...]:
        """The pods of the group."""
        return self.layout.members

    def _execute(
        self, _namespace: str, pod: str, _container: str, argv: list[str]
    ) -> tuple[int, bytes, bytes]:
        """Run `argv` for real, in the pod's own world."""
        member = next((m for m in self.layout_members() if m.pod == pod), None)
        return (126, b"", b"this pod has no shell\n") if member is None else execute(member, argv)

    def _forward(self, namespace: str, pod: str, port: int) -> tuple[str, int] | None:
        if namespace != AGENT_NAMESPACE or pod not in self._agents:
            return next(((m.ip, port) for m in self.layout_members() if m.pod == pod), None)
        real = dict(zip((EVIDENCE_PORT, METRICS_PORT), self._agents[pod], strict=True)).get(port)
        return None if real is None else ("127.0.0.1", real)


def _spawn(words: Sequence[str], log: IO[bytes]) -> Process:
    command = [sys.executable, "-m", *words, "--parent", str(os.getpid())]
    return subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own module


def _page(port: int) -> bytes:
    """What the agent's metrics say; nothing while nobody answers there."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            page: bytes = answer.read()
            return page
    except OSError:
        return b""


def _past() -> datetime:
    return now() - timedelta(seconds=_AGE_SECONDS)


def _denied(resources: tuple[str, ...]) -> tuple[Denial, ...]:
    return (Denial(resources=resources, namespaces=(NAMESPACE,)),) if resources else ()
