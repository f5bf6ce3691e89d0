"""RAS's answer as JSON, NCCL 2.28.7 and newer (src/ras/client_support.cc, rasDumpCommsToJSON)."""

import re
from collections.abc import Iterator
from itertools import islice

from distcheck.agent.container_json import NotJsonError, count, inner, json_object
from distcheck.agent.redact import one_line
from distcheck.checks.evidence.ras import RasCommunicator, RasRank, RasStatus

MAX_COMMUNICATORS, MAX_RANKS, _MAX_COLLECTIVES = 1024, 16_384, 32
"""Of one answer. `MAX_RANKS` is over all of its communicators."""
_MAX_OBJECTS, _MAX_VALUES = 100_000, 500_000
"""In the whole answer, counted before it is read: `{}` is two bytes of it, and 64 of memory."""
_WORD, _LONGEST_HOST = 32, 64
ERRORS = {
    1: "Unhandled CUDA error",
    2: "System error",
    3: "Internal error",
    4: "Invalid argument",
    5: "Invalid usage",
    6: "Remote process error",
}
IN_PROGRESS = "in progress"
_IN_PROGRESS_CODE = 7
"""`ncclResult_t` (nccl.h), in the words of RAS's text."""
_NO_COMMA = re.compile(rb'("nvml_dev":\s{0,8}-?\d{1,10})(\s{1,64}"status")')


def status_of(data: bytes, source: str) -> RasStatus:
    """What the answer `data` tells.

    2.28.7 and 2.28.9 leave a comma out of every missing rank: it is put back. Communicators and
    ranks of another shape are counted in `dropped`, as are those beyond the bounds.

    Raises:
        NotJsonError: it is no JSON object, or has too many of them.
    """
    if data.count(b"{") > _MAX_OBJECTS or data.count(b",") > _MAX_VALUES:
        raise NotJsonError(
            f"RAS's answer has more than {_MAX_OBJECTS} objects, or {_MAX_VALUES} values"
        )
    answer = json_object(_NO_COMMA.sub(rb"\1,\2", data), "RAS's answer")
    listed = answer.get("communicators")
    every = listed if isinstance(listed, list) else []
    room = [MAX_RANKS]
    found = [c for one in every[:MAX_COMMUNICATORS] if (c := _communicator(one, room)) is not None]
    kept = sum(len(c.ranks) for c in found)
    told = sum(_told(one) for one in every)
    return RasStatus(
        communicators=tuple(found),
        source=source,
        version=_words(answer.get("nccl_version"), _WORD),
        timeouts=count(answer.get("ras"), "timeouts_count") or 0,
        dropped=max(0, told - kept) + len(every) - len(found),
    )


def _communicator(one: object, room: list[int]) -> RasCommunicator | None:
    name = _words(one.get("hash") if isinstance(one, dict) else None, _WORD)
    size = count(one, "size")
    if not name or not size:
        return None
    ranks = list(islice(_ranks(one), room[0]))
    room[0] -= len(ranks)
    missing = count(one, "missing_ranks_count") or 0
    return RasCommunicator(name, size, tuple(ranks), missing)


def _told(one: object) -> int:
    found = (_listed(one, name) for name in ("ranks", "missing_ranks"))
    return sum(map(len, found))


def _ranks(one: object) -> Iterator[RasRank]:
    for entry in _listed(one, "ranks"):
        if (rank := count(entry, "rank")) is not None:
            yield _present(rank, entry)
    for entry in _listed(one, "missing_ranks"):
        if (rank := count(entry, "rank")) is not None:
            yield _missing(rank, entry)


def _present(rank: int, entry: object) -> RasRank:
    status = inner(entry, "status")
    host, pid, cuda, nvml = _place(entry)
    return RasRank(
        rank,
        host,
        pid,
        cuda,
        nvml,
        counts=_counts(inner(entry, "collective_counts")),
        init=_result(status.get("init_state")),
        error=_error(status.get("async_error")),
        aborted=status.get("abort_flag") is True,
        leaving=status.get("finalize_called") is True or status.get("destroy_flag") is True,
    )


def _missing(rank: int, entry: object) -> RasRank:
    status = inner(entry, "status")
    host, pid, cuda, nvml = _place(entry)
    dead = status.get("considered_dead") is True
    silent = dead or status.get("unresponsive") is True
    return RasRank(rank, host, pid, cuda, nvml, missing=True, dead=dead, silent=silent)


def _place(entry: object) -> tuple[str, int, int | None, int | None]:
    """Host, pid, CUDA and NVML device; RAS writes `unknown` and -1 for what it does not know."""
    host = _words(entry.get("host") if isinstance(entry, dict) else None, _LONGEST_HOST)
    known = "" if host == "unknown" else host
    return known, count(entry, "pid") or 0, count(entry, "cuda_dev"), count(entry, "nvml_dev")


def _counts(told: dict[str, object]) -> dict[str, int]:
    named = ((_words(name, _WORD), count(told, name)) for name in islice(told, _MAX_COLLECTIVES))
    return {name: times for name, times in named if name and times is not None}


def _result(code: object) -> str:
    """Empty for success, `in progress`, or the words of an error."""
    if isinstance(code, bool) or not isinstance(code, int) or code == 0:
        return ""
    return IN_PROGRESS if code == _IN_PROGRESS_CODE else ERRORS.get(code, "Unexpected error")


def _error(code: object) -> str:
    said = _result(code)
    return "" if said == IN_PROGRESS else said


def _listed(one: object, key: str) -> list[object]:
    found = one.get(key) if isinstance(one, dict) else None
    return found if isinstance(found, list) else []


def _words(value: object, most: int) -> str:
    return one_line(value[: 4 * most], most) if isinstance(value, str) else ""
