"""Two pods with a network of their own each, and this test's machine as a third on it.

Nothing of it is simulated: network namespaces, veth pairs, and one bridge in the head's.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from msgspec import Struct

_NET = f"10.213.{os.getpid() % 250}"
HERE, HEAD, WORKER = f"{_NET}.1", f"{_NET}.2", f"{_NET}.3"


def sh(*words: str, text: str | None = None) -> None:
    subprocess.run(words, check=True, input=text, text=True, capture_output=True)


class Pod(Struct, frozen=True):
    """One network namespace."""

    name: str
    ip: str

    def argv(self, *words: str) -> list[str]:
        """The command that runs `words` inside."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str, text: str | None = None) -> None:
        """Run it and wait."""
        sh(*self.argv(*words), text=text)

    def spawn(
        self, words: Sequence[str], env: dict[str, str], log: Path
    ) -> "subprocess.Popen[bytes]":
        """Run it in a process group of its own."""
        with log.open("ab") as out:
            return subprocess.Popen(
                self.argv(*words), env=env, stdout=out, stderr=out, start_new_session=True
            )

    def end(self) -> None:
        """End every process inside: one that stays would keep the network."""
        pids = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, check=True)
        for pid in map(int, pids.stdout.split()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @property
    def namespace(self) -> Path:
        """The file that a thread enters it by."""
        return Path("/run/netns") / self.name

    @contextmanager
    def dropping(self, *rules: str) -> Iterator[None]:
        """What `rules` (nft) match is dropped on its way in."""
        chain = "\n".join(f"{r} drop" for r in rules)
        table = f"table inet cut {{ chain in {{ type filter hook input priority 0;\n{chain}\n}}\n}}"
        self.run("nft", "-f", "-", text=table)
        try:
            yield
        finally:
            self.run("nft", "delete", "table", "inet", "cut")


@contextmanager
def two_pods() -> Iterator[tuple[Pod, Pod]]:
    """The head's and the worker's."""
    mark = f"dr{os.getpid()}"
    head, worker = Pod(f"{mark}-head", HEAD), Pod(f"{mark}-worker", WORKER)
    with ExitStack() as stack:
        for pod in (head, worker):
            sh("ip", "netns", "add", pod.name)
            stack.callback(sh, "ip", "netns", "del", pod.name)
            stack.callback(pod.end)
        head.run("ip", "link", "add", "br0", "type", "bridge")
        sh(
            "ip",
            "link",
            "add",
            f"{mark}h",
            "type",
            "veth",
            "peer",
            "name",
            "p0",
            "netns",
            head.name,
        )
        stack.callback(sh, "ip", "link", "del", f"{mark}h")
        worker.run(
            "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "p1", "netns", head.name
        )
        for port in ("p0", "p1"):
            head.run("ip", "link", "set", port, "master", "br0", "up")
        sh("ip", "address", "add", f"{HERE}/24", "dev", f"{mark}h")
        sh("ip", "link", "set", f"{mark}h", "up")
        for pod, device in ((head, "br0"), (worker, "eth0")):
            pod.run("ip", "address", "add", f"{pod.ip}/24", "dev", device)
            pod.run("ip", "link", "set", device, "up")
            pod.run("ip", "link", "set", "lo", "up")
        yield head, worker
