"""From a name to the verdict, behind a stand-in whose every answer takes 20 ms. Asserts no time."""

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from tests.cluster.manifests.build import STARTED
from tests.cluster.manifests.world import TOKEN
from tests.cluster.many_nodes import Counted, Doors, empty, objects
from tests.evidence_builder import healthy, name_of

from distcheck.lab.apiserver import Fault, write_kubeconfig

_SLOW = Fault(latency=0.02)


@pytest.mark.bench
@pytest.mark.parametrize("ways", [[], ["--no-agents"]], ids=["agents", "no-agents"])
@pytest.mark.parametrize("nodes", [2, 128])
def test_from_a_name_to_the_verdict(nodes: int, ways: list[str], tmp_path: Path) -> None:
    evidence = healthy(nodes)
    doors = Doors(evidence)
    log = _log(nodes)
    with Counted(
        objects(evidence),
        token=TOKEN,
        forward=doors.forward,
        faults=[_SLOW],
        logs=lambda *_: log,
        execute=empty,
    ) as server:
        path = write_kubeconfig(tmp_path / "kubeconfig", server.url, TOKEN)
        command = ["verify", name_of(0), "--kubeconfig", str(path), "-o", "json", *ways]
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "distcheck", *command], capture_output=True, check=False
        )
        took = time.perf_counter() - begun
    doors.stop()
    verdict = msgspec.json.decode(done.stdout)["verdict"]
    budget = 2 * nodes + 20
    how = ways[0] if ways else "agents"
    sys.stdout.write(
        f"\n{how:<12} {nodes:>4} nodes, {8 * nodes:>5} GPUs: {took:5.2f} s,"
        f" {server.calls} API calls (budget {budget}), {verdict}"
    )


def _log(nodes: int) -> bytes:
    line = f"{STARTED[:-1]}.5Z stdout F INFO:     10.20.0.9 - GET /health\n".encode()
    return line * (20_000 if nodes == 2 else 2_000)
