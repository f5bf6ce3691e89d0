"""What the caller may do, asked before anything fails: and what is lost where it may not."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import ClusterError

_REVIEWS = "/apis/authorization.k8s.io/v1"
_RULES = f"{_REVIEWS}/selfsubjectrulesreviews"
_ACCESS = f"{_REVIEWS}/selfsubjectaccessreviews"
_MAX_ASKED = 12
LACKING = "you may not "
"""How every sentence here begins."""


class Need(Struct, frozen=True):
    """A verb on a resource, and what cannot be seen without it."""

    verb: str
    resource: str
    loses: str
    group: str = ""
    cluster: bool = False

    def says(self, namespace: str) -> str:
        """That it may not be done, and what follows."""
        where = "in the cluster" if self.cluster else f"in namespace {namespace}"
        return f"{LACKING}{self.verb} {self.resource} {where}: {self.loses}"


_STREAM = ("get", "create")
"""A websocket is a GET, and needs `create` too from Kubernetes 1.35 on."""
_INSIDE = (
    "nothing inside containers without an agent is seen (/dev/shm, processes, the model, Ray's"
    " worker logs): SHM001, SHARD001 and what rests on those logs may stay undecided"
)
_LOGS = "logs of pods without an agent are not read: NCCL and SHARD checks may stay undecided"
_ENGINE = "without agents neither Ray's GCS nor the engine is asked: RAY001, RAY002 stay undecided"
_AGENTS = "agents are not reached: nodes are looked at through the Kubernetes API alone"

OF_AGENTS = tuple(Need(v, "pods/portforward", _AGENTS) for v in _STREAM)
WITHOUT_AGENTS = (
    Need("get", "pods/log", _LOGS),
    *(Need(v, "pods/portforward", _ENGINE) for v in _STREAM),
)
EXEC = tuple(Need(v, "pods/exec", _INSIDE) for v in _STREAM)
OF_GROUP = (
    Need("list", "pods", "pods of the group may be missed"),
    Need("list", "services", "the name that workers join may not be understood"),
    Need("list", "events", "why a pod does not start may stay unknown"),
    Need(
        "list",
        "networkpolicies",
        "whether policies close the group's traffic stays undecided (NET003)",
        group="networking.k8s.io",
    ),
    Need(
        "list",
        "endpointslices",
        "whom the name leads to that workers join by is not known from specs (NET002)",
        group="discovery.k8s.io",
    ),
)


def lacking(api: Api, namespace: str, needs: Sequence[Need]) -> tuple[str, ...]:
    """What of `needs` the caller may not do in `namespace`, in words. Never raises.

    One question tells all rules; only where the API server says that it is not the whole
    answer is each need that they do not cover asked on its own.
    """
    try:
        spec = {"spec": {"namespace": namespace}}
        status = api.create(_RULES, _review("SelfSubjectRulesReview", spec)).get("status") or {}
        open_ones = [n for n in needs if not _covered(n, status.get("resourceRules") or ())]
        if not status.get("incomplete"):
            return _said(open_ones, namespace)
    except ClusterError:
        open_ones = list(needs)
    return _said([n for n in open_ones[:_MAX_ASKED] if _refused(api, namespace, n)], namespace)


def _said(needs: Iterable[Need], namespace: str) -> tuple[str, ...]:
    """One sentence for each resource: of several verbs, the first."""
    by_resource: dict[str, str] = {}
    for need in needs:
        by_resource.setdefault(need.resource, need.says(namespace))
    return tuple(by_resource.values())


def _covered(need: Need, rules: Iterable[Any]) -> bool:
    return any(
        _in(need.verb, rule.get("verbs"))
        and _in(need.group, rule.get("apiGroups"))
        and _names(need.resource, rule.get("resources"))
        and not rule.get("resourceNames")
        for rule in rules
        if isinstance(rule, dict)
    )


def _in(word: str, allowed: object) -> bool:
    return isinstance(allowed, list) and (word in allowed or "*" in allowed)


def _names(resource: str, allowed: object) -> bool:
    """`pods/log` is named whole, as `*/log`, or as `*` (RBAC, ResourceMatches)."""
    _, slash, sub = resource.partition("/")
    return _in(resource, allowed) or bool(slash and _in(f"*/{sub}", allowed))


def _refused(api: Api, namespace: str, need: Need) -> bool:
    """Whether a review says no; one that cannot be asked says nothing."""
    resource, _, sub = need.resource.partition("/")
    where = {} if need.cluster else {"namespace": namespace}
    wanted = {"group": need.group, "resource": resource, "verb": need.verb, **where}
    attributes = wanted | ({"subresource": sub} if sub else {})
    spec = {"spec": {"resourceAttributes": attributes}}
    try:
        answer = api.create(_ACCESS, _review("SelfSubjectAccessReview", spec))
    except ClusterError:
        return False
    return (answer.get("status") or {}).get("allowed") is False


def _review(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, **spec}
