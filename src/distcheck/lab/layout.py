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
SLICE_MEMORY = 40 * (1 << 30)
"""Of a `3g.40gb` slice, half of a GPU."""
NODES: tuple[NodeName, ...] = ("gpu-a", "gpu-b")
VLLM = "0.10.2"
NCCL = "2.27.3"
API, GCS, RAYLET, COORDINATOR, CORE, WORKER = 1, 38, 97, 118, 142, 310
"""Numbers of processes in every container; of cores and workers that of the first."""

_PIDS_APART = 3
"""Other processes of the node start between those of a container."""


class Member(Struct, frozen=True):
    """A pod of the group and its node folder; `base_pid` is where the node's numbers begin.

    `later` is how much further the numbers in its container are than in a first start.
    """

    pod: str
    node: NodeName
    ip: str
    uid: str
    base_pid: int
    folder: Path
    later: int = 0

    @property
    def leader(self) -> bool:
        """Whether this is the pod with the Ray head, or with the API server."""
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

    def host_pid(self, pid: int) -> int:
        """The node's number of the process that is `pid` in its container."""
        return self.base_pid + _PIDS_APART * pid

    def gpu_uuid(self, gpu: int) -> str:
        """The GPU's UUID, as NVML writes it."""
        return f"GPU-{self.uid[:8]}-0000-4000-8000-{gpu:012x}"

    def slice_uuid(self, number: int) -> str:
        """A MIG slice's UUID, as NVML writes it."""
        return f"MIG-{self.uid[:8]}-0000-5000-8000-{number:012x}"


class Rank(Struct, frozen=True):
    """One rank of one engine: its place in the model, and the process that is it.

    `rank` counts over all copies. `local` is its number in the pod, which CUDA counts by, and
    `gpu` the one that NVML counts by.
    """

    engine: int
    rank: int
    tp_rank: int
    pp_rank: int
    dp_rank: int
    member: Member
    local: int
    gpu: int
    alone: bool = False

    @property
    def pid(self) -> int:
        """Its process in its container; an engine of one rank is that rank itself."""
        return self.member.later + (CORE if self.alone else WORKER) + 7 * self.local

    @property
    def host_pid(self) -> int:
        """Its process on its node."""
        return self.member.host_pid(self.pid)


class Layout(Struct, frozen=True):
    """The lab's group, ready to be written: addresses, ports and times are real.

    Without Ray there is no `gcs_port`.
    """

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

    def engine(self, rank: Rank) -> Engine:
        """The engine that the rank is of."""
        return self.world.engines[rank.engine]

    def ranks(self) -> Iterator[Rank]:
        """All ranks of all engines, in order."""
        for number, engine in enumerate(self.world.engines):
            yield from (self._rank(number, engine, rank) for rank in range(engine.ranks))

    def ranks_on(self, member: Member) -> list[Rank]:
        """The ranks of one pod."""
        idle = self.world.idle == member.node
        return [] if idle else [r for r in self.ranks() if r.member.pod == member.pod]

    def running_on(self, member: Member) -> list[Rank]:
        """Those of them whose processes are there now."""
        there = (r for r in self.ranks_on(member) if r.rank not in self.world.gone)
        return [r for r in there if self.engine(r).runs]

    def _rank(self, number: int, engine: Engine, rank: int) -> Rank:
        node, local = divmod(rank, self.world.gpus_per_pod)
        order = [int(n) for n in self.world.visible.split(",") if n]
        copy, place = divmod(rank, engine.tp * engine.pp)
        return Rank(
            engine=number,
            rank=rank,
            tp_rank=place % engine.tp,
            pp_rank=place // engine.tp,
            dp_rank=copy,
            member=self.member(engine.nodes[node]),
            local=local,
            gpu=order[local] if order else local,
            alone=not self.world.ray and engine.tp * engine.pp == 1,
        )

    def at(self, seconds: float) -> datetime:
        """The moment `seconds` after the containers started."""
        return self.started + timedelta(seconds=seconds)


def make_members(scene: Scene, root: Path, subnet: str) -> tuple[Member, ...]:
    """The scene's pods, with folders under `root` and addresses in `subnet` (`127.77.0`).

    A LeaderWorkerSet names its workers after their leader; replicas are counted.
    """
    apart = "vllm-head-0-1" if scene.leader_worker_set else "vllm-head-1"
    worker = "vllm-worker-0" if scene.ray else apart
    pods = (
        ("vllm-head-0", "5f0c2f64-6a53-4d0b-9a6e-0c4f3e1d7a10", 41_000),
        (worker, "c1b7a2de-91f4-4a77-8f3c-55d20e9b4b21", 52_000),
    )
    return tuple(
        Member(pod, node, f"{subnet}.{2 + number}", uid, base, root / node)
        for number, (node, (pod, uid, base)) in enumerate(zip(scene.nodes, pods, strict=False))
    )


def now() -> datetime:
    """The present, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
