"""A request to the API server, taken apart."""

from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct, field

_CLUSTER_WIDE = ("status", "finalize")


class Ask(Struct, frozen=True):
    """One request for a resource; empty strings where the path names nothing."""

    method: str
    group: str
    version: str
    namespace: str
    resource: str
    name: str = ""
    subresource: str = ""
    query: dict[str, list[str]] = field(default_factory=dict)
    accept: str = ""
    body: bytes = b""

    @property
    def scope(self) -> str:
        """The namespace in which rights for it are looked up.

        A Namespace that is asked for by name is in its own scope, so a Role in it can grant
        that (kubernetes apiserver, RequestInfo: `/namespaces/NAME` sets both).
        """
        named = self.name if (self.group, self.resource) == ("", "namespaces") else ""
        return self.namespace or named

    def value(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, [default])[0]

    def flag(self, name: str) -> bool:
        """A query parameter that is on."""
        return self.value(name).lower() in ("1", "true")


def parse_ask(method: str, target: str, accept: str = "", body: bytes = b"") -> Ask | None:
    """The resource request in `target` (path and query), or None where it is none."""
    url = urlsplit(target)
    parts = [unquote(p) for p in url.path.strip("/").split("/")]
    split = _group(parts)
    if split is None:
        return None
    group, version, rest = split
    namespace, resource, name, sub = _resource(rest)
    query = parse_qs(url.query, keep_blank_values=True)
    return Ask(method, group, version, namespace, resource, name, sub, query, accept, body)


def _group(parts: list[str]) -> tuple[str, str, list[str]] | None:
    if parts[0] == "api" and len(parts) > 2:
        return "", parts[1], parts[2:]
    if parts[0] == "apis" and len(parts) > 3:
        return parts[1], parts[2], parts[3:]
    return None


def _resource(rest: list[str]) -> tuple[str, str, str, str]:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _CLUSTER_WIDE:
        namespace, rest = rest[1], rest[2:]
    resource, name, sub = (*rest, "", "")[:3]
    return namespace, resource, name, sub
