"""How much of `/dev/shm` a pod's ranks need, with the arithmetic.

NCCL makes one pool file `nccl-XXXXXX` for each rank process and communicator as soon as a
connection needs the proxy thread (src/proxy.cc, ncclProxyProgressCreate), as every connection
to another node does. It is allocated at once, so a full tmpfs fails there. The sizes are
`sizeof` of the pool over NCCL's releases. vLLM keeps a ring of messages for a group of ranks
on one node (vllm, shm_broadcast.py): 10 chunks, of 16 MiB by default.
"""

import re
from bisect import bisect_right

from msgspec import Struct

from distcheck.checks.knowledge.counted import counted

MIB = 1 << 20
_POOLS = (((0, 0), 7_340_384), ((2, 25), 31_850_880), ((2, 27), 33_030_528), ((2, 30), 34_210_176))
_RING_BYTES = 10 * 16 * MIB
_USUAL_COMMUNICATORS = 4
_VERSION = re.compile(r"(\d+)\.(\d+)")


class ShmNeed(Struct, frozen=True):
    """Bytes of `/dev/shm` for one pod.

    With less than `least` the ranks cannot start; with `enough` there is room for all that
    they may write. Each has its arithmetic in words.
    """

    least: int
    enough: int
    least_says: str
    enough_says: str


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


def shm_need(ranks: int, communicators: int | None, version: str | None) -> ShmNeed:
    """The need of a pod with `ranks` local ranks.

    `communicators` is how many that leave the node each rank was seen in. None is for a
    group whose logs show none yet: at least one, and usually up to four.
    """
    sure = 1 if communicators is None else communicators
    usual = _USUAL_COMMUNICATORS if communicators is None else communicators
    least, least_says = _pools(ranks, sure, pool_bytes(version), version)
    most, says = _pools(ranks, usual, pool_bytes(version, newest=True), version)
    enough = most + _RING_BYTES
    pools = says or "no pools (no communicator leaves the node)"
    ring = f"{pools}, and {_RING_BYTES / MIB:.0f} MiB for vLLM's ring: {enough / MIB:.0f} MiB"
    return ShmNeed(least, enough, least_says, ring)


def _pools(ranks: int, communicators: int, pool: int, version: str | None) -> tuple[int, str]:
    total = ranks * communicators * pool
    if not total:
        return 0, ""
    release = f"NCCL {version}" if version else "an unknown NCCL"
    words = f"{counted(ranks, 'rank')} x {counted(communicators, 'communicator')}"
    return total, f"{words} x {pool / MIB:.1f} MiB (pool of {release}) = {total / MIB:.0f} MiB"
