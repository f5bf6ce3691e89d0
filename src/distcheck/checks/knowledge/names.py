"""Many pods, nodes or GPUs in few words: what holds for all of them is said once."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

_T = TypeVar("_T")

_NAME = re.compile(r"[A-Za-z0-9][\w.]{0,253}(?:-[\w.]{0,253}\w)+", re.ASCII)
"""A word with a hyphen, as names of pods, nodes and GPUs have one."""
_NUMBERED = re.compile(r"(.*-)(0|[1-9][0-9]{0,8})", re.ASCII)
_MOST = 4


def names(found: Iterable[str]) -> str:
    """`a`, `a and b`, `vllm-0 to vllm-7`, `a, b, c and 5 more`, in order, each once."""
    every = tuple(dict.fromkeys(found))
    if len(every) > 1 and every[0].startswith(("GPU-", "MIG-")):
        return f"{every[0]} and {len(every) - 1} more"
    runs = _runs(every)
    shown = [first if first == last else f"{first} to {last}" for first, last, _ in runs[:_MOST]]
    left = sum(count for _, _, count in runs[_MOST:])
    shown += [f"{left} more"] * (left > 0)
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def few(found: Sequence[str], between: str = ", ") -> str:
    """`a, b`; of more than four the first, and how many more there are."""
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return between.join(found[:_MOST]) + more


def _runs(every: Sequence[str]) -> list[tuple[str, str, int]]:
    """First, last and length of each run of consecutive numbers; two are no run."""
    runs: list[list[str]] = []
    for name in every:
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    long = [[run] if len(run) > 2 else [[one] for one in run] for run in runs]
    return [(run[0], run[-1], len(run)) for parts in long for run in parts]


def _follows(before: str, name: str) -> bool:
    old, new = _NUMBERED.fullmatch(before), _NUMBERED.fullmatch(name)
    return old is not None and new is not None and _next(old) == (new[1], int(new[2]))


def _next(found: re.Match[str]) -> tuple[str, int]:
    return found[1], int(found[2]) + 1


def alike(texts: Iterable[str]) -> list[str]:
    """`texts`, each once; of those that differ in names alone the first, and the other names.

    `no rank line of vllm-0 (vllm-1 to vllm-7 alike)`. Not where that would lose which names
    belong together: `a to b` and `b to a` stay two.
    """
    groups: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for text in dict.fromkeys(texts):
        groups.setdefault(tuple(_NAME.split(text)), []).append((text, _NAME.findall(text)))
    return [one for found in groups.values() for one in _together(found)]


_Named = tuple[str, list[str]]


def _together(found: Sequence[_Named]) -> list[str]:
    # A name that a text has twice is one column.
    columns = list(dict.fromkeys(zip(*(words for _, words in found), strict=True)))
    varying = [column for column in columns if len(set(column)) > 1]
    distinct = sum(len(set(column)) for column in varying)
    if len(found) > 1 and distinct == len(varying) * len(found) == len(set().union(*varying)):
        return [_and_alike(found, varying[-1])]
    told: list[str] = []
    rows = zip(*columns, strict=True) if columns else ((),) * len(found)
    rest = [(text, [*row]) for (text, _), row in zip(found, rows, strict=True)]
    for at in range(len(columns)):
        others: dict[tuple[str, ...], list[_Named]] = {}
        for text, words in rest:
            others.setdefault((*words[:at], *words[at + 1 :]), []).append((text, words))
        told += [_and_alike(x, [w[at] for _, w in x]) for x in others.values() if len(x) > 1]
        rest = [x[0] for x in others.values() if len(x) == 1]
    return [*told, *(text for text, _ in rest)]


def _and_alike(found: Sequence[_Named], words: Sequence[str]) -> str:
    return f"{found[0][0]} ({names(words[1:])} alike)"


def in_turn(items: Iterable[_T], of: Callable[[_T], object]) -> list[_T]:
    """`items` with the first of each kind before the second of any."""
    seen: dict[object, int] = {}
    placed: list[tuple[int, _T]] = []
    for item in items:
        kind = of(item)
        seen[kind] = seen.get(kind, -1) + 1
        placed.append((seen[kind], item))
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]
