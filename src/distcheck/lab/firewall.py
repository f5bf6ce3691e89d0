"""Packets dropped by source and destination: nftables in a network namespace of the lab's own."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from distcheck.lab.layout import Member
from distcheck.lab.scenario import Drop

if TYPE_CHECKING:
    from distcheck.lab.ray import LabRay

_CLONE_NEWNET = 0x40000000
_TOOLS = ("ip", "nft")
_NEEDS = "it drops packets by nftables in a network namespace of its own"


def why_not() -> str:
    """What this machine lacks for a firewall; empty where it has all."""
    if os.geteuid() != 0:
        return f"{_NEEDS}: run it as root"
    lacking = [tool for tool in _TOOLS if shutil.which(tool) is None]
    return f"{_NEEDS}: install {' and '.join(lacking)}" if lacking else ""


@contextmanager
def own_network() -> Iterator[None]:
    """This thread, and what it starts, in a new network namespace with loopback up.

    Raises:
        OSError: the kernel grants no namespace.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("unshare", _CLONE_NEWNET)
        try:
            _run("ip", "link", "set", "lo", "up")
            yield
        finally:
            _call("setns", home, _CLONE_NEWNET)
    finally:
        os.close(home)


def drop(rules: Sequence[Drop], members: Sequence[Member], ray: "LabRay") -> None:
    """From now on, in this thread's namespace."""
    lines = "\n".join(line for rule in rules for line in _lines(rule, members, ray))
    chain = f"chain out {{\ntype filter hook output priority 0\n{lines}\n}}"
    _run("nft", "-f", "-", text=f"table inet distcheck {{\n{chain}\n}}\n")


def _lines(rule: Drop, members: Sequence[Member], ray: "LabRay") -> Iterator[str]:
    """SYNs alone: what answers one from the other side goes through, as with a stateful one."""
    ips = {m.node: m.ip for m in members}
    source, target = ips[rule.source], ips[rule.to]
    raylets = (p for p in ray.node_ports().get(target, ()) if p != ray.gcs_port)
    for port in (ray.gcs_port,) if rule.service == "gcs" else raylets:
        where = f"ip saddr {source} ip daddr {target} tcp dport {port}"
        yield f"{where} tcp flags & (syn | ack) == syn drop"


def _call(name: str, *words: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*words) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _run(tool: str, *words: str, text: str = "") -> None:
    path = shutil.which(tool) or tool
    done = subprocess.run(  # noqa: S603 - found in PATH
        [path, *words], check=False, input=text.encode(), capture_output=True
    )
    if done.returncode:
        raise OSError(f"{tool}: {done.stderr.decode(errors='replace').strip()}")
