"""CONF025: the head is ready only with its workers, and they find it only when it is ready."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.listening import USUAL
from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.whole_name import has_name


@rule("CONF025", level="error")
def readiness_can_come(bundle: Bundle) -> Iterator[Finding]:
    """Workers find the head before it is ready.

    What:
        The head's readiness probe asks the engine's port, workers join the head through a
        Service that has only ready pods, and the engine needs their GPUs to start.
    Why:
        A deadlock: the engine answers when all workers have joined, and the name leads to the
        head only once it answers.
    Fix:
        Set `publishNotReadyAddresses: true` on the Service that workers join, a headless one of
        its own beside the one for requests.
    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec: {clusterIP: None, selector: {app: head}, ports: [{port: 6379}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm-head}
        spec:
          serviceName: vllm-head
          selector: {matchLabels: {app: head}}
          template:
            metadata: {labels: {app: head}}
            spec:
              containers:
              - name: head
                image: vllm/vllm-openai:v0.11.0
                command: [sh, -c, "ray start --head && vllm serve /m -tp 8 -pp 2 --port 8000"]
                readinessProbe: {httpGet: {path: /health, port: 8000}}
                resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm-worker}
        spec:
          serviceName: vllm-worker
          selector: {matchLabels: {app: worker}}
          template:
            metadata: {labels: {app: worker}}
            spec:
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head:6379", --block]
                resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec:
          clusterIP: None
          publishNotReadyAddresses: true
          selector: {app: head}
          ports: [{port: 6379}]
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm-head}
        spec:
          serviceName: vllm-head
          selector: {matchLabels: {app: head}}
          template:
            metadata: {labels: {app: head}}
            spec:
              containers:
              - name: head
                image: vllm/vllm-openai:v0.11.0
                command: [sh, -c, "ray start --head && vllm serve /m -tp 8 -pp 2 --port 8000"]
                readinessProbe: {httpGet: {path: /health, port: 8000}}
                resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                volumeMounts: [{name: dshm, mountPath: /dev/shm}]
              volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm-worker}
        spec:
          serviceName: vllm-worker
          selector: {matchLabels: {app: worker}}
          template:
            metadata: {labels: {app: worker}}
            spec:
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head:6379", --block]
                resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                volumeMounts: [{name: dshm, mountPath: /dev/shm}]
              volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: head}
        spec:
          serviceName: head
          selector: {matchLabels: {app: head}}
          template:
            metadata: {labels: {app: head}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                command: [sh, -c, "ray start --head; vllm serve /m -tp 16"]
                readinessProbe: {httpGet: {path: /health, port: 8000}}
                resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        Kubernetes: Services, publishNotReadyAddresses; DNS for Services and Pods.
    """
    for group in bundle.groups:
        probe = engine_probe(group)
        if probe is None or not group.workers:
            continue
        for service in bundle.services:
            joined = _joined(group, service)
            if joined is not None and group.leader.template in service.selects:
                says = f"workers join through {_named(service, group)}, which has only ready pods,"
                says += f" and {group.leader.template.what} is ready only when they have joined"
                also = (probe.key, service.place.at("spec").key)
                unseen = _unseen(service, group)
                fix = _RENAME if _taken(service, group) else ""
                yield Finding(joined, says, fix, also=also, unseen=unseen)


_RENAME = (
    "Give the Service for requests another name: lws then makes a headless one of this name, with"
    " `publishNotReadyAddresses: true`."
)


def _named(service: Service, group: Group) -> str:
    """The Service; where it took the name of the one that lws would make, that too."""
    why = " (its name keeps lws from making its own)" if _taken(service, group) else ""
    return f"{service.what}{why}"


def _taken(service: Service, group: Group) -> bool:
    leader = group.leader.template
    return leader.kind == "LeaderWorkerSet" and service.name == leader.owner


def _unseen(service: Service, group: Group) -> str:
    """Behind its LeaderWorkerSet a Service may find lws's own, which `kubectl apply` only changes.

    lws CreateHeadlessServiceIfNotExists. A Service of a cluster has its addresses in its spec.
    """
    after = service.place.of > group.leader.template.owner_place.of
    if not _taken(service, group) or not after or service.place.at("spec", "clusterIPs"):
        return ""
    return "whether lws has made its own Service before this one is applied"


def engine_probe(group: Group) -> Place | None:
    """The leader's engine and its probe, where that waits for a world larger than the pod.

    While a startup probe fails a container is not ready either.
    """
    leader = group.leader.template
    engine = next((c for c in leader.containers if c.asks), None)
    world = group.intent.world_size
    if engine is None or engine.asks is None or not world or world <= leader.gpus:
        return None
    own = engine.asks.port or USUAL.get(engine.asks.engine)
    asked = (n for n, port in engine.probes("readinessProbe", "startupProbe") if port == own)
    name = next(asked, None)
    return engine.place.at(name) if name else None


def _joined(group: Group, service: Service) -> Spot | None:
    """Where a worker joins by this Service's name, if that leads to ready pods only."""
    if service.not_ready_too or service.namespace != group.leader.template.namespace:
        return None
    for member in group.workers:
        for container in member.template.every:
            for join in container.joins:
                labels = join.labels
                if join.is_read and service.name in labels[:2]:
                    return join.spot
    return _by_ordinal(group, service)


def _by_ordinal(group: Group, service: Service) -> Spot | None:
    """Pods of one StatefulSet, whose script sends all but the first to the first by its name."""
    leader = group.leader.template
    if leader.kind != "StatefulSet" or any(m.template is not leader for m in group.members):
        return None
    named = f"{leader.names[0]}.{service.name}" if leader.names else ""
    every = (
        c for c in leader.containers if named and any(has_name(t.text, named) for t in c.texts)
    )
    return next((c.spot_of(named) for c in every), None)
