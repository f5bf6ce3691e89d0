"""Connections of one kind made side by side, in the threads that all pods of a question share."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from functools import partial
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")
X = TypeVar("X")
AT_ONCE = 128
"""Threads of one question, however many pods and peers it names."""


def threads() -> ThreadPoolExecutor:
    """The threads for one question; they start when they are needed."""
    return ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="connect")


def side_by_side(
    work: Sequence[Callable[[], T]], pool: Executor | None, seconds: float
) -> list[T | None]:
    """What each of `work` gives, in their order; None where none was free within `seconds`.

    Without a `pool` it is made for these alone. What raises is raised here.
    """
    if pool is None:
        with threads() as own:
            return side_by_side(work, own, seconds)
    begun = [pool.submit(one) for one in work]
    wait(begun, timeout=seconds)
    left = [later.cancel() for later in begun]
    return [None if late else later.result() for late, later in zip(left, begun, strict=True)]


class Bound(Struct, frozen=True):
    """How many targets are tried of one pod (`too_many` in words), and within how many seconds."""

    most: int
    seconds: float
    too_many: str


def bounded(
    targets: Sequence[X],
    attempt: Callable[[X], T],
    left_out: Callable[[X, str], T],
    bound: Bound,
    pool: Executor | None,
) -> list[T]:
    """What `attempt` makes of each target, and `left_out`, with the reason, of those beyond it."""
    tried, left = targets[: bound.most], targets[bound.most :]
    seen = side_by_side([partial(attempt, t) for t in tried], pool, bound.seconds)
    late = f"its turn did not come within {bound.seconds:g} s"
    told = (left_out(t, late) if s is None else s for s, t in zip(seen, tried, strict=True))
    return [*told, *(left_out(t, bound.too_many) for t in left)]
