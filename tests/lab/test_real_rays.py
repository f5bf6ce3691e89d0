"""Real Ray of two versions in two pods' networks, with what breaks real clusters."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tests.lab.two_pods import HEAD, WORKER, Pod, two_pods
from tests.probes.node_folder import need_root
from tests.waiting import within

from distcheck.agent.cli.ray_report import ray_report
from distcheck.agent.cluster.without_agents import ray_exec
from distcheck.agent.logs.ray_status import read_status
from distcheck.agent.probes import gcs, raylets
from distcheck.agent.probes.proc import Task
from distcheck.agent.probes.ray_proto import decode
from distcheck.agent.probes.raylets import RayletTarget
from distcheck.agent.ray_local import ray_local
from distcheck.agent.ray_rows import of_accessor
from distcheck.checks.evidence import Missing, RayCluster, ray
from distcheck.checks.evidence.ray import RayLocal, RayNode
from distcheck.checks.report import Finding

pytestmark = pytest.mark.xdist_group("ray")

OLD = Path(__file__).parents[2] / ".venv-ray-old/bin/python"
GCS = f"{HEAD}:6379"
HEALTH = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "300",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "5",
}
"""A raylet that is gone is DEAD after 2 s, one whose packets are dropped after 16."""
LEAK = """
import sys, time, ray
from ray.util.placement_group import placement_group
ray.init(address=sys.argv[1], log_to_driver=False)
count, life = int(sys.argv[2]), sys.argv[3] or None
group = placement_group([{"GPU": 1}] * count, lifetime=life, name="leak" if life else "")
group.wait(5 if life else 0.1)
print("made", flush=True)
if not life:
    sys.stdin.read()
"""


def why_not(python: Path) -> str | None:
    """Why these tests cannot run here."""
    missing = (why for tool in ("ip", "nft") if (why := need_root(tool)))
    none = None if python.exists() else f"no Ray in {python.parts[-3]} (make ray-old)"
    return next(missing, none)


class Rays:
    """A head and a worker of one version of Ray, each in its pod."""

    def __init__(self, python: Path, head: Pod, worker: Pod, folder: Path) -> None:
        self.python, self.head, self.worker, self.folder = str(python), head, worker, folder
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def env(self) -> dict[str, str]:
        """Ours, without a token that a real HOME may hold."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        own = {"HOME": str(self.folder), "RAY_AUTH_MODE": "disabled"}
        return kept | own | HEALTH | {"RAY_USAGE_STATS_ENABLED": "0"}

    def ray_start(self, pod: Pod, *words: str) -> None:
        """`ray start --block` in a pod; a worker with a `/tmp/ray` of its own, as pods have."""
        argv = [self.python, "-m", "ray.scripts.scripts", "start", "--block", *words]
        argv += [f"--node-ip-address={pod.ip}", "--num-cpus=1", "--disable-usage-stats"]
        argv += ["--num-gpus=8", "--object-store-memory=80000000"]
        (self.folder / "t").mkdir(exist_ok=True)
        own = ["sh", "-c", f'mount -t tmpfs tmpfs {self.folder}/t && exec "$@"', "sh"]
        argv = argv if pod is self.head else [*own, *argv]
        self.started[pod.ip] = pod.spawn(argv, self.env, self.folder / "ray.log")

    def start(self) -> None:
        """Both, until both have joined."""
        where = ["--port=6379", "--include-dashboard=false", f"--temp-dir={self.folder}/t"]
        self.ray_start(self.head, "--head", *where)
        self.ray_start(self.worker, f"--address={GCS}")
        if not within(60, lambda: len(self.alive()) == 2):
            log = (self.folder / "ray.log").read_text(errors="replace")
            raise RuntimeError(f"Ray did not start: {log[-2000:]}")

    def alive(self) -> dict[str, RayNode]:
        """ALIVE rows by IP."""
        seen = gcs.look(GCS, timeout=2.0)
        return {n.ip: n for n in seen.nodes if n.alive} if isinstance(seen, RayCluster) else {}

    def inside(self, ip: str) -> list[Task]:
        """The processes of one pod."""
        group = self.started[ip].pid
        return [t for t in map(task, Path("/proc").iterdir()) if t and _group(t.pid) == group]

    def local(self, ip: str) -> RayLocal:
        """What runs of Ray in one pod."""
        return ray_local(self.inside(ip), "/proc", "2026-01-15T09:30:00Z")

    def kill(self, ip: str, program: str) -> None:
        """Kill -9, as the kernel does when memory runs out."""
        for one in self.inside(ip):
            if one.title == program:
                os.kill(one.pid, signal.SIGKILL)

    def run(self, text: str, *arguments: str) -> bytes:
        """A program of Ray's own Python in the head's pod; what it prints."""
        argv = self.head.argv(self.python, "-B", "-c", text, *arguments)
        done = subprocess.run(argv, env=self.env, capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr[-800:]
        return b"\n" + done.stdout

    def stop(self) -> None:
        """Everything that was started."""
        for process in self.started.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _group(pid: int) -> int:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return 0


def task(folder: Path) -> Task | None:
    if not folder.name.isdigit():
        return None
    try:
        argv = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return None
    return Task(int(folder.name), 1, tuple(a for a in argv if a), "pod", "container", None)


@pytest.fixture(scope="module", params=[Path(sys.executable), OLD], ids=["new", "2.40"])
def rays(request: pytest.FixtureRequest) -> Iterator[Rays]:
    why = why_not(request.param)
    if why:
        assert os.environ.get("CI") != "true", f"CI {why}"
        pytest.skip(why)
    with ExitStack() as stack:
        head, worker = stack.enter_context(two_pods())
        folder = Path(tempfile.mkdtemp(prefix="dcr"))  # its sockets' paths have to be short
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        made = Rays(request.param, head, worker, folder)
        stack.callback(made.stop)
        made.start()
        yield made


def findings(expect: dict[str, str] | None = None) -> dict[str, Finding]:
    wanted = expect or {"nodes": f"{HEAD},{WORKER}", "gpus": "16"}
    return {f.id: f for f in ray_report(GCS, wanted).report.checks}


def asked(rays: Rays, pod: Pod) -> dict[str, tuple[str, float]]:
    """How each raylet answers a pod: one row of the matrix, by the address that was asked."""
    targets = [
        RayletTarget("", n.ip, n.node_manager_port, "node_manager") for n in rays.alive().values()
    ]
    return {a.ip: (a.outcome, a.seconds) for a in raylets.look(pod.namespace, targets)}


def test_a_real_cluster_is_seen_whole(rays: Rays) -> None:
    found = findings()
    assert {found[i].outcome for i in ("RAY001", "RAY002")} == {"pass"}
    for pod in (rays.head, rays.worker):
        assert {ip: o for ip, (o, _) in asked(rays, pod).items()} == {
            HEAD: "serving",
            WORKER: "serving",
        }


def test_what_runs_in_each_pod_is_what_the_table_has(rays: Rays) -> None:
    seen = gcs.look(GCS)
    assert isinstance(seen, RayCluster)
    for ip, row in rays.alive().items():
        (raylet,) = rays.local(ip).raylets
        assert (raylet.gcs_address, raylet.node_id, raylet.node_ip) == (GCS, row.id, ip)
        assert (raylet.cluster_id, raylet.gpus) == (seen.cluster_id, 8.0)
    local = rays.local(HEAD)
    assert [h.address for h in local.heads] == [GCS]
    assert local.ray_version == seen.version
    assert local.python_version == ".".join(map(str, sys.version_info[:3]))


def test_its_own_image_tells_what_its_gcs_tells(rays: Rays) -> None:
    said = rays.run(ray_exec._INSIDE, GCS, "20")
    line = said.rpartition(ray_exec._MARK)[2].partition(b"\n")[0]
    inside = decode.cluster(GCS, None, of_accessor(json.loads(line)))
    outside = gcs.look(GCS)
    assert isinstance(inside, RayCluster)
    assert isinstance(outside, RayCluster)
    facts = [(n.id, n.ip, n.state, n.gpus, n.is_head, n.node_manager_port) for n in inside.nodes]
    assert sorted(facts) == sorted(
        (n.id, n.ip, n.state, n.gpus, n.is_head, n.node_manager_port) for n in outside.nodes
    )
    assert inside.placement_groups == outside.placement_groups


def test_its_own_status_names_the_same_nodes(rays: Rays) -> None:
    known = {row.id: ip for ip, row in rays.alive().items()}
    said: list[tuple[RayNode, ...] | Missing] = []

    def told() -> bool:
        said.append(read_status(rays.run(ray_exec._STATUS, GCS, "20").decode(), known))
        return not isinstance(said[-1], Missing)

    # Its report is up to five seconds old, and young rows lack their resources for some more.
    assert within(60, told), said[-1]
    nodes = said[-1]
    assert not isinstance(nodes, Missing)
    assert {(n.ip, n.gpus) for n in nodes if n.alive} <= {(HEAD, 8.0), (WORKER, 8.0)}
    assert any(n.alive for n in nodes)


def test_a_worker_that_its_head_cannot_reach_is_found(rays: Rays) -> None:
    with rays.worker.dropping(f"ip saddr {HEAD} tcp flags & (syn | ack) == syn"):
        row = asked(rays, rays.head)
        assert row[WORKER][0] == "no_answer"
        assert {ip: o for ip, (o, _) in asked(rays, rays.worker).items()} == {
            HEAD: "serving",
            WORKER: "serving",
        }
        assert set(rays.alive()) == {HEAD, WORKER}, "and Ray still counts it"


def test_a_worker_told_a_wrong_address_waits_for_it(rays: Rays) -> None:
    before = rays.started[WORKER]
    rays.ray_start(rays.worker, f"--address={HEAD}:6380")
    try:
        assert within(60, lambda: bool(rays.local(WORKER).waiting))
        (start,) = rays.local(WORKER).waiting
        assert start.address == f"{HEAD}:6380"
        assert rays.local(WORKER).ray_version == rays.local(HEAD).ray_version
    finally:
        os.killpg(rays.started[WORKER].pid, signal.SIGKILL)
        rays.started[WORKER].wait()
        rays.started[WORKER] = before


def test_a_group_that_its_dead_driver_left_is_named(rays: Rays) -> None:
    rays.run(LEAK, GCS, "8", "detached")
    argv = rays.head.argv(rays.python, "-c", LEAK, GCS, "16", "")
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, env=rays.env, stdin=pipe, stdout=pipe, stderr=pipe) as driver:
        try:
            assert driver.stdout is not None
            assert driver.stdout.readline() == b"made\n"
            assert within(60, _leaked)
            found = findings({"nodes": "2", "gpus": "16", "world": "16"})["RAY003"]
        finally:
            driver.kill()
    assert (found.outcome, found.cause) == ("fail", "leaked_placement_group")


def _leaked() -> bool:
    seen = gcs.look(GCS)
    groups = seen.placement_groups if isinstance(seen, RayCluster) else ()
    told = () if isinstance(groups, Missing) else groups
    states = {(g.state, g.detached, g.creator_job_dead) for g in told}
    return {("CREATED", True, True), ("PENDING", False, False)} <= states


def test_a_raylet_killed_is_refused_at_once_and_dead_soon(rays: Rays) -> None:
    table = rays.alive()
    rays.kill(WORKER, "raylet")
    target = RayletTarget("", WORKER, table[WORKER].node_manager_port, "node_manager")
    assert within(60, lambda: raylets.look(rays.head.namespace, [target])[0].outcome == "refused")
    assert within(60, lambda: set(rays.alive()) == {HEAD})
    found = findings()["RAY001"]
    assert (found.outcome, found.cause) == ("fail", "node_dead")
    assert "UNEXPECTED_TERMINATION" in found.says


def test_a_gcs_killed_is_refused_in_words(rays: Rays) -> None:
    rays.kill(HEAD, "gcs_server")
    assert within(60, lambda: isinstance(gcs.look(GCS, timeout=2), Missing))
    seen = gcs.look(GCS, timeout=2)
    assert isinstance(seen, Missing)
    assert seen.cause == ray.GCS_REFUSED
