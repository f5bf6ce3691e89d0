"""The cluster side of a command: from TARGET to evidence, with the exit code of each failure."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from msgspec import structs

from distcheck.agent.cli import exit as codes
from distcheck.agent.cli.asked import Asked
from distcheck.agent.cli.progress import Progress
from distcheck.agent.cluster import errors
from distcheck.agent.cluster.access import LACKING
from distcheck.agent.cluster.api import connect
from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.gather import Ways, gather
from distcheck.agent.manifests.live_again import LiveRules
from distcheck.checks.evidence import Evidence

_NOT_OURS_TO_MEND = (errors.Unreachable, errors.Refused)


def gathering(asked: Asked, progress: Progress) -> Callable[[], Evidence]:
    """A function that gathers once, from a cluster that is connected to now.

    Raises:
        Stop: no usable configuration (code 2). So does the function: the target is not found
            or ambiguous (2), or the API server cannot be reached or refuses (3).
    """
    with _said():
        api = connect(asked.kubeconfig, asked.context, timeout=min(asked.timeout, 10.0))
    namespace = asked.namespace or api.namespace
    told: set[str] = set()
    rules = LiveRules()

    def look() -> Evidence:
        with _said():
            progress(f"looking for {asked.target} in namespace {namespace}")
            end = monotonic() + asked.timeout
            group = find_group(api.until(end), namespace, asked.target)
            progress(f"{group.target.chosen}; looking at {len(group.pods)} pods")
            ways = Ways(agents=asked.agents, exec=asked.exec, ray_token=asked.ray_token)
            left = end - monotonic()
            evidence = gather(api, group, timeout=left, progress=progress, ways=ways)
            manifests = rules.judged(group.objects, evidence.policies)
            evidence = structs.replace(evidence, manifests=manifests)
            _warn(evidence, told, quiet=asked.quiet)
            return evidence

    return look


def _warn(evidence: Evidence, told: set[str], *, quiet: bool) -> None:
    """What the caller may not do, on standard error, once each."""
    for note in evidence.notes:
        if note.startswith(LACKING) and note not in told and not quiet:
            told.add(note)
            sys.stderr.write(f"distcheck: {note}\n")


@contextmanager
def _said() -> Iterator[None]:
    """What the cluster does not give, as one line and an exit code."""
    try:
        yield
    except _NOT_OURS_TO_MEND as error:
        away = isinstance(error, errors.Unreachable)
        raise codes.Stop(codes.UNKNOWN, f"unknown: {error}", mends=away) from error
    except errors.ClusterError as error:
        late = isinstance(error, errors.NotFound) or getattr(error, "turning", False)
        raise codes.Stop(codes.USAGE, str(error), mends=late) from error
