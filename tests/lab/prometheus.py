"""One real Prometheus for all labs of a test process: each lab takes a place among its targets."""

import json
import os
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import yaml  # type: ignore[import-untyped]

from distcheck.lab.machine import end, free_port

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yaml"
_EVERY = "500ms"
_START_SECONDS, _PATIENCE_SECONDS = 20.0, 40.0
_STOCK = 4
"""Places made ahead: Prometheus hears of new targets after up to five seconds."""
_CONFIG = """
global: {{scrape_interval: {every}, scrape_timeout: {every}, evaluation_interval: {every}}}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: distcheck-agent
    file_sd_configs: [{{files: [agents.json]}}]
    metric_relabel_configs: &apart
      # Groups of different labs have one name, and are kept apart by their places.
      - source_labels: [workload_namespace, place]
        regex: (.+);(.+)
        target_label: workload_namespace
        replacement: $1-$2
  - job_name: distcheck-serve
    file_sd_configs: [{{files: [serves.json]}}]
    metric_relabel_configs:
      - source_labels: [workload_namespace, place]
        regex: (.+);(.+)
        target_label: workload_namespace
        replacement: $1-$2
      - source_labels: [node, place]
        regex: (.+);(.+)
        target_label: node
        replacement: $1-$2
"""


class Place:
    """Addresses of a lab's agents and its serve, held before they are there."""

    def __init__(self, number: int, nodes: tuple[str, ...]) -> None:
        self.number = number
        self._doors = {name: _door() for name in (*nodes, "serve")}

    def targets(self, *, serve: bool) -> list[dict[str, Any]]:
        """For a file of targets: the agents, or the serve."""
        return [
            {"targets": [f"127.0.0.1:{door.getsockname()[1]}"], "labels": self._labels(name)}
            for name, door in self._doors.items()
            if (name == "serve") == serve
        ]

    def _labels(self, name: str) -> dict[str, str]:
        node = {} if name == "serve" else {"node": f"{name}-{self.number}"}
        return {"place": str(self.number), **node}

    def owns(self, alert: Mapping[str, Any]) -> bool:
        """Whether the alert is of this lab, or of no lab alone."""
        labels = alert["labels"]
        marks = [labels.get(k, "") for k in ("place", "workload_namespace", "node")]
        return all(m.rpartition("-")[2] == str(self.number) for m in marks if m)

    def open(self, real: Mapping[str, str]) -> None:
        """Pass on to the real addresses, from the network of the calling thread."""
        for name, door in self._doors.items():
            door.listen()
            host, _, port = real[name].partition(":")
            threading.Thread(target=_accept, args=(door, (host, int(port))), daemon=True).start()

    def close(self) -> None:
        """Nobody answers any more."""
        for door in self._doors.values():
            with suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)
            door.close()


def _door() -> socket.socket:
    """A port that is taken, and refuses until somebody listens."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    return door


def _accept(door: socket.socket, real: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            caller, _ = door.accept()
            threading.Thread(target=_carry, args=(caller, real), daemon=True).start()


def _carry(caller: socket.socket, real: tuple[str, int]) -> None:
    with closing(caller), suppress(OSError), socket.create_connection(real, 5) as called:
        ends = {caller: called, called: caller}
        while True:
            for one in select.select(list(ends), [], [])[0]:
                data = one.recv(1 << 16)
                if not data:
                    return
                ends[one].sendall(data)


class Prometheus:
    """A running Prometheus; rules fire at once, and are as shipped else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._home = ThreadPoolExecutor(1)
        self._numbers = 0
        self._stock: dict[tuple[str, ...], list[Place]] = {}
        self._taken: list[Place] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start it, and end it."""
        rules = yaml.safe_load(RULES.read_text())
        for rule in (r for g in rules["groups"] for r in g["rules"] if "for" in r):
            rule["for"] = "0s"
        (self._folder / "rules.yaml").write_text(yaml.safe_dump(rules))
        (self._folder / "prometheus.yml").write_text(_CONFIG.format(every=_EVERY))
        for nodes in (("gpu-a", "gpu-b"), ("gpu-a",), ()):
            self._stock[nodes] = [self._place(nodes) for _ in range(_STOCK if nodes else 2)]
        self._write()
        command = [
            "prometheus",
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=error",
        ]
        with (self._folder / "log").open("wb") as log, ExitStack() as stack:
            stack.callback(end, subprocess.Popen(command, stdout=log, stderr=log))
            self._wait()
            yield
        for place in (*self._taken, *(p for places in self._stock.values() for p in places)):
            place.close()
        self._home.shutdown()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._ask("/-/ready")
            except OSError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def _place(self, nodes: tuple[str, ...]) -> Place:
        self._numbers += 1
        return Place(self._numbers, nodes)

    def _write(self) -> None:
        places = [*self._taken, *(p for places in self._stock.values() for p in places)]
        for serve, name in ((False, "agents.json"), (True, "serves.json")):
            part = self._folder / f"{name}.part"
            part.write_text(json.dumps([t for p in places for t in p.targets(serve=serve)]))
            part.rename(self._folder / name)

    @contextmanager
    def place(self, nodes: tuple[str, ...]) -> Iterator[Place]:
        """The next place for a lab whose agents are on these nodes."""
        stock = self._stock.setdefault(nodes, [])
        stock.append(self._place(nodes))
        place = stock.pop(0)
        self._taken = [place]
        self._write()
        try:
            yield place
        finally:
            place.close()

    def alerts(self, place: Place, expected: set[str]) -> set[str]:
        """The names of the place's alerts once all is scraped and judged that is there now.

        What an agent sees by itself comes later: it is waited for.
        """
        now, deadline = time.time(), time.monotonic() + _PATIENCE_SECONDS
        scraped = None
        while time.monotonic() < deadline:
            scraped = scraped or self._scraped(place, now)
            if scraped and self._judged(scraped):
                break
            time.sleep(0.1)
        while True:
            found = self._alerts(place)
            if found == expected or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    def _scraped(self, place: Place, moment: float) -> float | None:
        """When the last of the place's targets was scraped, all of them after the moment."""
        mine = f'up{{place="{place.number}"}}'
        times = f"timestamp({mine}) and {mine} == 1"
        seen = self._ask(f"/api/v1/query?query={quote(times)}")["data"]["result"]
        wanted = len(place.targets(serve=True)) + len(place.targets(serve=False))
        scraped = [float(one["value"][1]) for one in seen]
        return max(scraped) if len(scraped) == wanted and min(scraped) > moment else None

    def _judged(self, moment: float) -> bool:
        """Whether every rule was judged after the moment."""
        groups = self._ask("/api/v1/rules")["data"]["groups"]
        return all(_seconds(g["lastEvaluation"]) > moment + 0.1 for g in groups)

    def _alerts(self, place: Place) -> set[str]:
        alerts = self._ask("/api/v1/alerts")["data"]["alerts"]
        mine = [one for one in alerts if place.owns(one) and one["state"] == "firing"]
        for one in mine:
            told = "".join(one["annotations"].values())
            assert "<" not in told, f"an alert could not fill in its text: {told}"
        return {one["labels"]["alertname"].removeprefix("Distcheck") for one in mine}

    def _ask(self, path: str) -> Any:
        """From Prometheus's own network: a lab with a firewall takes its thread elsewhere."""
        return self._home.submit(self._fetch, path).result()

    def _fetch(self, path: str) -> Any:
        with urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if path.startswith("/api") else body


def _seconds(told: str) -> float:
    """RFC 3339 with nanoseconds, as Unix seconds."""
    return datetime.fromisoformat(told).timestamp()


def need_prometheus() -> None:
    """Skip where there is no Prometheus, except in CI."""
    if shutil.which("prometheus") is None:
        assert not os.environ.get("CI"), "CI installs prometheus"
        pytest.skip("prometheus is not installed")
