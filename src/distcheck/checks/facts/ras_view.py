"""What NCCL's RAS says of the group: each communicator as it is now, and as it was before."""

import re
from collections.abc import Iterable, Iterator
from typing import Self

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing
from distcheck.checks.evidence.ras import RasCommunicator, RasProcess, RasRank, RasStatus
from distcheck.checks.facts.age import seconds
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.ras_seats import Seats
from distcheck.checks.knowledge.names import alike

_NVML = re.compile(r"\(NVML ([\d,]{1,64})\)")
_GRAPHS = re.compile(r"2\.2[45](?:\.|\Z)")
"""There a replayed graph counts where its plan needs the proxy: between nodes (src/enqueue.cc)."""
APART = 2
"""Seconds between two looks, from which standing still says something."""


class Named(Struct, frozen=True):
    """A rank with its place in words (`rank 3 (vllm-worker-0 on gpu-b, GPU 1)`) and its pod."""

    rank: RasRank
    name: str
    pod: str = ""


class Communicator(Struct, frozen=True):
    """One communicator now, and `before`, which was `seconds` earlier; None for one look."""

    now: RasCommunicator
    ranks: tuple[Named, ...]
    cite: Cite
    before: RasCommunicator | None = None
    seconds: int = 0
    graphs: bool = False
    """Whether this NCCL counts calls of CUDA graphs on some ranks only (2.24 and 2.25)."""

    @property
    def again(self) -> RasCommunicator | None:
        """The look before, where it is far enough apart to tell what stands still."""
        return self.before if self.seconds >= APART else None

    @property
    def missing(self) -> int:
        """Ranks of which RAS has no data."""
        listed = not self.now.status
        return max(self.now.missing, self.now.size - len(self.now.ranks) if listed else 0)


class RasView(Fact, frozen=True, kw_only=True):
    """RAS's answers about this group's ranks.

    `processes` is how many of the group's it names, or counts where it is text; `wanted` how
    many there should be. `lost` are those that text says are silent or dead, in words.
    `silent` says why other pods gave no answer of their own, which is no gap: one is for all.
    """

    communicators: tuple[Communicator, ...]
    processes: int
    wanted: int | None
    cites: tuple[Cite, ...]
    lost: tuple[tuple[RasProcess, str], ...] = ()

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From the pods that were asked; Missing, with every reason, where none answered."""
        looks = [(p, evidence.look(p).ras) for p in evidence.pods]
        answers = [(p.name, r) for p, r in looks if isinstance(r, RasStatus)]
        if not answers:
            why = (r.reason.removeprefix("ras: ") for _, r in looks if isinstance(r, Missing))
            return Missing("; ".join(alike(why)))
        seats = Seats(evidence, _ranks(r for _, r in answers))
        found = tuple(_distinct(_communicators(name, r, seats) for name, r in answers))
        intent = evidence.intent
        size = None if intent.world_size is None else intent.world_size * (intent.dp or 1)
        return cls(
            communicators=found,
            processes=_processes(found, [r for _, r in answers]),
            wanted=size,
            cites=tuple(_cite(name, r) for name, r in answers),
            lost=tuple(_all_lost(seats, (r for _, r in answers))),
            gaps=tuple(_gaps(r for _, r in answers)),
        )


def _gaps(answers: Iterable[RasStatus]) -> Iterator[str]:
    for one in answers:
        if one.dropped:
            yield f"{one.dropped} parts of {one.source}"
        yield from one.notes


def _ranks(answers: Iterable[RasStatus]) -> Iterator[RasRank]:
    return (r for a in answers for c in a.communicators for r in c.ranks)


def _cite(name: str, status: RasStatus) -> Cite:
    many = sum(c.alike for c in status.communicators)
    what = f"{name}: {many} communicator{'s' * (many != 1)} of NCCL {status.version or '2.24+'}"
    return Cite(what, status.source, status.seen_at)


def _all_lost(seats: Seats, answers: Iterable[RasStatus]) -> Iterator[tuple[RasProcess, str]]:
    every = dict.fromkeys(one for status in answers for one in status.lost)
    return (_lost(seats, one) for one in every)


def _communicators(name: str, status: RasStatus, seats: Seats) -> Iterator[Communicator]:
    """Those of the group: a port may be shared with other jobs of the same namespace."""
    then = {c.hash: c for c in status.before}
    at, was = seconds(status.seen_at), seconds(status.before_at)
    apart = 0 if at is None or was is None else max(0, at - was)
    for one in status.communicators:
        placed = [r for r in one.ranks if r.host and not r.missing]
        if placed and not any(seats.is_ours(r) for r in placed):
            continue
        cite = Cite(f"{name}: communicator {one.hash} of {one.size}", status.source, status.seen_at)
        graphs = _GRAPHS.match(status.version) is not None
        yield Communicator(one, _named(one, seats), cite, then.get(one.hash), apart, graphs)


def _named(one: RasCommunicator, seats: Seats) -> tuple[Named, ...]:
    pods = ((r, seats.pod(r)) for r in one.ranks)
    return tuple(Named(r, seats.name(r), pod.name if pod else "") for r, pod in pods)


def _distinct(found: Iterable[Iterator[Communicator]]) -> Iterator[Communicator]:
    """Each once, as the answer with the two looks that are furthest apart has it."""
    best: dict[object, Communicator] = {}
    for one in (one for every in found for one in every):
        key = _identity(one.now)
        if key not in best or one.seconds > best[key].seconds:
            best[key] = one
    return iter(best.values())


def _identity(one: RasCommunicator) -> object:
    """Its hash; of text's groups, which have none, all that is told of them."""
    hashed = one.hash.startswith("0x")
    return one.hash if hashed else (one.hash, one.size, one.alike, one.status, one.errors)


def _processes(found: Iterable[Communicator], answers: list[RasStatus]) -> int:
    """Distinct processes of communicators; text counts GPUs of the whole job."""
    named = {(r.rank.host, r.rank.pid) for c in found for r in c.ranks if not r.rank.missing}
    counted = max((a.gpus for a in answers if a.format == "text"), default=0)
    return max(counted, len(named))


def _lost(seats: Seats, one: RasProcess) -> tuple[RasProcess, str]:
    where = seats.where(RasRank(0, one.host, one.pid))
    nvml = _NVML.search(one.gpus)
    gpu = nvml[1] if nvml else one.gpus
    return one, f"{where}, GPU {gpu}" if gpu and "GPU" not in where else where
