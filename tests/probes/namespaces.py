"""Two network namespaces that are joined, as two pods are, with firewall rules between them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.probes.node_folder import need_root

POD, PEER = "10.213.77.2", "10.213.77.3"
POD6, PEER6 = "fd77:213::2", "fd77:213::3"


def need_namespaces() -> None:
    """Skip, or in CI fail, where this machine has no namespaces or no nftables for us."""
    for tool in ("ip", "nft", "unshare"):
        why = need_root(tool)
        if why:
            assert not os.environ.get("CI"), f"CI {why}"
            pytest.skip(why)


def sh(*words: str, text: str | None = None) -> None:
    """Run a command of the machine."""
    subprocess.run(words, check=True, input=text, text=True, capture_output=True)


def join(one: str, two: str) -> None:
    """Tie two namespaces together: POD is in the first, PEER in the second."""
    veth = f"dc{os.getpid()}"
    sh(
        "ip",
        "link",
        "add",
        f"{veth}a",
        "netns",
        one,
        "type",
        "veth",
        "peer",
        f"{veth}b",
        "netns",
        two,
    )
    for name, end, ip, ip6 in ((one, "a", POD, POD6), (two, "b", PEER, PEER6)):
        run = ("ip", "-n", name)
        sh(*run, "addr", "add", f"{ip}/24", "dev", f"{veth}{end}")
        sh(*run, "addr", "add", f"{ip6}/64", "dev", f"{veth}{end}", "nodad")
        sh(*run, "link", "set", f"{veth}{end}", "up")
        sh(*run, "link", "set", "lo", "up")


@contextmanager
def inside(name: str, *words: str, ends: bool = False) -> Iterator[int]:
    """The pid of a process in that namespace, once it is ready; `ends`: it has to be ended."""
    command = ["ip", "netns", "exec", name, *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process.pid
        finally:
            if ends:
                process.terminate()
            process.stdin.close()
