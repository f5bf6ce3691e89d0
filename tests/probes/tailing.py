"""A tailer over a node folder, driven by hand: time passes only when a test says so."""

import itertools
from pathlib import Path

from msgspec.structs import replace
from tests.probes.node_folder import UID, Node

from distcheck.agent.logs.distil import Distilled
from distcheck.agent.node import NodeAgent
from distcheck.agent.probes.nvml import Nvml
from distcheck.checks.evidence import Missing, NcclLog
from distcheck.lab.nvml import LabNvml

_LINE = (
    "vllm-head-0:77:90 [0] NCCL INFO ncclCommInitRank comm 0x55a00001 rank {rank} nranks 8 "
    "cudaDev 0 nvmlDev 0 busId 1b000 commId 0x5dca21b0e1f3aa07 - Init {what}\n"
)
_STAMPS = itertools.count()


def init(rank: int) -> str:
    """A rank that starts and completes a communicator."""
    pid = f"vllm-head-0:{77 + rank}:90"
    both = _LINE.format(rank=rank, what="START") + _LINE.format(rank=rank, what="COMPLETE")
    return both.replace("vllm-head-0:77:90", pid)


def cri(text: str) -> str:
    """As containerd writes it; no two lines have the same time."""
    return "".join(
        f"2026-01-15T09:20:00.{next(_STAMPS):09}Z stdout F {line}\n" for line in text.splitlines()
    )


def ranks(log: NcclLog) -> list[int]:
    return sorted(r.rank for c in log.communicators for r in c.ranks)


class Tailing:
    """A node with one serving pod, whose logs are followed."""

    def __init__(self, root: Path, *, state: str = "") -> None:
        self.node = Node(root).start()
        self.node.process(77, ["ray::RayWorkerWrapper"])
        (root / "container/tmp/ray/session_latest/logs").mkdir(parents=True)
        self.state, self.now = state, 0.0
        self.tailer = self.agent().tail

    @classmethod
    def over(cls, node: Node) -> "Tailing":
        """The logs of a node that is there already."""
        self = cls.__new__(cls)
        self.node, self.state, self.now = node, "", 0.0
        self.tailer = self.agent().tail
        return self

    def agent(self) -> NodeAgent:
        """Another agent of the node, as after a restart."""
        settings = replace(self.node.settings, state=self.state)
        nvml = Nvml(LabNvml(self.node.root / "nvml.json"))
        return NodeAgent(settings, nvml, lambda _address: Missing("no GCS here"))

    def restart(self) -> "Tailing":
        """The agent ends and another one begins."""
        self.tailer.stop(1)
        self.tailer.save()
        self.tailer = self.agent().tail
        return self

    def restart_without_saving(self) -> "Tailing":
        """The agent is killed, and another one begins."""
        self.tailer = self.agent().tail
        return self

    def tick(self, seconds: float = 20) -> "Tailing":
        """Time passes, and the tailer looks once."""
        self.now += seconds
        self.tailer.tick(self.now)
        return self

    def shown(self, uid: str = UID) -> Distilled:
        return self.tailer._pods[uid].shown()

    @property
    def ranks(self) -> list[int]:
        return ranks(self.shown().nccl)

    @property
    def dropped(self) -> tuple[str, ...]:
        return self.shown().nccl.dropped
