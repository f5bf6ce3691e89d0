"""What is called how in a bundle: Services, objects and the pods that they make."""

from collections import defaultdict

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.template import Template

LWS = "LeaderWorkerSet"
PLAIN = ("StatefulSet", "Deployment", "Pod", "ReplicaSet", "DaemonSet", "Rollout")
"""Kinds whose pods are known by a Service's name alone: no controller makes one for them."""


class Names:
    """What is called how in the bundle: looked up for each address that somebody joins."""

    def __init__(self, bundle: Bundle) -> None:
        self._beside: dict[str, list[Template]] = defaultdict(list)
        self.spaces = {t.namespace for t in bundle.things}
        self.lws: dict[tuple[str, str], list[Template]] = defaultdict(list)
        self.owned: dict[str, list[Template]] = defaultdict(list)
        self.pods: dict[str, list[Template]] = defaultdict(list)
        self._services: dict[tuple[str, str], list[Service]] = defaultdict(list)
        for template in bundle.templates:
            self.owned[template.owner].append(template)
            self._beside[template.namespace].append(template)
            if template.kind == LWS:
                self.lws[template.namespace, template.owner].append(template)
            for name in template.names:
                self.pods[name].append(template)
        for service in bundle.services:
            self._services[service.namespace, service.name].append(service)

    @property
    def has_services(self) -> bool:
        """Whether any Service is in the input: without one they are somewhere else."""
        return bool(self._services)

    def services(self, template: Template, name: str) -> list[Service]:
        """The Services of this name that pods of the template resolve by it."""
        spaces = dict.fromkeys((template.namespace, ""))
        return [s for space in spaces for s in self._services.get((space, name), ())]

    def beside(self, template: Template) -> list[Template]:
        """The templates of its namespace."""
        return self._beside[template.namespace]

    def elsewhere(self, own: str, name: str) -> str:
        """The other namespace that has a Service of this name; empty for none, or for several."""
        found = {space for space, called in self._services if called == name and space != own}
        return found.pop() if own and len(found) == 1 else ""

    def of_owner_or_pod(self, name: str) -> list[Template]:
        """Templates of an object, or a pod, of this name."""
        return [*self.owned.get(name, ()), *self.pods.get(name, ())]

    def of(self, space: str, name: str) -> bool:
        """Whether a Service or LeaderWorkerSet of this name is in the namespace."""
        return bool(self._services.get((space, name)) or self.lws.get((space, name)))

    def made(self, host: str) -> bool:
        """Names that controllers make: of a LeaderWorkerSet's pods, of Ray's head Service."""
        first = host.split(".", 1)[0]
        head = first.removesuffix("-head-svc")
        heads = self.owned.get(head, ()) if head != first else ()
        return any(t.kind not in PLAIN for t in (*self.pods.get(first, ()), *heads))
