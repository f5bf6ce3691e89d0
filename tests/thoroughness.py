"""Which part of a large table of cases a run takes."""

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

THOROUGH = os.environ.get("DISTCHECK_TESTS") == "thorough"
"""Set by `make thorough`: every case, and a thousand examples a property."""

T = TypeVar("T")


def some(cases: Iterable[T], one_of: int) -> Iterator[T]:
    """Every `one_of`-th case, or each of them in a thorough run.

    Take a number that shares no factor with the lengths of the table's axes: then each value of
    each axis still meets each value of every other one.
    """
    return (case for at, case in enumerate(cases) if THOROUGH or at % one_of == 0)
