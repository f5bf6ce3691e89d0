"""What each tier of rights sees and gives up, as docs/agent.md says: with real capabilities."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Evidence, Missing, PodLook, Processes, ShmMount
from distcheck.checks.evidence.node import Connection
from distcheck.checks.evidence.rdma import RdmaAccess
from tests.deploy.manifests import TIERS, capabilities, of_tier
from tests.evidence_builder import change_looks, healthy
from tests.probes.kubelet import kubelet, reply
from tests.probes.node_folder import need_root

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "agent.md").read_text()
DOCKER = "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw"
TARGETS = {
    "somebody": "--reuid=1000 --regid=1000 --clear-groups --bounding-set=-all",
    "root in a container": f"--bounding-set=-all,+{DOCKER.replace(',', ',+')}",
    "privileged": "--clear-groups",
}
ROWS = {
    "which GPUs the kubelet gave": "kubelet",
    "logs under `/var/log/pods`": "logs",
    "processes: their container": "processes",
    "established connections": "connections",
    "the size of `/dev/shm`": "shm size",
    "the use of `/dev/shm`": "shm use",
    "the engine's environment": "environment",
    "files in containers": "files",
    "from inside a pod's network": "inside",
}


def told(start: str) -> dict[str, str]:
    """A row of the table by tier."""
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ")]
    row = next(r for r in rows if r[0].strip().startswith(start))
    return dict(zip(TIERS, (cell.strip() for cell in row[1:]), strict=True))


@pytest.mark.parametrize("tier", TIERS)
def test_the_page_names_the_capabilities_of_each_tier(tier: str) -> None:
    names = sorted(capabilities(of_tier(tier))) or ["none"]
    assert sorted(told("capabilities")[tier].split(", ")) == names


@contextmanager
def target(setpriv: str) -> Iterator[int]:
    """A process with its own mounts and network."""
    script = f"mount -t tmpfs -o size=1m tmpfs /dev/shm && exec setpriv {setpriv} sleep 60"
    command = ["unshare", "-m", "-n", "sh", "-c", script]
    with subprocess.Popen(command) as process:
        try:
            while b"sleep" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()[:5]:
                assert process.poll() is None
                time.sleep(0.02)
            yield process.pid
        finally:
            process.kill()


def seen_with(names: set[str], files: list[Path], pids: list[int]) -> dict[str, list[str]]:
    """What the agent's looks see as root with these capabilities and no other."""
    bounds = ",".join(["-all", *(f"+{n.lower()}" for n in sorted(names))])
    command = ["setpriv", f"--bounding-set={bounds}", "--inh-caps=-all", "--no-new-privs"]
    command += [sys.executable, str(ROOT / "tests" / "deploy" / "rights.py")]
    given = [*map(str, files), *map(str, pids)]
    done = subprocess.run([*command, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, list[str]] = json.loads(done.stdout)
    return seen


def owned(path: Path, uid: int, mode: int) -> Path:
    path.write_text("NCCL INFO")
    os.chown(path, uid, uid)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("tier", TIERS)
def test_real_processes_show_what_the_page_says(tmp_path: Path, tier: str) -> None:
    for tool in ("setpriv", "unshare"):
        if why := need_root(tool):
            assert not os.environ.get("CI"), f"CI {why}"
            pytest.skip(why)
    wanted = {look for row, look in ROWS.items() if told(row)[tier] == "yes"}
    file = owned(tmp_path / "worker.out", 1000, 0o600)
    log = owned(tmp_path / "0.log", 0, 0o640)
    with ExitStack() as stack:
        sock = stack.enter_context(kubelet(tmp_path, reply())) / "kubelet.sock"
        sock.chmod(0o600)
        pids = [stack.enter_context(target(t)) for t in TARGETS.values()]
        seen = seen_with(capabilities(of_tier(tier)), [file, log, sock], pids)
    assert {who: set(s) for who, s in zip(TARGETS, seen.values(), strict=True)} == dict.fromkeys(
        TARGETS, wanted
    )


GONE = Missing("not of this tier")
Change = Callable[[PodLook], PodLook]


def _no_probes(look: PodLook) -> PodLook:
    return replace(look, ports=GONE, engine_http=GONE, names=GONE)


def _no_files(look: PodLook) -> PodLook:
    """Ray's workers print into files of their containers, and nowhere else."""
    assert isinstance(look.processes, Processes)
    assert isinstance(look.shm, ShmMount)
    assert isinstance(look.rdma, RdmaAccess)
    bare = tuple(replace(p, visible={}) for p in look.processes.processes)
    return replace(
        _no_probes(look),
        processes=replace(look.processes, environ={}, environ_pid=None, processes=bare),
        shm=replace(look.shm, used_bytes=None),
        rdma=replace(look.rdma, verbs=GONE, devices=()),
        **dict.fromkeys(("nccl", "model", "draft", "engine_folder"), GONE),
    )


SEES: dict[str, Change] = {
    "no capabilities": _no_files, "default": _no_probes, "port probes": lambda look: look,
}  # fmt: skip


def serving() -> Evidence:
    """A group at work: the pods hold connections to Ray's head, its raylets, and each other."""
    head, worker = (str(p.ip) for p in healthy().pods)
    held = (
        Connection(worker, 50001, head, 6379),
        Connection(worker, 50002, head, 41000),
        Connection(worker, 40001, head, 50003),
        Connection(worker, 50004, head, 45000),
    )
    there = tuple(Connection(c.remote, c.remote_port, c.local, c.local_port) for c in held)
    by_pod = dict(zip((p.key for p in healthy().pods), (there, held), strict=True))
    return change_looks(healthy(), lambda look: replace(look, connections=by_pod[look.pod]))


def lost(evidence: Evidence, tier: str) -> str:
    """Checks that every right would decide, and this tier's do not."""
    less = change_looks(evidence, SEES[tier])
    undecided = [
        check.id
        for check in catalog()
        if check.judge_evidence(evidence).outcome in ("pass", "warn", "fail")
        and check.judge_evidence(less).outcome == "unknown"
    ]
    return ", ".join(sorted(undecided)) or "none"


@pytest.mark.parametrize("tier", TIERS)
def test_the_page_names_the_checks_that_each_tier_gives_up(tier: str) -> None:
    assert told("not decided, for a Ray group")[tier] == lost(serving(), tier)
    assert told("not decided, for one whose pods")[tier] == lost(healthy(), tier)
