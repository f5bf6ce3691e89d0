"""How much of `/dev/shm` a pod's ranks need, with the arithmetic.

NCCL makes one pool file `nccl-XXXXXX` for each rank process and communicator as soon as a
connection needs the proxy thread (src/proxy.cc, ncclProxyProgressCreate), as every connection
to another node does. It is allocated at once, so a full tmpfs fails there. The sizes are
`sizeof` of the pool over NCCL's releases. Where ranks of one node do not reach each other from
GPU to GPU, the segments between them are there too (`shm_copies`). vLLM keeps a ring of messages
for a group of ranks on one node (vllm, shm_broadcast.py): 10 chunks of VLLM_MQ_MAX_CHUNK_BYTES_MB,
16 MiB unless it is set, and 10 MiB before 0.10. Its pages are taken when they are first written.
"""

from bisect import bisect_right

from msgspec import Struct

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.shm_copies import NO_COPIES, Copies
from distcheck.pattern import pattern

MIB = 1 << 20
_POOLS = (((0, 0), 7_340_384), ((2, 25), 31_850_880), ((2, 27), 33_030_528), ((2, 30), 34_210_176))
_CHUNKS, _CHUNK_MIB, _OLD_CHUNK_MIB = 10, 16, 10
_MOST_CHUNK_MIB = 1 << 20
_USUAL_COMMUNICATORS = 4
_VERSION = pattern(r"v?(\d{1,9})\.(\d{1,9})")
_DIGITS = pattern(r"[0-9]{1,9}\Z")
_RING = _CHUNKS * _CHUNK_MIB * MIB
SGLANG_RING = 6 * 4 * MIB
"""SGLang's ring: 6 chunks of 4 MiB (srt/distributed/parallel_state.py, MessageQueue)."""


class ShmNeed(Struct, frozen=True):
    """Bytes of `/dev/shm` for one pod.

    With less than `least` the ranks cannot start; with `enough` there is room for all that
    they may write, of which `ring` is the engine's. Each has its arithmetic in words.
    """

    least: int
    enough: int
    least_says: str
    enough_says: str
    ring: int = 0


class Pools(Struct, frozen=True):
    """How many pools the ranks of a pod have in all: at least, and at most."""

    least: int
    most: int


def ring_bytes(version: str | None, chunk_mib: str | None) -> int:
    """The ring of vLLM, by its version and by VLLM_MQ_MAX_CHUNK_BYTES_MB of its environment."""
    if chunk_mib is not None and _DIGITS.match(chunk_mib):
        return _CHUNKS * min(int(chunk_mib), _MOST_CHUNK_MIB) * MIB
    found = _VERSION.match(version or "")
    old = found is not None and (int(found[1]), int(found[2])) < (0, 10)
    return _CHUNKS * (_OLD_CHUNK_MIB if old else _CHUNK_MIB) * MIB


def pool_bytes(version: str | None, *, newest: bool = False) -> int:
    """NCCL's pool of one rank in one communicator.

    For no version the smallest of all, or with `newest` the largest: what is needed at
    least, or at most.
    """
    found = _VERSION.match(version or "")
    if found is None:
        return _POOLS[-1 if newest else 0][1]
    key = (int(found[1]), int(found[2]))
    return _POOLS[bisect_right([v for v, _ in _POOLS], key) - 1][1]


def shm_need(
    ranks: int,
    communicators: int | None,
    version: str | None,
    copies: Copies = NO_COPIES,
    ring: int = _RING,
    pools: Pools | None = None,
) -> ShmNeed:
    """The need of a pod with `ranks` local ranks.

    `communicators` is how many that leave the node each rank was seen in. None is for a
    group whose logs show none yet: at least one, and usually up to four. `pools` counts them
    where not every rank is in as many.
    """
    sure = 1 if communicators is None else communicators
    usual = _USUAL_COMMUNICATORS if communicators is None else communicators
    few, many = (ranks * sure, ranks * usual) if pools is None else (pools.least, pools.most)
    made, least_says = _pools(ranks, few, pool_bytes(version), version)
    most, says = _pools(ranks, many, pool_bytes(version, newest=True), version)
    least, enough = made + copies.sure_bytes, most + copies.may_bytes + ring
    parts = (says or "0 MiB of NCCL pools (no communicator leaves the node)", copies.may_says)
    rings = f"{ring / MIB:.0f} MiB for the engine's ring of messages" if ring else ""
    return ShmNeed(
        least,
        enough,
        _sum((least_says, copies.sure_says), least),
        _sum((*parts, rings), enough),
        ring,
    )


def _sum(parts: tuple[str, ...], total: int) -> str:
    """The parts, and where there are several what they come to."""
    told = [p for p in parts if p]
    return told[0] if len(told) == 1 else f"{', and '.join(told)}: {total / MIB:.0f} MiB"


def _pools(ranks: int, pools: int, pool: int, version: str | None) -> tuple[int, str]:
    """As many of each rank, or so many of all together."""
    total = pools * pool
    if not total:
        return 0, ""
    release = f"NCCL {version}" if version else "an unknown NCCL"
    each, rest = divmod(pools, ranks)
    words = f"{counted(ranks, 'rank')} x {counted(each, 'communicator')}"
    words = f"{pools} pools of {counted(ranks, 'rank')}" if rest else words
    return total, f"{words} x {pool / MIB:.1f} MiB (pool of {release}) = {total / MIB:.0f} MiB"
