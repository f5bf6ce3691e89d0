"""Blocks that PyTorch's CUDA caching allocator gives for tensors.

vLLM's log line counts blocks, not tensors. Rules: c10/cuda/CUDACachingAllocator.cpp, defaults.
"""

from bisect import bisect_left, insort

MIB = 1 << 20
_UNIT = 512
_SMALL, _MEDIUM = 1 * MIB, 10 * MIB
_SMALL_SEGMENT, _MEDIUM_SEGMENT, _LARGE_STEP = 2 * MIB, 20 * MIB, 2 * MIB


def rounded(size: int, unit: int) -> int:
    """`size` rounded up to a multiple of `unit`."""
    return -(-size // unit) * unit


def allocated(size: int) -> int:
    """Bytes of the block for a tensor of `size` bytes in memory that was not used before.

    From 10 MiB on a tensor has its own segment, and keeps a rest of up to 1 MiB.
    """
    block = rounded(size, _UNIT)
    segment = rounded(block, _LARGE_STEP)
    return segment if block >= _MEDIUM and segment - block <= _SMALL else block


class Block:
    """A stretch of a segment, free or in use, between its neighbours."""

    __slots__ = ("after", "before", "free", "size", "small")

    def __init__(self, size: int, *, small: bool) -> None:
        self.size = size
        self.small = small
        self.free = True
        self.before: Block | None = None
        self.after: Block | None = None


class Allocator:
    """The allocator replayed: what is in use depends on what was freed before.

    A block that was freed is given again, whole where at most 1 MiB of it would be left.
    """

    def __init__(self) -> None:
        self._idle: dict[bool, list[tuple[int, int, Block]]] = {True: [], False: []}
        self._serial = 0

    def take(self, size: int) -> Block:
        """The block for a new tensor: the smallest that fits, else of a new segment."""
        wanted = max(_UNIT, rounded(size, _UNIT))
        small = wanted <= _SMALL
        idle = self._idle[small]
        at = bisect_left(idle, wanted, key=lambda entry: entry[0])
        block = idle.pop(at)[2] if at < len(idle) else Block(_segment(wanted), small=small)
        block.free = False
        rest = block.size - wanted
        if rest >= (_UNIT if small else _SMALL + 1):
            self._split(block, wanted)
        return block

    def give(self, block: Block) -> None:
        """Free a block; free neighbours become one with it."""
        for other in (block.before, block.after):
            if other is not None and other.free:
                self._drop(other)
                _join(block, other)
        self._keep(block)

    def _split(self, block: Block, size: int) -> None:
        rest = Block(block.size - size, small=block.small)
        block.size = size
        rest.before, rest.after = block, block.after
        if block.after is not None:
            block.after.before = rest
        block.after = rest
        self._keep(rest)

    def _keep(self, block: Block) -> None:
        block.free = True
        self._serial += 1
        insort(self._idle[block.small], (block.size, self._serial, block))

    def _drop(self, block: Block) -> None:
        pool = self._idle[block.small]
        pool.pop(next(i for i, entry in enumerate(pool) if entry[2] is block))


def _segment(size: int) -> int:
    if size <= _SMALL:
        return _SMALL_SEGMENT
    return _MEDIUM_SEGMENT if size < _MEDIUM else rounded(size, _LARGE_STEP)


def _join(block: Block, other: Block) -> None:
    """`other`, a neighbour, becomes part of `block`."""
    block.size += other.size
    if block.after is other:
        block.after = other.after
        if other.after is not None:
            other.after.before = block
    else:
        block.before = other.before
        if other.before is not None:
            other.before.after = block
