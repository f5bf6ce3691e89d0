"""A workload that is there without any pod: the group that it should have made."""

from collections.abc import Callable

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.families import OF_JOB, OF_LWS, OF_RAY
from distcheck.agent.cluster.finding.members import running_cluster
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.plain import plain_group
from distcheck.agent.cluster.finding.roster import Absent, Owner, Roster, Size
from distcheck.agent.cluster.kinds import DEPLOYMENT


def podless_group(look: Namespace, kind: str, found: Object) -> Roster:
    """The roster of `found`, all of it absent.

    Raises:
        Ambiguous, Refused, Unreachable: see `plain_group`.
    """
    name = str(found["metadata"]["name"])
    return _KINDS.get(kind, _plain)(look, Owner(kind, name), found)


def _plain(look: Namespace, owner: Owner, _found: Object) -> Roster:
    return plain_group(look, [], owner)


def _lws(look: Namespace, owner: Owner, _found: Object) -> Roster:
    return OF_LWS.roster(look, (owner.name, "0"), [], None)


def _ray(look: Namespace, owner: Owner, _found: Object) -> Roster:
    return OF_RAY.roster(look, (owner.name,), [], None)


def _job(look: Namespace, owner: Owner, _found: Object) -> Roster:
    return OF_JOB.roster(look, (owner.name,), [], None)


def _by_cluster(look: Namespace, owner: Owner, found: Object) -> Roster:
    cluster = running_cluster(found)
    if cluster:
        return OF_RAY.roster(look, (cluster,), [], None)
    size = Size(None, f"{owner} has no RayCluster yet")
    return Roster(None, (), "", size, (Absent(f"every pod of {owner}", owner),))


def _nim(look: Namespace, owner: Owner, found: Object) -> Roster:
    if (found.get("spec") or {}).get("multiNode"):
        return OF_LWS.roster(look, (f"{owner.name}-lws", "0"), [], None)
    made = plain_group(look, [], Owner(DEPLOYMENT.kind, owner.name))
    if made.absent:
        return made
    size = Size(None, f"{owner} has made no Deployment")
    return Roster(None, (), "", size, (Absent(f"every pod of {owner}", owner),))


_KINDS: dict[str, Callable[[Namespace, Owner, Object], Roster]] = {
    "LeaderWorkerSet": _lws,
    "RayCluster": _ray,
    "MPIJob": _job,
    "RayService": _by_cluster,
    "RayJob": _by_cluster,
    "NIMService": _nim,
}
