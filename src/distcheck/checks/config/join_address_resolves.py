"""CONF020: the name by which workers join must lead to the leader."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.container import Joining
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF020", level="error")
def join_address_resolves(bundle: Bundle) -> Iterator[Finding]:
    """The name that workers join by is one that the cluster resolves.

    What:
        A worker joins `POD.SERVICE` where the Service has no pod of that name, or a name that
        no Service and no pod in the input has.
    Why:
        DNS has a record for a pod only as `<hostname>.<serviceName>`: of a StatefulSet
        `<its name>-<ordinal>`, of a Deployment none at all. The worker waits for a name that
        never resolves.
    Fix:
        Join the headless Service's own name, or the pod's full name as its workload makes it.
    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec: {clusterIP: None, selector: {app: vllm-head}, ports: [{port: 6379}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm-405b-head}
        spec:
          serviceName: vllm-head
          selector: {matchLabels: {app: vllm-head}}
          template:
            metadata: {labels: {app: vllm-head}}
            spec:
              containers:
              - name: head
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, --head, --port=6379, --block]
                resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-worker}
        spec:
          selector: {matchLabels: {app: vllm-worker}}
          template:
            metadata: {labels: {app: vllm-worker}}
            spec:
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head-0.vllm-head:6379", --block]
                resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec: {clusterIP: None, selector: {app: vllm-head}, ports: [{port: 6379}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm-head}
        spec:
          serviceName: vllm-head
          selector: {matchLabels: {app: vllm-head}}
          template:
            metadata: {labels: {app: vllm-head}}
            spec:
              containers:
              - name: head
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, --head, --port=6379, --block]
                resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                volumeMounts: [{name: dshm, mountPath: /dev/shm}]
              volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-worker}
        spec:
          selector: {matchLabels: {app: vllm-worker}}
          template:
            metadata: {labels: {app: vllm-worker}}
            spec:
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head-0.vllm-head:6379", --block]
                resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                volumeMounts: [{name: dshm, mountPath: /dev/shm}]
              volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm-worker}
        spec:
          containers:
          - name: worker
            image: vllm/vllm-openai:v0.11.0
            command: [ray, start, "--address=vllm-head:6379", --block]
            resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        Kubernetes: DNS for Services and Pods; StatefulSet, stable network ID. NET002 looks the
        name up in the live pod.
    """
    for template in bundle.templates:
        if not template.serves or template.kind in ("NIM Helm values", "NIMService"):
            continue
        for container in template.every:
            for join in container.joins:
                yield from _judged(bundle, template, join)


def _judged(bundle: Bundle, template: Template, join: Joining) -> Iterator[Finding]:
    if not join.is_read or join.host.replace(".", "").isdigit() or ":" in join.host:
        return
    labels = join.host.removesuffix(".").split(".svc", 1)[0].split(".")
    if len(labels) == 1:
        yield from _one(bundle, template, join, labels[0])
        return
    by_pod = [s for s in _services(bundle, template) if s.name == labels[1]]
    as_service = _services(bundle, template)
    if by_pod:
        yield from _of_pod(template, join, labels[0], by_pod[0])
    elif not any(s.name == labels[0] for s in as_service) and not _made(bundle, join.host):
        yield Finding(join.spot, f"nothing in the input is called {join.host}", unseen=_ELSEWHERE)


_ELSEWHERE = "Services and pods that are not in the input"


def _services(bundle: Bundle, template: Template) -> list[Service]:
    return [s for s in bundle.services if s.namespace in (template.namespace, "")]


def _one(bundle: Bundle, template: Template, join: Joining, name: str) -> Iterator[Finding]:
    """A bare name is a Service's."""
    if any(s.name == name for s in _services(bundle, template)):
        return
    made = [t for t in bundle.templates if t.owner == name or name in t.names]
    if made and not _made(bundle, name):
        says = f"{name} is the name of {made[0].what}, and no Service is called so"
        yield Finding(join.spot, says, unseen="Services that are not in the input")
    elif not made:
        yield Finding(join.spot, f"no Service {name} is in the input", unseen=_ELSEWHERE)


def _of_pod(template: Template, join: Joining, pod: str, service: Service) -> Iterator[Finding]:
    """`POD.SERVICE`: the Service's pods must have that hostname, and it as their subdomain."""
    if pod in {service.namespace, template.namespace} or not service.selects:
        return
    named = [t for t in service.selects if t.may_be_called(pod)]
    fits = [t for t in named if t.subdomain == service.name]
    if fits or any(t.kind not in _KNOWN for t in service.selects):
        return
    there = sorted(n for t in service.selects for n in t.names)
    others = [t.what for t in service.selects]
    if named:
        says = (
            f"{named[0].what} has serviceName {named[0].subdomain or '(none)'}, not {service.name}:"
            f" {join.host} has no record"
        )
        yield Finding(join.spot, says, also=(named[0].spot,))
        return
    pods = f"pods of {others[0]} have no names of their own"
    if there:
        pods = f"its pods are called {', '.join(there[:3])}"
    says = f"Service {service.name} has no pod {pod}: {pods}"
    fix = f"Join {service.name}" + (f", or {there[0]}.{service.name}." if there else ".")
    yield Finding(join.spot, says, fix, also=(service.selects[0].spot,))


_KNOWN = ("StatefulSet", "Deployment", "Pod", "ReplicaSet", "DaemonSet", "Rollout")


def _made(bundle: Bundle, host: str) -> bool:
    """Names that controllers make: of a LeaderWorkerSet's pods, of Ray's head Service."""
    first = host.split(".", 1)[0]
    made = [t for t in bundle.templates if t.kind not in _KNOWN]
    return any(first in t.names or first == f"{t.owner}-head-svc" for t in made)
