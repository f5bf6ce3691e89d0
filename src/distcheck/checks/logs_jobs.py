"""Whether the files that were given are of one job."""

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.evidence.vllm import VllmLog
from distcheck.checks.logs_layout import layout

_POD = re.compile(r"(?:^|/)([^_/]{1,253}_[^_/]{1,253}_[^_/]{1,64})/")

Key = tuple[str, str]


class JobFile(Struct, frozen=True):
    """One file: its name, and what NCCL and vLLM say in it."""

    name: str
    nccl: NcclLog
    vllm: VllmLog


def separate_jobs(files: Iterable[JobFile]) -> tuple[tuple[str, ...], ...]:
    """The names of the files of each job, in the order given; nothing where there is one job.

    Files belong together where they share a communicator's id, a host, or the kubelet's folder
    of a pod. Communicators whose ids NCCL does not print go by their size, and copies of a
    dense model (DP), which share no communicator, by the model. A file without communicators
    belongs to any job.
    """
    held = [(f.name, frozenset(_keys(f))) for f in files if f.nccl.communicators]
    jobs: list[tuple[list[int], set[Key]]] = []
    for number, (_, keys) in enumerate(held):
        mine = [job for job in jobs if job[1] & keys]
        jobs = [job for job in jobs if not job[1] & keys]
        numbers = [number, *(n for job in mine for n in job[0])]
        jobs.append((sorted(numbers), {*keys, *(k for job in mine for k in job[1])}))
    return _named(sorted(numbers for numbers, _ in jobs), held) if len(jobs) > 1 else ()


def _named(
    jobs: Iterable[Sequence[int]], held: Sequence[tuple[str, frozenset[Key]]]
) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(held[number][0] for number in numbers) for numbers in jobs)


def _keys(file: JobFile) -> Iterator[Key]:
    for host in file.nccl.hosts:
        yield "host", host
    for one in file.nccl.communicators:
        yield ("size", str(one.nranks)) if one.inferred else ("id", one.id)
    if found := _POD.search(file.name):
        yield "pod", found[1]
    if (layout(file.vllm).dp or 1) > 1:
        yield "copies of", file.vllm.model or ""
