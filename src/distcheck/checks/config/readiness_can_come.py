"""CONF025: the head is ready only with its workers, and they find it only when it is ready."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule


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
    Source:
        Kubernetes: Services, publishNotReadyAddresses; DNS for Services and Pods.
    """
    for group in bundle.groups:
        probe = _engine_probe(group)
        if probe is None or not group.workers:
            continue
        for service in bundle.services:
            joined = _joined(group, service)
            if joined is not None and group.leader.template in service.selects:
                name = f"Service {service.name}"
                says = f"workers join through {name}, which has only ready pods, and"
                says += f" {group.leader.template.what} is ready only when they have joined"
                also = (probe.place.at("readinessProbe").key, service.place.at("spec").key)
                yield Finding(joined.spot_of(service.name), says, also=also)


def _engine_probe(group: Group) -> Container | None:
    """The leader's engine, where its readiness waits for a world that is larger than the pod."""
    leader = group.leader.template
    engine = next((c for c in leader.containers if c.asks), None)
    world = group.intent.world_size
    if engine is None or engine.asks is None or not world or world <= leader.gpus:
        return None
    probe = engine.place.at("readinessProbe")
    port = probe.at("httpGet", "port").value or probe.at("tcpSocket", "port").value
    named = {p.text("name"): p.number("containerPort") for p in engine.place.each("ports")}
    port = named.get(port, port) if isinstance(port, str) else port
    return engine if port is not None and port == (engine.asks.port or 8000) else None


def _joined(group: Group, service: Service) -> Container | None:
    """A worker that joins by this Service's name, where it leads to ready pods only."""
    if service.not_ready_too or service.namespace != group.leader.template.namespace:
        return None
    for member in group.workers:
        for container in member.template.every:
            for join in container.joins:
                labels = join.host.split(".svc")[0].split(".")
                if join.is_read and service.name in labels[:2]:
                    return container
    return None
