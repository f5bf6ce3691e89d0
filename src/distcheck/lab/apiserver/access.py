"""Who may do what: a table of denials that requests and access reviews both ask."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.lab.apiserver.ask import Ask
from distcheck.lab.apiserver.kinds import Kind

_STREAMS = ("exec", "attach", "portforward")
_VERBS = ("get", "list", "watch", "create")


class Denial(Struct, frozen=True):
    """One row: these verbs on these resources in these namespaces are refused.

    A resource is written as in a Role (`pods`, `pods/log`); `*` stands for all, and the
    namespace `""` for a request that names none (nodes, or all namespaces). A Namespace read by
    its name is in itself.
    """

    verbs: tuple[str, ...] = ("*",)
    resources: tuple[str, ...] = ("*",)
    namespaces: tuple[str, ...] = ("*",)

    def covers(self, verb: str, resource: str, namespace: str) -> bool:
        """Whether this row refuses that request."""
        rows = ((self.verbs, verb), (self.resources, resource), (self.namespaces, namespace))
        return all("*" in allowed or asked in allowed for allowed, asked in rows)


def verbs_of(ask: Ask) -> tuple[str, ...]:
    """The RBAC verbs that a request needs.

    A websocket is a GET, yet since 1.35 its subresource needs `create` as well
    (AuthorizePodWebsocketUpgradeCreatePermission, Kubernetes feature gates).
    """
    if ask.subresource in _STREAMS:
        return ("get", "create")
    if ask.method != "GET":
        return ("create",)
    if ask.flag("watch"):
        return ("watch",)
    return ("get",) if ask.name else ("list",)


def denied_verb(ask: Ask, denials: Iterable[Denial]) -> str | None:
    """The first verb of this request that the table refuses, or None."""
    rows = tuple(denials)
    resource = f"{ask.resource}/{ask.subresource}" if ask.subresource else ask.resource
    for verb in verbs_of(ask):
        if any(row.covers(verb, resource, ask.scope) for row in rows):
            return verb
    return None


def review(body: dict[str, object], denials: Iterable[Denial]) -> dict[str, object]:
    """The answer to a SelfSubjectAccessReview, from the same table."""
    spec = body.get("spec")
    wanted = spec.get("resourceAttributes", {}) if isinstance(spec, dict) else {}
    resource = str(wanted.get("resource", ""))
    if wanted.get("subresource"):
        resource += f"/{wanted['subresource']}"
    verb, namespace = str(wanted.get("verb", "")), str(wanted.get("namespace", ""))
    allowed = not any(row.covers(verb, resource, namespace) for row in denials)
    return {**body, "status": {"allowed": allowed}}


def rules_review(
    body: dict[str, object], denials: Iterable[Denial], kinds: Iterable[Kind]
) -> dict[str, object]:
    """The answer to a SelfSubjectRulesReview: what the table leaves of all verbs.

    Rules only ever grant, so each resource has one rule with the verbs that are not denied.
    """
    spec = body.get("spec")
    namespace = str(spec.get("namespace", "")) if isinstance(spec, dict) else ""
    rows = tuple(denials)
    rules = [
        {"verbs": verbs, "apiGroups": [group], "resources": [resource]}
        for group, resource in _resources(kinds)
        if (verbs := [v for v in _VERBS if not _denied(rows, v, resource, namespace)])
    ]
    status = {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}
    return {**body, "status": status}


def _resources(kinds: Iterable[Kind]) -> list[tuple[str, str]]:
    named = [(k.group, k.plural) for k in kinds]
    return [*named, *(("", f"pods/{sub}") for sub in ("log", *_STREAMS))]


def _denied(rows: Iterable[Denial], verb: str, resource: str, namespace: str) -> bool:
    return any(row.covers(verb, resource, namespace) for row in rows)
