"""The pods that an address leads to, by the names that the cluster's DNS has for them."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.manifest.bundle import Service
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.names import Names
from distcheck.checks.manifest.template import Template


class NamedPod(Struct, frozen=True):
    """Pod `number` of a template; `name` is empty where pods of it have none of their own."""

    template: Template
    number: int
    name: str

    @property
    def containers(self) -> Iterator[Container]:
        """As they are in this pod; nothing where its template's pods are not told apart."""
        for one in self.template.containers:
            if one.of_pods:
                yield from one.of_pods[self.number : self.number + 1]
            elif self.template.pods == 1 or not self.template.names:
                yield one


def named_pods(names: Names, own: Template, host: str) -> tuple[list[NamedPod], Service | None]:
    """Those that pods of `own` reach by `host`, and the Service where it is one's own name.

    No pods where that is not known.
    """
    labels = host.removesuffix(".").split(".svc", 1)[0].split(".")
    space = labels[2] if len(labels) > _POD_AND_SERVICE else own.namespace
    if len(labels) > 1:
        fits = (t for t in names.pods.get(labels[0], ()) if t.namespace in (space, ""))
        found = [t for t in fits if t.subdomain == labels[1] and _has_record(names, t)]
        if found:
            return [NamedPod(t, t.names.index(labels[0]), labels[0]) for t in found], None
        space = labels[1] if len(labels) == _POD_AND_SERVICE else space
    chosen = [s for s in names.services(own, labels[0]) if s.namespace in (space, "")]
    if len(chosen) != 1 or len(labels) > _POD_AND_SERVICE:
        return [], None
    return [p for t in chosen[0].selects for p in _chosen(chosen[0], t)], chosen[0]


_POD_AND_SERVICE = 2
_BY_NAME = ("apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index")
"""Labels that are the number at the end of a pod's name."""


def _has_record(names: Names, template: Template) -> bool:
    """Not so where the Service of its names is here, and does not select its pods."""
    services = names.services(template, template.subdomain)
    return not services or any(template in s.selects for s in services)


def _chosen(service: Service, template: Template) -> Iterator[NamedPod]:
    """The pods of a template that it selects, also by the labels that number them."""
    if not template.names:
        yield NamedPod(template, 0, "")
    for number, name in enumerate(template.names):
        own = {"statefulset.kubernetes.io/pod-name": name}
        for label in _BY_NAME:
            own[label] = name.rpartition("-")[2]
        worker = number + (template.part == "worker")
        own["leaderworkerset.sigs.k8s.io/worker-index"] = str(worker)
        if all(service.selector.get(label, value) == value for label, value in own.items()):
            yield NamedPod(template, number, name)
