"""Lines of `/proc` that name a process's pod, container, numbers and start. Pure and total."""

import os
import re
from datetime import UTC, datetime

_POD = re.compile(
    r"(?<![a-z0-9])pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-f])"
)
_CONTAINER = re.compile(r"([0-9a-f]{64})")
_MONITOR = "crio-conmon-"
_NUMBERS = re.compile(r"^NSpid:([\t 0-9]{1,400})$", re.MULTILINE)
_NAMED = re.compile(r"^\S+ \S+ \S+ \S*/containers/([a-z0-9-]{1,63})/[0-9a-f]{8} ", re.MULTILINE)
_MAX_NUMBER = 10


def pod_of(cgroup: str, within: int = 0) -> tuple[str, str]:
    """(pod uid, container id) that `/proc/PID/cgroup` names; empty where it names none.

    Shapes of the systemd and cgroupfs drivers, v1 and v2, containerd, CRI-O and kind; the
    systemd driver writes the uid with underscores (kubelet, cgroup_manager_linux.go). CRI-O's
    monitor of a container may be in the pod's cgroup, but it is a process of the node.

    The outermost pod counts: a container that may write cgroups could name any other below
    its own. `within` is how many pods the node itself is in, as with a cluster in a pod.
    """
    for line in cgroup.splitlines():
        path = line.split(":", 2)[-1]
        found = list(_POD.finditer(path))[within:]
        if found and _MONITOR not in path:
            container = _CONTAINER.search(path, found[0].end())
            return found[0][1].replace("_", "-"), container[1] if container else ""
    return "", ""


def pods_around(own: str) -> int:
    """Pods that the node is in, from the cgroup of a process that is in one of its own pods."""
    paths = (line.split(":", 2)[-1] for line in own.splitlines())
    return max(0, max((len(_POD.findall(path)) for path in paths), default=0) - 1)


def ns_pids_of(status: str) -> tuple[int, ...]:
    """A process's numbers from `/proc/PID/status`: the node's first, its container's last.

    The kernel escapes line breaks in the name of a process, which the first line quotes
    (fs/proc/array.c), so no name can pretend to be this line.
    """
    found = _NUMBERS.search(status)
    numbers = found[1].split() if found else []
    return tuple(int(n) for n in numbers if len(n) <= _MAX_NUMBER)


def container_of(mountinfo: str) -> str:
    """The container's name in its pod, from `/proc/PID/mountinfo`; empty where no mount has it.

    The kubelet mounts a file of its own, `.../pods/UID/containers/NAME/XXXXXXXX`, for the
    termination message (kuberuntime_container.go); the fourth field is that path.
    """
    found = _NAMED.search(mountinfo)
    return found[1] if found else ""


def stat_of(stat: str, boot: float) -> tuple[int, str | None]:
    """(parent, RFC 3339 start) from `/proc/PID/stat`; field 22 counts ticks since boot."""
    fields = stat.rpartition(")")[2].split()
    try:
        ppid, ticks = int(fields[1]), int(fields[19])
    except (IndexError, ValueError):
        return 0, None
    try:
        moment = datetime.fromtimestamp(boot + ticks / os.sysconf("SC_CLK_TCK"), UTC)
    except (OverflowError, ValueError, OSError):
        return ppid, None
    return ppid, f"{moment:%Y-%m-%dT%H:%M:%SZ}" if boot else None
