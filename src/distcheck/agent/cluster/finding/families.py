"""Groups that labels tie together: LeaderWorkerSet, KubeRay, MPIJob."""

from collections.abc import Callable

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.family_job import job_roster, leads_job
from distcheck.agent.cluster.finding.family_lws import GROUP_INDEX, leads_lws, lws_roster
from distcheck.agent.cluster.finding.family_ray import leads_ray, ray_roster
from distcheck.agent.cluster.finding.members import JOB_NAME, LWS_NAME, RAY_CLUSTER, labels_of
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Roster


class Family(Struct, frozen=True):
    """One way in which labels make a group; `keys` tell groups from each other."""

    how: str
    keys: tuple[str, ...]
    leads: Callable[[Object], bool]
    roster: Callable[[Namespace, tuple[str, ...], list[Object], Object | None], Roster]

    def group(self, pod: Object) -> tuple[str, ...] | None:
        """The values of the keys on this pod; None where it is not of this family.

        An empty label is no label: no object is called so.
        """
        labels = labels_of(pod)
        values = tuple(labels.get(k) or "" for k in self.keys)
        return values if all(values) else None


def family_of(pod: Object) -> Family | None:
    """The family whose labels `pod` carries."""
    return next((f for f in FAMILIES if f.group(pod) is not None), None)


def _lws(
    look: Namespace, group: tuple[str, ...], pods: list[Object], asked: Object | None
) -> Roster:
    return lws_roster(look, (group[0], group[1]), pods, asked)


def _ray(
    look: Namespace, group: tuple[str, ...], pods: list[Object], _asked: Object | None
) -> Roster:
    return ray_roster(look, group[0], pods)


def _job(
    look: Namespace, group: tuple[str, ...], pods: list[Object], _asked: Object | None
) -> Roster:
    return job_roster(look, group[0], pods)


OF_LWS = Family("of one LeaderWorkerSet group", (LWS_NAME, GROUP_INDEX), leads_lws, _lws)
OF_RAY = Family("of one RayCluster", (RAY_CLUSTER,), leads_ray, _ray)
OF_JOB = Family("of one MPIJob", (JOB_NAME,), leads_job, _job)
FAMILIES = (OF_LWS, OF_RAY, OF_JOB)
