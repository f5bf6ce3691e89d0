"""Logs of our own making, as large as wanted, with the mixture of lines that real ones have."""

from collections.abc import Iterator

HOSTS, PER_HOST, CHANNELS, COMMUNICATORS = 8, 8, 24, 6
RANKS = HOSTS * PER_HOST
_STILL = (
    "NCCL_SOCKET_IFNAME set by environment to eth0",
    "NET/Plugin: Could not find: libnccl-net.so. Using internal network plugin.",
    "NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB [2]mlx5_2:1/IB [RO]; OOB eth0:10.0.0.3<0>",
    "DMA-BUF is available on GPU device 0",
    "Using network IB",
    "NVLS multicast support is available on dev 0 (NVLS_NCHANNELS 16)",
    "P2P Chunksize set to 131072",
    "threadThresholds 8/8/64 | 512/8/64 | 512 | 512",
    "16 coll channels, 16 collnet channels, 16 nvls channels, 16 p2p channels, 2 p2p channels",
    "CC Off, workFifoBytes 1048576",
    "TUNER/Plugin: Could not find: libnccl-tuner.so. Using internal tuner plugin.",
    "Setting affinity for GPU 0 to 0f",
    "Connected all trees",
)


def access() -> bytes:
    """A thousand lines of an HTTP access log, without NCCL."""
    return "".join(_access(i) for i in range(1000)).encode()


def _access(number: int) -> str:
    peer = f"10.0.{number % 7}.9:{4000 + number}"
    return f'INFO:     {peer} - "POST /v1/completions HTTP/1.1" 200 OK\n'


def pure(first: int = 0, stamped: bool = True) -> bytes:
    """The INFO log of 64 ranks over 8 hosts: about 90 lines for each rank of a communicator.

    Three lines of four are channels, as in public logs of 16 to 144 ranks.
    """
    lines = (line for comm in range(COMMUNICATORS) for line in _communicator(first + comm))
    stamp = "2026-03-01T08:10:41.{:09}Z stdout F " if stamped else ""
    return "".join(f"{stamp.format(n)}{line}\n" for n, line in enumerate(lines)).encode()


def mixed() -> bytes:
    """A serving log in which every twentieth line is NCCL's."""
    calls = [f"{line}\n".encode() for line in access().decode().splitlines()] * 200
    said = pure(stamped=False).splitlines(keepends=True)
    parts = []
    for number, line in enumerate(said):
        parts += [line, *calls[19 * number % 1000 : 19 * number % 1000 + 19]]
    return b"".join(parts)


def _communicator(number: int) -> Iterator[str]:
    for rank in range(RANKS):
        at = f"vllm-{rank // PER_HOST}:{200 + rank % PER_HOST}:{900 + number} [{rank % PER_HOST}]"
        yield from (f"{at} NCCL INFO {text}" for text in _rank(number, rank))


def _rank(number: int, rank: int) -> Iterator[str]:
    pointer = f"0x55{number:02x}{rank:04x}"
    who = f"comm {pointer} rank {rank} nranks {RANKS} cudaDev {rank % 8} nvmlDev {rank % 8}"
    tail = f"busId {0x18 + rank % 8:x}000 commId 0x5dca21b0e1f3{number:04x} - Init"
    yield from _STILL[:5]
    yield f"ncclCommInitRank {who} {tail} START"
    yield (
        f"comm {pointer} rank {rank} nRanks {RANKS} nNodes {HOSTS} "
        f"localRanks {PER_HOST} localRank {rank % 8} MNNVL 0"
    )
    yield "Trees " + " ".join(f"[{c}] {rank + 1}/-1/-1->{rank}->{rank - 1}" for c in range(8))
    yield from _STILL[5:12]
    yield from (line for channel in range(CHANNELS) for line in _channel(channel, rank))
    yield "Connected all rings, use ring PXN 0 GDR 1"
    yield _STILL[12]
    yield f"ncclCommInitRank {who} {tail} COMPLETE"


def _channel(channel: int, rank: int) -> Iterator[str]:
    """The ring's lines of one rank, and those of the tree."""
    for step in (1, 8):
        yield from _edge(channel, rank, (rank + step) % RANKS, "send")
        yield from _edge(channel, (rank - step) % RANKS, rank, "receive")


def _edge(channel: int, source: int, target: int, direction: str) -> Iterator[str]:
    """Both ends of a network channel write a line; of a peer-to-peer one only the sender."""
    ends = f"{source}[{source % 8}] -> {target}[{target % 8}]"
    if source // PER_HOST != target // PER_HOST:
        yield f"Channel {channel:02}/0 : {ends} [{direction}] via NET/IB/{channel % 8}/GDRDMA"
    elif direction == "send":
        yield f"Channel {channel:02}/0 : {ends} via P2P/CUMEM"
