"""Connections of one kind made side by side, in the threads that all pods of a question share."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
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
