"""Who is who in the lab: nodes, pods, addresses, process ids, ranks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

from distcheck.lab.scenario import Engine, NodeName, Scene

NAMESPACE = "llm"
AGENT_NAMESPACE = "distcheck"
GPUS = 8
GPU_MEMORY = 80 * (1 << 30)
MODEL_PATH = "/models/Llama-3.1-70B-Instruct"
NODES: tuple[NodeName, ...] = ("gpu-a", "gpu-b")
VLLM = "0.10.2"
NCCL = "2.27.3"


class Member(Struct, frozen=True):
    """A pod of the group and its node folder. Process ids are the node's."""

    pod: str
    node: NodeName
    ip: str
    uid: str
    base_pid: int
    folder: Path

    @property
    def leader(self) -> bool:
        """Whether this is the pod with the Ray head."""
        return self.pod == "vllm-head-0"

    @property
    def workload(self) -> str:
        """The StatefulSet that owns the pod."""
        return self.pod.rsplit("-", 1)[0]

    @property
    def container_root(self) -> Path:
        """The container's file system, as a folder."""
        return self.folder / "containers" / self.pod

    @property
    def container_id(self) -> str:
        """64 hexadecimal digits, as containerd gives them."""
        return (self.uid.replace("-", "") * 2)[:64]

    def worker_pid(self, gpu: int) -> int:
        """The process of the rank on GPU `gpu`."""
        return self.base_pid + 100 + gpu

    def gpu_uuid(self, gpu: int) -> str:
        """The GPU's UUID, as NVML writes it."""
        return f"GPU-{self.uid[:8]}-0000-4000-8000-{gpu:012x}"


class Rank(Struct, frozen=True):
    """One rank of one engine: its place in the model, and the process that is it."""

    engine: int
    rank: int
    tp_rank: int
    pp_rank: int
    member: Member
    gpu: int

    @property
    def pid(self) -> int:
        """The rank's process on its node."""
        return self.member.worker_pid(self.gpu)


class Layout(Struct, frozen=True):
    """The lab's group, ready to be written: addresses, ports and times are real."""

    world: Scene
    members: tuple[Member, ...]
    gcs_port: int
    rendezvous_port: int
    started: datetime

    @property
    def head(self) -> Member:
        """The leader."""
        return self.members[0]

    def member(self, node: NodeName) -> Member:
        """The pod on `node`."""
        return next(m for m in self.members if m.node == node)

    def ranks(self) -> Iterator[Rank]:
        """All ranks of all engines, in order."""
        for number, engine in enumerate(self.world.engines):
            yield from self._ranks_of(number, engine)

    def _ranks_of(self, number: int, engine: Engine) -> Iterator[Rank]:
        for rank in range(engine.tp * engine.pp):
            member = self.member(engine.nodes[rank // GPUS])
            yield Rank(number, rank, rank % engine.tp, rank // engine.tp, member, rank % GPUS)

    def at(self, seconds: float) -> datetime:
        """The moment `seconds` after the containers started."""
        return self.started + timedelta(seconds=seconds)


def make_members(root: Path, subnet: str) -> tuple[Member, ...]:
    """The two pods, with folders under `root` and addresses in `subnet` (`127.77.0`)."""
    return (
        Member(
            "vllm-head-0",
            "gpu-a",
            f"{subnet}.2",
            "5f0c2f64-6a53-4d0b-9a6e-0c4f3e1d7a10",
            41_000,
            root / "gpu-a",
        ),
        Member(
            "vllm-worker-0",
            "gpu-b",
            f"{subnet}.3",
            "c1b7a2de-91f4-4a77-8f3c-55d20e9b4b21",
            52_000,
            root / "gpu-b",
        ),
    )


def now() -> datetime:
    """The present, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
