"""A Prometheus that scrapes the agents and the `serve` of one lab or several.

Each lab stands under a namespace of its own, so that several are several groups, and its
targets can be exchanged for those of another scenario, so that a group has a history.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from distcheck.lab.machine import end, free_port
from distcheck.lab.scenarios import load
from distcheck.lab.world import World

CONFIG = """\
global: {{scrape_interval: {every}, scrape_timeout: {every}}}
scrape_configs:
  - job_name: distcheck
    file_sd_configs: [{{files: ["{folder}/targets-*.json"], refresh_interval: 1s}}]
    metric_relabel_configs: [{rename}]
"""


class WatchedLab:
    """A context manager; `watch` starts a lab and has it scraped under that namespace.

    `every` is Prometheus's interval of scrapes, `interval` that of `serve` between rounds.
    """

    def __init__(self, every: str = "1s", interval: str = "5s") -> None:
        self._every, self._interval, self._stack = every, interval, ExitStack()
        self._labs: dict[str, ExitStack] = {}

    def __enter__(self) -> Self:
        """Start Prometheus.

        Raises:
            FileNotFoundError: it is not installed (Debian's package `prometheus`).
        """
        with self._stack:
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            port = free_port()
            self.url = f"http://127.0.0.1:{port}"
            self._config = self._folder / "prometheus.yml"
            self._configure()
            log = self._stack.enter_context((self._folder / "log").open("wb"))
            command = [
                "prometheus", f"--config.file={self._config}", "--web.enable-lifecycle",
                f"--storage.tsdb.path={self._folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ]  # fmt: skip
            prometheus = subprocess.Popen(command, stdout=log, stderr=log)
            self._stack.callback(prometheus.wait)
            self._stack.callback(prometheus.kill)  # its data is not kept
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop the labs, then Prometheus."""
        for lab in self._labs.values():
            lab.close()
        self._stack.close()

    def watch(
        self, namespace: str, scenario: str, before: Callable[[World], object] | None = None
    ) -> World:
        """Start the lab of `scenario`, and scrape it instead of what was there before.

        `before` may change the lab before `serve` looks at it.
        """
        os.environ["DISTCHECK_LAB_RAY"] = "replayed"
        if namespace in self._labs:
            self._labs.pop(namespace).close()
        self._labs[namespace] = lab = ExitStack()
        world = lab.enter_context(World(load(scenario)))
        if before:
            before(world)
        port = free_port()
        command = [
            sys.executable, "-m", "distcheck", "serve", "--kubeconfig", str(world.kubeconfig),
            "--listen", f"127.0.0.1:{port}", "--interval", self._interval,
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        lab.callback(end, subprocess.Popen(command, stdout=quiet, stderr=quiet))
        targets = {f"{node}.{namespace}": at for node, at in world.metrics.items()}
        self._point(namespace, targets | {f"serve.{namespace}": f"127.0.0.1:{port}"})
        return world

    def _point(self, namespace: str, targets: dict[str, str]) -> None:
        """Instances keep their names when a lab is exchanged for another."""
        groups = [
            {"targets": [at], "labels": {"instance": f"{name}:9410"}}
            for name, at in targets.items()
        ]
        path = self._folder / f"targets-{namespace}.json"
        path.write_text(json.dumps(groups))

    def _configure(self) -> None:
        """Every lab's namespace is `llm`: the instance tells whose it is."""
        rename = (
            '{source_labels: [workload_namespace, instance], regex: "llm;[^.]+[.](.+):[0-9]+", '
            'replacement: "$1", target_label: workload_namespace}'
        )
        text = CONFIG.format(every=self._every, folder=self._folder, rename=rename)
        self._config.write_text(text)

    def get(self, path: str, **query: str | float) -> Any:
        """What `/api/v1/PATH` answers.

        Raises:
            ValueError: Prometheus refuses the query; the message has its reason.
        """
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{json.load(error)['error']}: {query}") from error

    def until(self, query: str, seconds: float = 120) -> None:
        """Wait until the query gives something.

        Raises:
            TimeoutError: it did not.
        """
        deadline = time.monotonic() + seconds
        while not self._answers(query):
            if time.monotonic() > deadline:
                raise TimeoutError(query)
            time.sleep(0.25)

    def _answers(self, query: str) -> bool:
        try:
            return bool(self.get("query", query=query)["result"])
        except OSError:
            return False
