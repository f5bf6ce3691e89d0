"""NCCL log text of our own making: a job of any size, with the parts that a test changes."""

from collections.abc import Iterable, Iterator

HOSTS = ("vllm-head-0", "vllm-worker-0")
COMM = "0x5dca21b0e1f3aa07"


def head(host: str, pid: int, dev: int, level: str = "INFO") -> str:
    return f"{host}:{pid}:{pid + 500} [{dev}] NCCL {level}"


def job(
    *,
    hosts: Iterable[str] = HOSTS,
    per_host: int = 8,
    network: str = "IB",
    transport: str | None = "NET/IB/{nic}/GDRDMA",
    complete: Iterable[int] | None = None,
    shown: Iterable[int] | None = None,
) -> list[str]:
    """The lines of one communicator of all ranks; ranks not in `shown` write nothing."""
    names = tuple(hosts)
    world = len(names) * per_host
    done = set(range(world) if complete is None else complete)
    seen = set(range(world) if shown is None else shown)
    lines: list[str] = []
    for rank in sorted(seen):
        host, dev = names[rank // per_host], rank % per_host
        lines += _rank(host, dev, rank, world, nodes=len(names), network=network, done=rank in done)
        lines += _channels(host, dev, rank, world, per_host, transport)
        lines.append(f"{head(host, 200 + dev, dev)} Connected all rings, use ring PXN 0 GDR 1")
    return lines


def _rank(
    host: str, dev: int, rank: int, world: int, *, nodes: int, network: str, done: bool
) -> Iterator[str]:
    at = head(host, 200 + dev, dev)
    who = f"ncclCommInitRank comm 0x55a0{rank:04x} rank {rank} nranks {world} cudaDev {dev}"
    tail = f"nvmlDev {dev} busId {0x18000 + dev * 0x1000:x} commId {COMM} - Init"
    yield f"{at} Bootstrap: Using eth0:10.244.{rank % 7}.9<0>"
    yield f"{at} NCCL version 2.27.3+cuda12.9"
    yield f"{at} NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB eth0:10.244.3.9<0>"
    yield f"{at} Using network {network}"
    yield f"{at} {who} {tail} START"
    yield (
        f"{at} comm 0x55a0{rank:04x} rank {rank} nRanks {world} nNodes {nodes} "
        f"localRanks {world // nodes} localRank {dev} MNNVL 0"
    )
    if done:
        yield f"{at} {who} {tail} COMPLETE"


def _channels(
    host: str, dev: int, rank: int, world: int, per_host: int, transport: str | None
) -> Iterator[str]:
    at, after = head(host, 200 + dev, dev), (rank + 1) % world
    if after // per_host == rank // per_host:
        yield f"{at} Channel 00/0 : {rank}[{dev}] -> {after}[{after % per_host}] via P2P/CUMEM"
    elif transport is not None:
        via = transport.format(nic=0)
        yield f"{at} Channel 00/0 : {rank}[{dev}] -> {after}[0] [send] via {via}"
    before = (rank - 1) % world
    if transport is not None and before // per_host != rank // per_host:
        via = transport.format(nic=0)
        yield f"{at} Channel 00/0 : {before}[7] -> {rank}[{dev}] [receive] via {via}"


def text(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
