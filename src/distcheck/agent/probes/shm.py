"""`/dev/shm` as mounted in a container."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence import ShmMount

_POINT = "/dev/shm"
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"(?:\A|,)size=([0-9]{1,18})([kmg]?)(?:,|\Z)", re.IGNORECASE)
_MAX = 1 << 20
Space = Callable[[Path], os.statvfs_result]
_LEFT = 6
"""Fields of a line before the optional ones (proc_pid_mountinfo(5))."""


def statvfs(path: Path) -> os.statvfs_result:
    """What the file system at `path` says of its size and use."""
    return os.statvfs(path)


def look(
    proc: str, pid: int, seen_at: str, space: Space = statvfs, point: str = _POINT
) -> ShmMount:
    """The mount at `point` in the mount namespace of process `pid`, from its `mountinfo`.

    The size is the mount's own option. What is used, and the size where no option says it,
    is asked of the file system, where it can be reached and is the same device.

    Raises:
        ProbeError: no tmpfs is mounted there, or its size is not to be seen.
        OSError: the process is gone.
    """
    text = _mountinfo(proc, pid)
    device, source, size = parse(text, point)
    found = _space(Path(proc) / str(pid) / "root" / point.lstrip("/"), device, space)
    if size is None and found is None:
        raise ProbeError(f"the mount at {point} does not say its size, and cannot be reached")
    total = size or (found.f_blocks * found.f_frsize if found else 0)
    used = None if found is None else (found.f_blocks - found.f_bfree) * found.f_frsize
    cited = f"{point} of pid {pid}: tmpfs {source} size={total >> 10}k (mountinfo)"
    return ShmMount(total, source, cited, used, seen_at, mps=is_of_mps(text))


def volume_of(proc: str, uid: str) -> str:
    """Where the node mounts the volume of a pod that is meant for its `/dev/shm`.

    It is the pod's only emptyDir in memory, or the only one that has `shm` in its name
    (kubelet, `pods/UID/volumes/kubernetes.io~empty-dir/NAME`); the mount lives as long as the
    pod, with or without a process.

    Raises:
        ProbeError: there is none, or it is not to be told which.
        OSError: the node's own mounts cannot be read.
    """
    form = re.compile(rf"\S*/pods/{re.escape(uid)}/volumes/kubernetes\.io~empty-dir/([^/\s]+)\Z")
    lines = (line.partition(" - ") for line in _mountinfo(proc, 1).splitlines())
    mounts = [
        b.split()[4] for b, _, a in lines if a.startswith("tmpfs ") and len(b.split()) >= _LEFT
    ]
    found = {m[1]: point for point in mounts if (m := form.match(point))}
    likely = [point for name, point in found.items() if len(found) == 1 or "shm" in name]
    if len(likely) != 1:
        raise ProbeError("the node mounts no volume that is surely the /dev/shm of the pod")
    return likely[0]


def device(proc: str, pid: int, point: str = _POINT) -> str:
    """The device of the mount that process `pid` has at `point`, `major:minor`.

    Raises:
        ProbeError: no tmpfs is mounted there.
        OSError: the process is gone.
    """
    return parse(_mountinfo(proc, pid), point)[0]


def is_of_mps(mountinfo: str) -> bool:
    """Whether the NVIDIA device plugin mounted its MPS daemon's `/dev/shm` over the pod's.

    It mounts the daemon's pipes at `/mps` beside it (k8s-device-plugin, internal/plugin/mps.go).
    """
    points = [m[4] for line in mountinfo.splitlines() if len(m := line.split()) > _LEFT]
    return points.count(_POINT) > 0 and any(p == "/mps" or p.startswith("/mps/") for p in points)


def _mountinfo(proc: str, pid: int) -> str:
    with (Path(proc) / str(pid) / "mountinfo").open("rb") as file:
        return file.read(_MAX).decode("utf-8", "replace")


def parse(mountinfo: str, point: str = _POINT) -> tuple[str, str, int | None]:
    """(device `major:minor`, source, size in bytes) of the last mount at `point`.

    Later mounts cover earlier ones at the same point (proc(5)). A tmpfs without a `size`
    option, as the host's own, has half of the machine's memory: None.

    Raises:
        ProbeError: there is no such mount, or it is no tmpfs.
    """
    lines = mountinfo.splitlines()
    found = [m for line in lines if (m := _mount(line, point)) is not None]
    if not found:
        raise ProbeError(f"nothing is mounted at {point} in the container")
    device, kind, source, options = found[-1]
    if kind != "tmpfs":
        raise ProbeError(f"{point} is a {kind}, not a tmpfs")
    return device, source, _size(options)


def _mount(line: str, point: str) -> tuple[str, str, str, str] | None:
    before, dash, after = line.partition(" - ")
    left, right = before.split(), after.split()
    if not dash or len(left) < _LEFT or len(right) < 3 or left[4] != point:
        return None
    return left[2], right[0], right[1], right[2]


def _size(options: str) -> int | None:
    found = _SIZE.search(options)
    return int(found[1]) * _UNITS[found[2].lower()] if found else None


def _space(path: Path, device: str, space: Space) -> os.statvfs_result | None:
    try:
        made = path.stat().st_dev
        if f"{os.major(made)}:{os.minor(made)}" != device:
            return None
        return space(path)
    except OSError:
        return None
