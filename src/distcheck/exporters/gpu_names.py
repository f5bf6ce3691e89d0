"""GPUs as people know them: `GPU 3 of gpu-b`, where machines read a UUID."""

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from distcheck.checks.report import Finding, Report

_UUID = re.compile(r"GPU-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def with_gpu_names(report: Report) -> Report:
    """The same report, each GPU of its map named by its number and node.

    Commands between backticks keep the UUID: `nvidia-smi -i` takes it on any node. So do GPUs
    that are on no map, and slices of a GPU.
    """
    gpus = () if report.map is None else report.map.gpus
    known = {g.uuid: f"GPU {g.index} of {g.node}" for g in gpus if g.node}
    if not known:
        return report
    checks = tuple(_finding(f, known) for f in report.checks)
    return replace(report, summary=_named(report.summary, known), checks=checks)


def _finding(finding: Finding, known: Mapping[str, str]) -> Finding:
    return replace(
        finding,
        says=_named(finding.says, known),
        subjects=_ranges(finding.subjects, known),
        cites=tuple(replace(c, what=_named(c.what, known)) for c in finding.cites),
        remedy=_in_prose(finding.remedy, known),
    )


def _ranges(subjects: Sequence[str], known: Mapping[str, str]) -> tuple[str, ...]:
    """Subjects, the GPUs among them in order: `GPU 0 to 7 of gpu-b` where three or more follow."""
    gpus = sorted((known[s].split(" of ", 1) for s in subjects if s in known), key=_place)
    runs: list[list[list[str]]] = []
    for gpu in gpus:
        if runs and _place(runs[-1][-1]) == (gpu[1], _place(gpu)[1] - 1):
            runs[-1].append(gpu)
        else:
            runs.append([gpu])
    told = [word for run in runs for word in _run(run)]
    return (*told, *(_named(s, known) for s in subjects if s not in known))


def _run(run: Sequence[Sequence[str]]) -> list[str]:
    if len(run) < 3:
        return [" of ".join(gpu) for gpu in run]
    return [f"{run[0][0]} to {_place(run[-1])[1]} of {run[0][1]}"]


def _place(gpu: Sequence[str]) -> tuple[str, int]:
    return gpu[1], int(gpu[0].removeprefix("GPU "))


def _named(text: str, known: Mapping[str, str]) -> str:
    return _UUID.sub(lambda found: known.get(found[0], found[0]), text)


def _in_prose(text: str, known: Mapping[str, str]) -> str:
    parts = text.split("`")
    return "`".join(part if n % 2 else _named(part, known) for n, part in enumerate(parts))
