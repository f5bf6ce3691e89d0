"""CONF023: a Deployment as the head that workers join."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.starts_ray import may_join


@rule("CONF023", level="warning", others=("error",))
def head_keeps_its_name(group: Group) -> Iterator[Finding]:
    """The head that workers join is never there twice.

    What:
        The leader of a group is a Deployment with the default strategy RollingUpdate, and
        workers join it by a Service.
    Why:
        A rollout starts a second head before the first one ends: the Service leads to both, and
        workers of one group join two clusters. Where GPUs are all taken, the new head stays
        Pending and the rollout never ends.
    Fix:
        Set `strategy: {type: Recreate}`, or make the head a StatefulSet or LeaderWorkerSet.
    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec: {selector: {app: head}, ports: [{port: 6379}]}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-head}
        spec:
          selector: {matchLabels: {app: head}}
          template:
            metadata: {labels: {app: head}}
            spec:
              containers:
              - name: head
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, --head, --block]
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-worker}
        spec:
          selector: {matchLabels: {app: worker}}
          template:
            metadata: {labels: {app: worker}}
            spec:
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head:6379", --block]
    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-head}
        spec: {selector: {app: head}, ports: [{port: 6379}]}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-head}
        spec:
          strategy: {type: Recreate}
          selector: {matchLabels: {app: head}}
          template:
            metadata: {labels: {app: head}}
            spec:
              containers:
              - name: head
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, --head, --block]
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-worker}
        spec:
          selector: {matchLabels: {app: worker}}
          template:
            metadata: {labels: {app: worker}}
            spec:
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=vllm-head:6379", --block]
    Unsure:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm-head}
        spec:
          selector: {matchLabels: {app: head}}
          template:
            metadata: {labels: {app: head}}
            spec:
              containers:
              - name: head
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, --head, --block]
    Source:
        Kubernetes: Deployments, strategy.
    """
    leader = group.leader.template
    spec = leader.owner_place.at("spec")
    if leader.kind not in ("Deployment", "Rollout", "StatefulSet") or not group.workers:
        return
    heads = [c for c in leader.containers if c.heads_ray and not may_join(c)]
    if leader.kind == "StatefulSet" and not heads:
        return
    if not heads and not any(c.joins for m in group.members for c in m.template.every):
        return  # copies of one server that nothing joins: CONF035
    replicas = spec.number("replicas")
    if replicas is not None and replicas > 1:
        says = f"{leader.what} has {replicas} replicas, and workers join one head"
        yield Finding(spec.at("replicas").spot, says, "Set replicas to 1.", level="error")
    if leader.kind != "StatefulSet" and spec.text("strategy", "type") != "Recreate":
        strategy = spec.at("strategy")
        spot = strategy.key if strategy else leader.spot
        yield Finding(spot, f"a rollout of {leader.what} runs two heads at a time")
