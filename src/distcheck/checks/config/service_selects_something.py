"""CONF024: a Service whose selector fits nothing."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.listening import listens_on
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF024", level="error")
def service_selects_something(bundle: Bundle) -> Iterator[Finding]:
    """A Service's selector fits the pods that it is for.

    What:
        A Service that a StatefulSet names as `serviceName`, that workers join, that is in the
        input beside the only workload, or has a workload's name and leads to its port, selects
        none of the pods.
    Why:
        It has no endpoints: its name leads nowhere, and the pods of the StatefulSet have no
        names in DNS.
    Fix:
        Make `selector` equal to labels of the pod template.
    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm}
        spec: {clusterIP: None, selector: {app: vllm-server}, ports: [{port: 8000}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          serviceName: vllm
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, /models/m]
                resources: {limits: {nvidia.com/gpu: 1}}
    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm}
        spec: {clusterIP: None, selector: {app: vllm}, ports: [{port: 8000}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          serviceName: vllm
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, /models/m]
                resources: {limits: {nvidia.com/gpu: 1}}
    Unsure:
        apiVersion: v1
        kind: Service
        metadata: {name: router}
        spec: {selector: {app: router}, ports: [{port: 80}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: a, labels: {app: vllm}}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
    Source:
        Kubernetes: Services; StatefulSet, stable network ID.
    """
    for service in bundle.services:
        if not service.selector or service.selects or not bundle.judged:
            continue
        if wrong := _of_controller(bundle, service):
            yield wrong
            continue
        spot = service.place.at("spec", "selector").spot
        labels = ",".join(f"{k}={v}" for k, v in service.selector.items())
        for template in bundle.templates:
            why = _why(bundle, service, template)
            if template.serves and why and template.namespace == service.namespace:
                says = f"{why}, and its selector {labels} fits none of the pods in the input"
                near = template.place.at("metadata", "labels")
                elsewhere = _is_alone(template, bundle) or _may_be_of_others(why, service, template)
                unseen = _ELSEWHERE if elsewhere else ""
                fix = _fix(service, template) if not _is_alone(template, bundle) else _JOINED
                yield Finding(spot, says, fix, unseen=unseen, also=(near.spot,) if near else ())
                break


def _fix(service: Service, template: Template) -> str:
    """By what the pods have of the labels that are asked for."""
    has = {k: template.labels[k] for k in service.selector if k in template.labels}
    if has and len(has) == len(service.selector):
        return f"Write `selector: {{{', '.join(f'{k}: {v}' for k, v in has.items())}}}`."
    return ""


_ELSEWHERE = "pods that are not in the input"
_JOINED = "Give the pods that it joins, too: their labels are what `selector` must have."


def _may_be_of_others(why: str, service: Service, template: Template) -> bool:
    """Whether a Service beside the only workload is by its words that of another application."""
    if "the only workload" not in why or service.name == template.owner:
        return False
    pairs = service.selector.items()
    same = any(template.labels.get(k) == v for k, v in pairs)
    words = [(service.name, template.owner), *((v, template.labels.get(k, "")) for k, v in pairs)]
    alike = any(a in b or b in a for a, b in words if a and b)
    return not same and (not alike or service.name in service.selector.values())


def _is_alone(template: Template, bundle: Bundle) -> bool:
    """Whether it joins something, and nothing is in the input that it could join."""
    others = (t for t in bundle.templates if t is not template and t.serves)
    joins = any(j.is_read for c in template.every for j in c.joins)
    joins = joins and not (template.kind == "StatefulSet" and len(template.names) > 1)
    return joins and not any(t.namespace == template.namespace for t in others)


def _why(bundle: Bundle, service: Service, template: Template) -> str:
    """Why the Service must have pods of the input."""
    if template.kind == "StatefulSet" and template.subdomain == service.name:
        return f"{template.what} has its names from {service.what}"
    for container in template.every:
        for join in container.joins:
            if join.is_read and join.labels[0] == service.name:
                return f"{template.what} joins {service.what}"
    if _only(bundle, service, template):
        return _meant(service, template)
    return ""


def _meant(service: Service, template: Template) -> str:
    if service.name == template.owner:
        return f"{service.what} has the name of {template.what} and leads to its port"
    return f"{template.what} is the only workload for {service.what}"


def _only(bundle: Bundle, service: Service, template: Template) -> bool:
    """Whether the Service leads to a port of the only workload there is, by the same labels.

    Of several workloads or Services it is the one of the same name.
    """
    owners = {(t.kind, t.owner) for t in bundle.templates if t.namespace == service.namespace}
    services = [s for s in bundle.services if s.namespace == service.namespace]
    declared = [p for c in template.every for p in c.place.each("ports")]
    ports = {p.number("containerPort") for p in declared} | {p.text("name") for p in declared}
    ports |= {c.asks.port for c in template.containers if c.asks}
    ports |= {listens_on(c) for c in template.containers}
    told = {
        p.at("targetPort").value or p.number("port") for p in service.place.each("spec", "ports")
    }
    one = (len(owners) == 1 and len(services) == 1) or service.name == template.owner
    tied = told & (ports - {None, ""})
    return one and bool(tied) and set(service.selector) <= set(template.labels)


_NAMES = {"leaderworkerset.sigs.k8s.io/name": "LeaderWorkerSet", "ray.io/cluster": "RayCluster"}


def _of_controller(bundle: Bundle, service: Service) -> Finding | None:
    """A selector with the name of a LeaderWorkerSet or RayCluster, which tells what is meant."""
    label = next((k for k in _NAMES if k in service.selector), None)
    if label is None:
        return None
    name, kind = service.selector[label], _NAMES[label]
    made = [t for t in bundle.templates if t.labels.get(label) and t.namespace == service.namespace]
    own = [t for t in made if t.labels.get(label) == name]
    at = service.place.at("spec", "selector")
    if not made or any(t.kind == "RayService" for t in made):
        return None
    if not own:
        says = f"no {kind} {name} is in the input: there is {made[0].owner}"
        only = len({t.owner for t in made}) == 1
        unseen = "" if only and len(bundle.services) == 1 else f"{kind}s that are not in the input"
        says = f"{service.what} selects no pod: {says}"
        fix = f"Write {made[0].owner}." if only else ""
        return Finding(at.at(label).spot, says, fix, unseen=unseen)
    wrong = [k for k, v in service.selector.items() if not any(_has(t, k, v) for t in own)]
    if not wrong:
        return None
    says = f"no pod of {own[0].kind} {name} has the label {wrong[0]}={service.selector[wrong[0]]}"
    fix = f"Give the pod template the label {wrong[0]}, or take it out of the selector."
    return Finding(at.at(wrong[0]).spot, f"{service.what} selects no pod: {says}", fix)


def _has(template: Template, name: str, value: str) -> bool:
    return template.labels.get(name) == value or template.may_have_label(name)
