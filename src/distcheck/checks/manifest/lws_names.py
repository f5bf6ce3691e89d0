"""Names that are meant for pods of a LeaderWorkerSet, and lead to none, or to another group's."""

from collections.abc import Sequence

from distcheck.checks.manifest.container import Joining
from distcheck.checks.manifest.names import LWS, Names
from distcheck.checks.manifest.template import Template


def wrong_of_lws(names: Names, template: Template, join: Joining) -> str:
    """Why pods of `template` find no leader by this name; empty where it may be right."""
    labels = join.labels
    if len(labels) == 1:
        return ""
    own = names.lws.get((template.namespace, labels[1]), [])
    lost = _no_pod(own, labels) if own and _is_shared(own[0]) else ""
    known = lost or _of_another_service(names, template, labels)
    return known or _of_first_group(own, template, join)


def _is_shared(template: Template) -> bool:
    """Whether one Service, of the LeaderWorkerSet's name, has the pods of all its groups."""
    policy = template.owner_place.text("spec", "networkConfig", "subdomainPolicy")
    return policy in ("", "Shared")


def _groups(template: Template) -> int:
    return template.owner_place.number("spec", "replicas") or 1


def _no_pod(own: Sequence[Template], labels: Sequence[str]) -> str:
    """`POD.LWS`, and the LeaderWorkerSet of that name has no such pod."""
    there = {name for t in own for name in t.names}
    number = labels[0].removeprefix(f"{labels[1]}-")
    of_another = _groups(own[0]) > 1 and number.replace("-", "").isdigit()
    if labels[0] in there or of_another:
        return ""
    return f"LeaderWorkerSet {labels[1]} has no pod {labels[0]}: its leader is {own[0].names[0]}"


def _of_another_service(names: Names, template: Template, labels: Sequence[str]) -> str:
    """The first label is a LeaderWorkerSet's pod, and the second not the name of its Service."""
    if names.services(template, labels[1]):
        return ""
    for named in names.pods.get(labels[0], ()):
        plain = named.owner and _is_shared(named) and not named.spec.text("subdomain")
        if named.kind == LWS and plain and labels[1] != named.owner:
            return f"pods of {LWS} {named.owner} are known as {labels[0]}.{named.owner}"
    return ""


def _of_first_group(own: Sequence[Template], template: Template, join: Joining) -> str:
    """The leader of the first group by its name, as it is written for the workers of them all."""
    written = join.host in join.spot.text and template in own and template.part != "leader"
    if not written or _groups(own[0]) <= 1 or not _is_shared(own[0]):
        return ""
    pod, lws = join.labels[:2]
    if pod != f"{lws}-0":
        return ""
    says = f"LeaderWorkerSet {lws} makes {_groups(own[0])} groups, and {pod} leads the first"
    return f"{says}: workers of all would join it"
