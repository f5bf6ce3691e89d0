"""Claims that several pods of a group mount, and the namespace of pods that are not there."""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Roster
from distcheck.agent.cluster.kinds import PVC

_MOST_CLAIMS = 4
_ADMITTED = "labels of the namespace were not asked for: the pods are there, so it admitted them"


class Found(Struct, frozen=True):
    """Raw objects, and by kind why some are not among them."""

    objects: tuple[Object, ...] = ()
    unread: Mapping[str, str] = {}


def mounted(look: Namespace, roster: Roster) -> Found:
    """One request for each claim that is shared, at most 4; one for the namespace. Never raises.

    What of the claims was refused is noted.
    """
    unread: dict[str, str] = {}
    claims = _claims(look, roster, unread)
    if unread:
        look.note(f"{unread[PVC.kind]}, so whether several nodes can mount it is open (CONF090)")
    spaces = _namespace(look, unread) if roster.absent else []
    if not roster.absent:
        unread["Namespace"] = _ADMITTED
    return Found((*claims, *spaces), unread)


def _claims(look: Namespace, roster: Roster, unread: dict[str, str]) -> list[Object]:
    shared = _shared(roster)
    found: list[Object] = []
    for name in shared[:_MOST_CLAIMS]:
        try:
            one = look.get(PVC, name)
        except ClusterError as error:
            unread[PVC.kind] = f"claim {name} could not be read: {error}"
            break
        if one is not None:
            found.append({**one, "apiVersion": "v1", "kind": PVC.kind})
    if len(shared) > _MOST_CLAIMS and not unread:
        unread[PVC.kind] = f"of {len(shared)} claims only {_MOST_CLAIMS} were read"
    return found


def _shared(roster: Roster) -> list[str]:
    """Claims that more than one pod mounts; where pods are not there, any."""
    counts = Counter(
        claim
        for pod in roster.ordered
        for volume in (pod.get("spec") or {}).get("volumes") or ()
        if (claim := str((volume.get("persistentVolumeClaim") or {}).get("claimName") or ""))
    )
    return [name for name, count in counts.items() if count > 1 or roster.absent]


def _namespace(look: Namespace, unread: dict[str, str]) -> list[Object]:
    try:
        found = look.api.get(f"/api/v1/namespaces/{look.name}")
    except ClusterError as error:
        unread["Namespace"] = f"labels of the namespace could not be read: {error}"
        return []
    return [{**found, "apiVersion": "v1", "kind": "Namespace"}]
