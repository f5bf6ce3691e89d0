"""What of Ray runs in a pod, by its command lines and the few files beside them.

Command lines are those of Ray 2.9.3 to 2.60.0: `raylet` and `gcs_server` keep theirs, and
mix `-` and `_` in names of flags.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from msgspec import structs

from distcheck.agent.logs.argv import ray_start
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Task
from distcheck.agent.ray_address import flags_of, gcs_address, runs_a_script
from distcheck.agent.ray_packages import Packages, packages_of
from distcheck.checks.evidence.ray import LocalGcs, LocalRaylet, LocalStart, RayLocal

_MOST = 16
_ID = re.compile(r"[0-9a-f]{1,64}\Z")
_PORT_FILE = re.compile(r"([a-z_]{1,40})_port_([0-9a-f]{56})\Z")
_PORT = re.compile(rb"\s{0,4}([0-9]{1,5})\s{0,4}\Z")
_ADDRESS = re.compile(r"[\w.:\[\]-]{1,260}\Z", re.ASCII)
_INTERPRETER = re.compile(r"/[\w./+-]{0,400}/python[0-9.]{0,6}\Z", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?\Z")
_TEMP = "/tmp/ray"
_UNREADABLE = (OSError, ProbeError)
T = TypeVar("T")


def ray_local(tasks: Sequence[Task], proc: str, now: str) -> RayLocal:
    """Raylets, heads and each `ray start` among `tasks`, and what their container tells of them.

    `proc` is the folder that has their file systems. What cannot be read there stays empty.
    """
    raylets = [(t, r) for t in tasks if (r := raylet_of(t)) is not None][:_MOST]
    heads = tuple(h for t in tasks if (h := _head_of(t)) is not None)[:_MOST]
    starts = [(t, s) for t in tasks if (s := _start_of(t)) is not None][:_MOST]
    local = RayLocal(
        raylets=tuple(r for _, r in raylets),
        heads=heads,
        starts=tuple(s for _, s in starts),
        source="command lines in /proc",
        seen_at=now,
    )
    main = next((t for t, _ in (*raylets, *starts)), None)
    return local if main is None else _with_files(local, main, Container(proc, main.pid))


def raylet_of(task: Task) -> LocalRaylet | None:
    """The raylet that `task` is; None for every other process."""
    if _program(task.argv) != "raylet":
        return None
    flags = flags_of(task.argv)
    resources = flags.get("static-resource-list")
    return LocalRaylet(
        pid=task.pid,
        gcs_address=_if(_ADDRESS, flags.get("gcs-address", "")),
        node_id=_if(_ID, flags.get("node-id", "")),
        node_ip=_if(_ADDRESS, flags.get("node-ip-address", "")),
        gpus=None if resources is None else _gpus(resources),
        session=flags.get("session-name", "")[:80],
        cluster_id=_if(_ID, flags.get("cluster-id", "")),
        is_head="head" in flags or "node:__internal_head__" in (resources or ""),
        started_at=task.started_at,
    )


def _head_of(task: Task) -> LocalGcs | None:
    if _program(task.argv) != "gcs_server":
        return None
    flags = flags_of(task.argv)
    address = _if(_ADDRESS, gcs_address(task.argv) or "")
    return LocalGcs(task.pid, address, flags.get("session-name", "")[:80], task.started_at)


def _start_of(task: Task) -> LocalStart | None:
    """A `ray start` itself; a shell whose script has one may be past it."""
    start = None if runs_a_script(task.argv) else ray_start(_as_command(task.argv))
    if start is None:
        return None
    address = _if(_ADDRESS, start.address or "")
    return LocalStart(task.pid, address, start.head, task.started_at)


def _as_command(argv: Sequence[str]) -> Sequence[str]:
    """`python -m ray.scripts.scripts start` as `ray start`."""
    if tuple(argv[1:3]) == ("-m", "ray.scripts.scripts"):
        return ("ray", *argv[3:])
    return argv


def _gpus(resources: str) -> float:
    """`node:10.0.0.2,1.0,CPU,1,GPU,8`; Ray leaves GPU out where there is none."""
    words = resources.split(",")
    told = dict(zip(words[::2], words[1::2], strict=False)).get("GPU", "0")
    return float(told) if _NUMBER.match(told) else 0.0


def _with_files(local: RayLocal, main: Task, container: Container) -> RayLocal:
    found = _or_nothing(lambda: packages_of(main.argv, container)) or Packages()
    flags = flags_of(main.argv)
    temp = flags.get("temp-dir", _TEMP)
    session = flags.get("session-dir", f"{temp}/session_latest")
    node_id = next((r.node_id for r in local.raylets), "")
    current = _or_nothing(lambda: container.read(f"{temp}/ray_current_cluster", 512)) or b""
    return structs.replace(
        local,
        ray_version=found.ray,
        python_version=found.python,
        versions_from=found.source,
        ports=dict(_ports(container, session, node_id)) if node_id else {},
        python=_python(main.argv),
        current_cluster=_if(_ADDRESS, current.decode("utf-8", "replace").strip()),
    )


def _python(argv: Sequence[str]) -> str:
    """The interpreter of Ray's workers, as a raylet is told it, or the one of a `ray start`."""
    word = flags_of(argv).get("python-worker-command", argv[0]).partition(" ")[0]
    return word if _INTERPRETER.match(word) else ""


def _ports(container: Container, session: str, node_id: str) -> Iterator[tuple[str, int]]:
    """Ray 2.60's files `<component>_port_<node id>`; -1 in one of them means none."""
    wanted = _or_nothing(lambda: container.named(session, _PORT_FILE.match)) or ([], True)
    for name in wanted[0][: _MOST * _MOST]:
        kind, of = _PORT_FILE.match(name).groups()  # type: ignore[union-attr]
        if of != node_id:
            continue
        text = _or_nothing(lambda name=name: container.read(f"{session}/{name}", 64)) or b""  # type: ignore[misc]
        port = _PORT.match(text)
        if port is not None and 0 < int(port[1]) < 1 << 16:
            yield kind, int(port[1])


def _or_nothing(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except _UNREADABLE:
        return None


def _program(argv: Sequence[str]) -> str:
    return argv[0].rpartition("/")[2] if argv else ""


def _if(form: re.Pattern[str], text: str) -> str:
    return text if form.match(text) else ""
