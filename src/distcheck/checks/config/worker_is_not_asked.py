"""CONF084: probes that ask a server of pods that run none."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.listening import USUAL
from distcheck.checks.manifest.rule import rule


@rule("CONF084", level="error", others=("warning",))
def worker_is_not_asked(group: Group) -> Iterator[Finding]:
    """Workers without a server have no probe that asks for one.

    What:
        A worker only joins Ray, or runs vLLM with `--headless`, and a probe asks it at the port
        on which the leader's server listens.

    Why:
        Only the leader listens there: a liveness or startup probe kills the worker over and
        over, a readiness probe keeps it out of every Service.

    Fix:
        Take the probe out of the workers' template.

    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.10.2
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2 --port 8000"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.10.2
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  livenessProbe: {httpGet: {path: /health, port: 8000}}
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.10.2
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2 --port 8000"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.10.2
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [bash, /opt/start.sh]
                  livenessProbe: {httpGet: {path: /health, port: 8000}}
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM vllm/entrypoints/cli/serve.py (run_headless starts no server); Kubernetes: Configure
        Liveness, Readiness and Startup Probes. SGLang's workers answer /health themselves.
    """
    asked = group.asked()
    if asked is None or asked[1].asks is None:
        return
    own = asked[1].asks.port or USUAL.get(asked[1].asks.engine)
    for member in group.workers:
        for container in member.template.containers:
            shared = member.template.place.path == asked[0].place.path
            if shared or not _serves_nobody(container):
                continue
            for name, port in container.probes():
                if port == own:
                    says = f"the {name} asks port {port}, where only {asked[0].what} listens"
                    ready = name == "readinessProbe"
                    spot = container.place.at(name).key
                    yield Finding(spot, says, level="warning" if ready else None)


def _serves_nobody(container: Container) -> bool:
    """Whether it only joins Ray, or its engine is told to serve nothing."""
    if container.asks is not None:
        return container.asks.headless
    return container.joins_ray and not container.heads_ray
