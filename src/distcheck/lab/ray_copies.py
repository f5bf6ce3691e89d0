"""What Ray prints of its workers' lines on the engine's own output: copies, alike ones folded.

Ray takes lines for alike that differ only in words with a digit in them. Those of the worker that
is first to say one are all shown; of the others' the last, after five seconds, with their count
(ray._private.ray_logging).
"""

import re
from collections.abc import Iterable, Iterator

from distcheck.lab.layout import Member, Rank
from distcheck.lab.vllm_text import Line

_NUMBERED = re.compile(r"\S*\d\S*")
_FOLD_SECONDS = 5.0
Said = tuple[Rank, Line]


def copies(said: Iterable[Said], driver: Member) -> Iterator[Line]:
    """`said` by Ray's workers, as the driver in the pod `driver` prints it."""
    first: dict[str, Rank] = {}
    folded: dict[str, list[Said]] = {}
    for one in sorted(said, key=lambda each: each[1][0]):
        shape = _NUMBERED.sub("", one[1][1])
        if first.setdefault(shape, one[0]) == one[0] and shape not in folded:
            yield _copy(one, driver)
        else:
            folded.setdefault(shape, []).append(one)
    for found in folded.values():
        seconds, text = _copy(found[-1], driver)
        count = f"\x1b[32m [repeated {len(found)}x across cluster]\x1b[0m"
        yield seconds + _FOLD_SECONDS, text + (count if len(found) > 1 else "")


def _copy(said: Said, driver: Member) -> Line:
    rank, (seconds, text) = said
    where = "" if rank.member == driver else f", ip={rank.member.ip}"
    return seconds, f"\x1b[36m(RayWorkerWrapper pid={rank.pid}{where})\x1b[0m {text}"
