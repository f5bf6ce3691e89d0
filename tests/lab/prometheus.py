"""One real Prometheus for all labs of a test process: each lab takes a place among its targets.

A lab takes it while it runs, or leaves its pages there, which are judged beside other tests.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import yaml  # type: ignore[import-untyped]
from tests.lab.kept_pages import KeptPages, Pages

from distcheck.lab.machine import end, free_port

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yaml"
Scrapes = dict[str, list[float]]
"""When each target of a place was scraped last, in Unix seconds, by the place's number."""

_EVERY, _JUDGED_EVERY = "500ms", "1s"
_START_SECONDS, _PATIENCE_SECONDS = 20.0, 40.0
_LAG_SECONDS, _SURE_SECONDS = 2.0, 8.0
"""How much later than what it judges a judging can begin, and when a wrong one is surely wrong."""
_STOCK = {("gpu-a", "gpu-b"): 3, ("gpu-a",): 1}
"""Places made ahead, by nodes: Prometheus hears of new targets after up to five seconds."""
_REST_SECONDS = 10.0
"""After the last lab, after which it rests: judging nothing takes time from other tests too."""
_CONFIG = """
global: {{scrape_interval: {every}, scrape_timeout: {every}, evaluation_interval: {judged}}}
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
    """Where a lab's agents and its serve are scraped: port and further labels of each, by name."""

    def __init__(self, number: int, scraped: Mapping[str, tuple[int, Mapping[str, str]]]) -> None:
        self.number, self._scraped = number, dict(scraped)

    def targets(self, *, serve: bool) -> list[dict[str, Any]]:
        """For a file of targets: the agents, or the serve."""
        return [
            {"targets": [f"127.0.0.1:{port}"], "labels": {**self._labels(name), **more}}
            for name, (port, more) in self._scraped.items()
            if (name == "serve") == serve
        ]

    def _labels(self, name: str) -> dict[str, str]:
        node = {} if name == "serve" else {"node": f"{name}-{self.number}"}
        return {"place": str(self.number), **node}

    def whole(self, scrapes: Scrapes, since: float) -> float | None:
        """When the last of its targets was scraped, all of them after `since`."""
        mine = scrapes.get(str(self.number), [])
        return max(mine) if len(mine) == len(self._scraped) and min(mine) > since else None

    def owns(self, alert: Mapping[str, Any]) -> bool:
        """Whether the alert is of this lab, or of no lab alone."""
        labels = alert["labels"]
        marks = [labels.get(k, "") for k in ("place", "workload_namespace", "node")]
        return all(m.rpartition("-")[2] == str(self.number) for m in marks if m)


class LivePlace(Place):
    """Addresses that are held before the lab is there."""

    def __init__(self, number: int, nodes: tuple[str, ...]) -> None:
        self._doors = {name: _door() for name in (*nodes, "serve")}
        super().__init__(number, {n: (d.getsockname()[1], {}) for n, d in self._doors.items()})

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


@dataclass
class Kept:
    """A lab that is over, which Prometheus has not judged yet."""

    name: str
    place: Place
    expected: set[str]
    scraped: float | None = None


class Rest:
    """Stops a process from `_REST_SECONDS` after it was last needed until it is needed again."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._rests, self.woken = process, False, 0.0
        self._timer = threading.Timer(0, lambda: None)

    def put_off(self) -> None:
        """It is needed now; `woken` is when it last went on, in Unix seconds."""
        self._timer.cancel()
        if self._rests:
            self._rests, self.woken = False, time.time()
            self._process.send_signal(signal.SIGCONT)
        self._timer = threading.Timer(_REST_SECONDS, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def _begin(self) -> None:
        self._rests = True
        self._process.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        """End the process."""
        self._timer.cancel()
        self._process.send_signal(signal.SIGCONT)
        end(self._process)


class Prometheus:
    """A running Prometheus; rules fire at once, and are as shipped else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._home = ThreadPoolExecutor(1)
        self._numbers = 0
        self._stock: dict[tuple[str, ...], list[LivePlace]] = {}
        self._taken: list[LivePlace] = []
        self._pages = KeptPages()
        self._kept: list[Kept] = []
        self._wrong: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start it, and end it."""
        rules = yaml.safe_load(RULES.read_text())
        for rule in (r for g in rules["groups"] for r in g["rules"] if "for" in r):
            rule["for"] = "0s"
        (self._folder / "rules.yaml").write_text(yaml.safe_dump(rules))
        (self._folder / "prometheus.yml").write_text(
            _CONFIG.format(every=_EVERY, judged=_JUDGED_EVERY)
        )
        for nodes, count in _STOCK.items():
            self._stock[nodes] = [self._place(nodes) for _ in range(count)]
        self._write()
        command = [
            "prometheus",
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=error",
        ]
        with (self._folder / "log").open("wb") as log, ExitStack() as stack:
            # Its heap is small: collecting garbage less often saves a good part of its work.
            env = {**os.environ, "GOGC": "400"}
            self._rest = Rest(subprocess.Popen(command, stdout=log, stderr=log, env=env))
            stack.callback(self._rest.end)
            stack.enter_context(self._pages.served())
            stack.callback(self._close)
            self._wait()
            yield

    def _close(self) -> None:
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

    def _place(self, nodes: tuple[str, ...]) -> LivePlace:
        self._numbers += 1
        return LivePlace(self._numbers, nodes)

    def _write(self) -> None:
        stock = (p for places in self._stock.values() for p in places)
        places = [*self._taken, *(k.place for k in self._kept), *stock]
        for serve, name in ((False, "agents.json"), (True, "serves.json")):
            part = self._folder / f"{name}.part"
            part.write_text(json.dumps([t for p in places for t in p.targets(serve=serve)]))
            part.rename(self._folder / name)

    @contextmanager
    def place(self, nodes: tuple[str, ...]) -> Iterator[LivePlace]:
        """The next place for a lab whose agents are on these nodes."""
        self._home.submit(self._rest.put_off).result()
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
            scraped = scraped or place.whole(self._scrapes(), now)
            if scraped and self._judged(scraped):
                break
            time.sleep(0.1)
        while True:
            found = self._alerts(place)
            if found == expected or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    def keep(self, name: str, pages: Pages, expected: set[str]) -> None:
        """Let the pages of a lab, by node and `serve`, be judged later, beside other tests."""
        self._numbers += 1
        place = Place(self._numbers, self._pages.add(self._numbers, pages))
        self._kept.append(Kept(name, place, expected))
        self._judge_kept()
        self._write()

    def differences(self) -> list[str]:
        """Of all kept labs, once each is judged: a line where alerts are not as expected."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._kept and time.monotonic() < deadline:
            self._judge_kept()
            time.sleep(0.1)
        return [*self._wrong, *(f"{k.name}: was not scraped and judged" for k in self._kept)]

    def _judge_kept(self) -> None:
        """Those that are scraped and judged by now make room for others; nothing is waited for."""
        scrapes, woken = self._scrapes(), self._rest.woken
        for one in self._kept:
            if one.scraped is None or one.scraped < woken:
                one.scraped = one.place.whole(scrapes, woken)
        for one in [k for k in self._kept if k.scraped and self._judged(k.scraped + _LAG_SECONDS)]:
            wrong = self._wrong_of(one)
            # A scrape that failed on a busy machine is repeated before it counts.
            if not wrong or self._judged((one.scraped or 0) + _SURE_SECONDS):
                self._wrong += wrong
                self._kept.remove(one)

    def _wrong_of(self, one: Kept) -> list[str]:
        try:
            found = self._alerts(one.place)
        except AssertionError as error:
            return [f"{one.name}: {error}"]
        raised, expected = sorted(found), sorted(one.expected)
        return [f"{one.name}: raises {raised}, expected {expected}"] if raised != expected else []

    def _scrapes(self) -> Scrapes:
        """When targets were scraped last, of those that answered."""
        times = 'timestamp(up{place!=""}) and up == 1'
        found: Scrapes = {}
        for one in self._ask(f"/api/v1/query?query={quote(times)}")["data"]["result"]:
            found.setdefault(one["metric"]["place"], []).append(float(one["value"][1]))
        return found

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
        self._rest.put_off()
        with urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=60) as answer:
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
