"""RAS's text, as its releases write it: one form for 2.24 and 2.25, one for 2.26 and newer."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from distcheck.lab.ras_job import Job, JobCommunicator, JobRank

_EACH_SINCE, _ALL = (2, 26, 0), "collective"
_STATES = {"running": "RUNNING", "finalize": "FINALIZE", "abort": "ABORT"}
_ERRORS = {1: "Unhandled CUDA error", 2: "System error", 6: "Remote process error"}
_TABLE = (
    "Group     Comms     Nodes     Ranks     Ranks     Ranks    Status  Errors\n"
    "    #  in group  per comm  per node  per comm  in group\n"
)
Ranks = list[JobRank]


def in_text(job: Job) -> str:
    """The answer to `verbose status`."""
    return "".join(_parts(job))


def _parts(job: Job) -> Iterator[str]:
    version = ".".join(map(str, job.version))
    yield f"NCCL version {version} compiled with CUDA 12.8\n"
    yield "CUDA runtime version 12080, driver version 12080\n\n"
    yield _summary(job)
    yield "\nCommunicators... (0.00s)\n=============\n\n" + _TABLE
    groups = _groups(job)
    for number, group in enumerate(groups):
        yield _row(job, number, group)
    yield "\nErrors\n======\n\n"
    yield from _lost(job)
    for number, group in enumerate(groups):
        for index, one in enumerate(group):
            yield from _errors(job, f"#{number}-{index} ({one.hash:016x})", one)
    yield "Warnings\n========\n\n"
    for number, group in enumerate(groups):
        for index, one in enumerate(group):
            if "MISMATCH" in _table_errors(job, one):
                yield f"#{number}-{index} ({one.hash:016x}) MISMATCH\n"
                yield from _mismatch(job, one)
                yield "\n"


def _summary(job: Job) -> str:
    places = {(r.host, r.pid) for c in job.communicators for r in c.ranks}
    nodes = Counter(host for host, _ in places)
    head = "Job summary\n===========\n\n"
    if len(set(nodes.values())) == 1:
        each = next(iter(nodes.values()))
        return (
            head + "  Nodes  Processes         GPUs  Processes     GPUs\n"
            "(total)   per node  per process    (total)  (total)\n"
            f"{len(nodes):7d}  {each:9d}  {1:11d}  {len(places):9d}  {len(places):7d}\n"
        )
    rows = "".join(
        f"{many:7d}  {each:9d}  {1:11d}\n" for each, many in Counter(nodes.values()).most_common()
    )
    return (
        head + "  Nodes  Processes         GPUs\n          per node  per process\n" + rows + "\n"
        "  Nodes  Processes         GPUs\n(total)    (total)      (total)\n"
        f"{len(nodes):7d}  {len(places):9d}  {len(places):11d}\n"
    )


def _groups(job: Job) -> list[list[JobCommunicator]]:
    """Communicators alike in size, nodes, status and errors, the largest first."""
    groups: dict[tuple[object, ...], list[JobCommunicator]] = {}
    for one in sorted(job.communicators, key=lambda c: -len(c.ranks)):
        key = len(one.ranks), _nodes(one), _status(job, one), _table_errors(job, one)
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _there(one: JobCommunicator) -> Ranks:
    return [r for r in one.ranks if r.answers]


def _nodes(one: JobCommunicator) -> int:
    return len({r.host for r in _there(one)})


def _row(job: Job, number: int, group: list[JobCommunicator]) -> str:
    one = group[0]
    each = Counter(r.host for c in group for r in _there(c)).values()
    per = [n // len(group) for n in each]
    ranks = f"{min(per)}" if min(per) == max(per) else f"{min(per)}-{max(per)}"
    seats = len({(r.host, r.pid) for c in group for r in _there(c)})
    status = _status(job, one).split()[-1]
    return (
        f"{number:5d}  {len(group):8d}  {_nodes(one):8d}  {ranks:>8}  {len(one.ranks):8d}  "
        f"{seats:8d}  {status:>8}  {_table_errors(job, one):>6}\n"
    )


def _state(job: Job, rank: JobRank) -> str:
    if rank.state == "left":
        return "NOCOMM" if job.version >= _EACH_SINCE else "UNKNOWN"
    return "INIT" if rank.init_state and rank.state == "running" else _STATES[rank.state]


def _states(job: Job, one: JobCommunicator) -> dict[str, Ranks]:
    found: dict[str, Ranks] = {}
    for rank in one.ranks:
        if rank.state not in ("silent", "dead"):
            found.setdefault(_state(job, rank), []).append(rank)
    return found


def _status(job: Job, one: JobCommunicator) -> str:
    order = ["UNKNOWN", "NOCOMM", "INIT", "RUNNING", "FINALIZE", "ABORT"]
    return " ".join(s for s in order if s in _states(job, one))


def _table_errors(job: Job, one: JobCommunicator) -> str:
    counts = {tuple(sorted(r.counts.items())) for r in _there(one)}
    named = [
        ("INCOMPLETE", any(r.state in ("silent", "dead") for r in one.ranks)),
        ("ERROR", any(r.async_error or r.init_state not in (0, 7) for r in _there(one))),
        ("MISMATCH", len(_states(job, one)) > 1 or len(counts) > 1),
    ]
    return ",".join(name for name, there in named if there) or "OK"


def _lost(job: Job) -> Iterator[str]:
    every = {(r.host, r.pid): r for c in job.communicators for r in c.ranks}
    silent = [r for _, r in sorted(every.items()) if r.state == "silent"]
    dead = [r for _, r in sorted(every.items()) if r.state == "dead"]
    if silent:
        es = "es" if len(silent) > 1 else ""
        yield f"INCOMPLETE\n  Missing communicator data from {len(silent)} job process{es}\n"
        yield from (_process(r) for r in silent)
        yield "\n"
    if dead:
        are = "es are" if len(dead) > 1 else " is"
        yield (
            f"DEAD\n  {len(dead)} job process{are} considered dead"
            " (unreachable via the RAS network)\n"
        )
        yield from (_process(r) for r in dead)
        yield "\n"


def _process(one: JobRank) -> str:
    return f"  Process {one.pid} on node {one.host} managing GPU {_gpu(one)}\n"


def _gpu(one: JobRank) -> str:
    return "0" if one.gpu == 0 else f"0 (NVML {one.gpu})"


def _place(one: JobRank) -> str:
    return f"GPU {_gpu(one)} managed by process {one.pid} on node {one.host}"


def _errors(job: Job, name: str, one: JobCommunicator) -> Iterator[str]:
    gone = [r for r in one.ranks if r.state in ("silent", "dead")]
    if gone:
        s = "s" if len(gone) > 1 else ""
        yield f"{name} INCOMPLETE\n  Missing communicator data from {len(gone)} rank{s}\n"
        if job.version >= _EACH_SINCE:
            yield from (f"  Rank {r.rank} -- {_place(r)}\n" for r in gone)
        else:
            yield f"  The missing rank{s}: {','.join(str(r.rank) for r in gone)}\n"
        yield "\n"
    wrong = [r for r in _there(one) if r.async_error]
    if wrong:
        s = "s" if len(wrong) > 1 else ""
        yield f"{name} ERROR\n  Asynchronous error{s} on {len(wrong)} rank{s}\n"
        yield from _told(wrong, lambda r: f"reported {_ERRORS[r.async_error]}", len(one.ranks))
        yield "\n"


def _mismatch(job: Job, one: JobCommunicator) -> Iterator[str]:
    states = _states(job, one)
    size = len(one.ranks)
    if len(states) > 1:
        yield "  Communicator ranks have different status\n"
        every = [r for ranks in states.values() for r in ranks]
        yield from _told(every, lambda r: f"has status {_state(job, r)}", size)
        yield "\n"
    for name in _counted(job):
        if len({_times(r, name) for r in _there(one)}) > 1:
            yield f"  Communicator ranks have different {name} operation counts\n"
            yield from _told(_there(one), partial(_launched, name=name), size)
            yield "\n"


def _counted(job: Job) -> list[str]:
    """Collectives that are counted apart; before 2.26 all are one."""
    if job.version < _EACH_SINCE:
        return [_ALL]
    return sorted({n for c in job.communicators for r in c.ranks for n in r.counts})


def _times(rank: JobRank, name: str) -> int:
    return sum(rank.counts.values()) if name == _ALL else rank.counts.get(name, 0)


def _launched(rank: JobRank, name: str) -> str:
    times = _times(rank, name)
    return f"has launched up to operation {times}" if times else "has not launched any operations"


def _told(ranks: Ranks, says: Callable[[JobRank], str], size: int) -> Iterator[str]:
    """Ranks that are alike, the most first; of fewer than half each one is named."""
    alike: dict[str, Ranks] = {}
    for rank in sorted(ranks, key=lambda r: r.rank):
        alike.setdefault(says(rank), []).append(rank)
    for said, found in sorted(alike.items(), key=lambda pair: -len(pair[1])):
        if len(found) == 1:
            yield f"  Rank {found[0].rank} {said} -- {_place(found[0])}\n"
            continue
        yield f"  {len(found)} ranks {said.replace('has ', 'have ', 1)}\n"
        if len(found) < size * 0.5:
            yield from (f"  Rank {r.rank} -- {_place(r)}\n" for r in found)
