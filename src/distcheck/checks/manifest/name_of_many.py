"""The name that workers join by leads to them as well as to the leader."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.container import Joining
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.names import Names
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.template import Template


def names_of_many(bundle: Bundle, names: Names) -> Iterator[Finding]:
    """Services whose selector surely fits a group's leader and workers that join by their name."""
    told: set[Spot] = set()
    for group in bundle.groups:
        for worker in group.workers:
            for service, join in _joined(names, worker.template):
                at = service.place.at("spec", "selector").spot
                if at not in told and _has_both(service, group.leader.template, worker.template):
                    told.add(at)
                    yield _found(service, join, group, worker.template)


def _joined(names: Names, template: Template) -> Iterator[tuple[Service, Joining]]:
    """The Services by whose own names its containers join."""
    for join in (j for c in template.every for j in c.joins if j.is_read):
        labels = join.labels
        own = len(labels) == 1 or labels[1:] == [template.namespace]
        for service in names.services(template, labels[0]) if own else ():
            yield service, join


def _has_both(service: Service, leader: Template, worker: Template) -> bool:
    """By the labels that stand there; a port that only one of them names leads to it alone."""
    targets = [p.at("targetPort").value for p in service.place.each("spec", "ports")]
    named = any(isinstance(t, str) and not t.isdigit() for t in targets)
    fits = (service.selector.items() <= t.labels.items() for t in (leader, worker))
    return bool(service.selector) and not named and all(fits)


def _found(service: Service, join: Joining, group: Group, worker: Template) -> Finding:
    leader = group.leader.template
    pods = f"{leader.what} and {worker.what}"
    pods = pods if leader is not worker else f"all {group.pods or ''} pods of {leader.what}"
    says = f"{service.what}, by which the workers join, leads to {pods.replace('  ', ' ')}"
    probed = any(c.place.at("readinessProbe") for c in worker.containers)
    late = probed and not service.not_ready_too
    return Finding(
        service.place.at("spec", "selector").spot,
        f"{says}: only the leader listens there",
        _fix(service, leader, worker),
        unseen="whether the workers are ready before all have joined" if late else "",
        also=(join.spot,),
    )


def _fix(service: Service, leader: Template, worker: Template) -> str:
    """A label that the leader has and the worker has not; of one template its first pod."""
    apart = {k: v for k, v in leader.labels.items() if k not in service.selector}
    own = next((f"{k}: {v}" for k, v in apart.items() if worker.labels.get(k) != v), "")
    if own:
        return f"Add `{own}` to the selector, which only the leader has."
    if leader is not worker:
        return "Give the leader's template a label of its own (`role: leader`), and choose by it."
    if leader.names and leader.subdomain:
        return f"Join {leader.names[0]}.{leader.subdomain}."
    return "Join the leader by a name of its own."
