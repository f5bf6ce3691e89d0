"""Groups of plain workloads: tied by the address that workers join, else by their owner."""

from collections.abc import Sequence

from msgspec import Struct, structs

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.errors import Ambiguous
from distcheck.agent.cluster.finding.copies import alone, is_whole
from distcheck.agent.cluster.finding.members import by_name, is_alive, living
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.rollouts import Rollouts, of_one_template, without
from distcheck.agent.cluster.finding.roster import Owner, Roster, Size, choices, name_of, owner_of
from distcheck.agent.cluster.finding.strays import dangling, may_lack
from distcheck.agent.cluster.finding.ties import Ties, read_ties, tied
from distcheck.agent.cluster.finding.workloads import Ghost, Makers, ghosts, read_makers, with_jobs
from distcheck.agent.cluster.podspec import containers, gpus_of


class _Found(Struct, frozen=True):
    """Members, the ones that are not there among them, leader first."""

    pods: tuple[Object, ...]
    how: str


def plain_group(
    look: Namespace,
    seeds: Sequence[Object],
    owner: Owner | None,
    asked: Sequence[Object] = (),
) -> Roster:
    """The group of `seeds`, which no label ties to others; `owner` where there is no seed.

    `asked` are pods that were named: their templates count in a rollout, else the newest.

    Raises:
        Ambiguous: several groups fit.
        Refused, Unreachable: pods or Services cannot be listed.
    """
    makers = read_makers(look, seeds)
    turning = of_one_template(living(look.pods()), asked)
    missing = list(ghosts(makers, turning.pods, turning.says))
    ties = read_ties(look, turning.pods, [g.pod for g in missing])
    own = (
        without(seeds, turning.pods)
        or list(seeds)
        or [g.pod for g in missing if g.absent.owner == owner]
    )
    if not own:
        return Roster(None, (), "", Size(0, str(owner)), dead=_dead(look, {owner}))
    try:
        found = _members(look, ties, own)
    except Ambiguous as error:
        raise _in_rollout(error, turning) from error
    mine = {owner_of(p) for p in found.pods}
    for says in (says for changing, says in turning.says.items() if changing in mine):
        look.note(says)
    more = with_jobs(look, makers, found.pods)
    jobs = {o: job for o, job in more.items() if o not in makers}
    late = list(ghosts(jobs, found.pods))
    whole = _Found((*found.pods, *(g.pod for g in late)), found.how)
    roster = _roster(look, more, [*missing, *late], whole)
    lacks = may_lack(look, ties, whole.pods)
    return structs.replace(roster, size=Size(None, lacks, lacks=True)) if lacks else roster


def _in_rollout(error: Ambiguous, turning: Rollouts) -> Ambiguous:
    """The same, saying that a rollout runs, which may be why there are several."""
    if not turning.says:
        return error
    names = ", ".join(sorted(map(str, turning.says)))
    return Ambiguous(f"a rollout of {names} runs, and {error.says}", error.candidates, turning=True)


def _members(look: Namespace, ties: Ties, seeds: list[Object]) -> _Found:
    pods = tied(ties, seeds)
    if len(pods) < 2:
        for says in dangling(ties, seeds):
            look.note(says)
    if pods:
        how = "tied by the address that the workers join"
        return _Found(pods, how if len(pods) > 1 else alone(pods))
    return _of_owner(look, ties, seeds)


def _of_owner(look: Namespace, ties: Ties, seeds: list[Object]) -> _Found:
    """The pods of the seeds' own workload; replicas that need nobody are groups of one."""
    owners = {owner_of(p) for p in seeds} - {None}
    if len(owners) > 1:
        raise Ambiguous("pods of several workloads fit; name one", choices(seeds))
    pods = by_name(p for p in ties.pods if owner_of(p) in owners) or seeds
    if len(pods) == 1:
        return _Found(tuple(pods), alone(pods))
    whole = is_whole(pods[0])
    if whole is None and any(o and o.kind == "StatefulSet" for o in owners):
        look.note("nothing shows whether one pod is a whole copy: the StatefulSet was taken as one")
        return _Found(tuple(pods), "of one workload")
    if whole is False:
        return _Found(tuple(pods), "of one workload")
    if not any(gpus_of(c) for c in containers(pods[0])):
        look.note(f"the GPUs of {name_of(pods[0])} are not in its limits, so they are not known")
    if len(seeds) > 1:
        raise Ambiguous("each replica is a whole copy; name one", choices(seeds))
    if whole is None:
        look.note("nothing ties this pod to its siblings: it was taken as a copy of its own")
    return _Found(tuple(seeds), "that serves a whole copy on its own")


def _roster(look: Namespace, makers: Makers, missing: list[Ghost], found: _Found) -> Roster:
    ghostly = {g.pod["metadata"]["name"]: g.absent for g in missing}
    real = tuple(p for p in found.pods if name_of(p) not in ghostly)
    absent = tuple(ghostly[name_of(p)] for p in found.pods if name_of(p) in ghostly)
    leader = found.pods[0] if found.pods[0] in real else None
    owners = {owner_of(p) for p in found.pods}
    return Roster(
        leader, real, found.how, _size(makers, owners, len(found.pods)), absent, _dead(look, owners)
    )


def _size(makers: Makers, owners: set[Owner | None], count: int) -> Size:
    named = sorted((o for o in owners if o), key=str)
    unknown = ", ".join(str(o) for o in named if o not in makers)
    if unknown:
        return Size(None, f"how many pods {unknown} should have could not be read")
    source = f"spec of {', '.join(map(str, named))}" if named else "pods that nothing owns"
    return Size(count, source)


def _dead(look: Namespace, owners: set[Owner | None]) -> tuple[Object, ...]:
    """Finished or deleted pods of the same workloads."""
    gone = [p for p in look.pods() if not is_alive(p)]
    return tuple(p for p in by_name(gone) if owner_of(p) in owners - {None})
