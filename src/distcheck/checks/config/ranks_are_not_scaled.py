"""CONF056: an autoscaler over the ranks of one model."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.pattern import pattern

_KEDA = "ScaledObject.keda.sh"
_RANKS = ("StatefulSet", "Deployment")
_IN_GROUPS = pattern(r"\(\([^)]*%")
"""Ranks by a remainder: the pods are several groups."""


@rule("CONF056", level="error")
def ranks_are_not_scaled(bundle: Bundle) -> Iterator[Finding]:
    """No autoscaler changes the number of pods that are the ranks of one model.

    What:
        A HorizontalPodAutoscaler, or KEDA's ScaledObject, scales a StatefulSet or Deployment whose
        pods are told `--nnodes` of more than one, to more pods than that.
    Why:
        The number of ranks is fixed when the engine starts: another pod has a rank beyond the last,
        and ends at once; one pod less is a lost rank.
    Fix:
        Scale whole groups: a LeaderWorkerSet's `replicas` are copies of the model.
    Fails:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: sglang}
        spec:
          serviceName: sglang
          replicas: 2
          podManagementPolicy: Parallel
          selector: {matchLabels: {app: sglang}}
          template:
            metadata: {labels: {app: sglang}}
            spec:
              containers:
              - name: sglang
                image: lmsysorg/sglang:v0.5.3
                command: [bash, -c, "python3 -m sglang.launch_server --model-path /m --tp 16
                  --dist-init-addr sglang-0.sglang:20000 --nnodes 2 --node-rank ${HOSTNAME##*-}"]
                resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: autoscaling/v2
        kind: HorizontalPodAutoscaler
        metadata: {name: sglang}
        spec:
          scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: sglang}
          maxReplicas: 4
    Passes:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: sglang}
        spec:
          selector: {matchLabels: {app: sglang}}
          template:
            metadata: {labels: {app: sglang}}
            spec:
              containers:
              - name: sglang
                image: lmsysorg/sglang:v0.5.3
                command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "8"]
                resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: autoscaling/v2
        kind: HorizontalPodAutoscaler
        metadata: {name: sglang}
        spec:
          scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: sglang}
          maxReplicas: 4
    Unsure:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: sglang}
        spec:
          selector: {matchLabels: {app: sglang}}
          template:
            metadata: {labels: {app: sglang}}
            spec:
              containers:
              - name: sglang
                image: lmsysorg/sglang:v0.5.3
                command: [/start.sh]
                resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: autoscaling/v2
        kind: HorizontalPodAutoscaler
        metadata: {name: sglang}
        spec:
          scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: sglang}
          maxReplicas: 4
    Source:
        Kubernetes: Horizontal Pod Autoscaling; SGLang server_args.py (node_rank < nnodes), vLLM
        vllm/config/parallel.py (node_rank_within_dp).
    """
    for scaler in bundle.of_kind("HorizontalPodAutoscaler", _KEDA):
        target = scaler.place.at("spec", "scaleTargetRef")
        nodes = _nodes(bundle, scaler, target)
        most = _most(scaler)
        if nodes and most.number() and (most.number() or 0) > nodes:
            says = f"{scaler.what} may make {most.value} pods of {target.text('name')}, which are"
            yield Finding(most.spot, f"{says} the {nodes} nodes of one model")


def _most(scaler: Thing) -> Place:
    return scaler.place.at("spec", "maxReplicaCount" if scaler.kind == _KEDA else "maxReplicas")


def _nodes(bundle: Bundle, scaler: Thing, target: Place) -> int:
    """`--nnodes` of what is scaled; 0 where it is no rank, or not known."""
    kind = target.text("kind") or "Deployment"
    for template in bundle.templates:
        own = (template.kind, template.owner, template.namespace)
        engine = template.engine
        if own != (kind, target.text("name"), scaler.namespace) or kind not in _RANKS:
            continue
        nodes = engine.asks.nnodes or 1 if engine and engine.asks else 1
        several = any(_IN_GROUPS.search(t.text) for t in engine.texts) if engine else False
        if nodes > 1 and not several and (template.pods or 1) <= nodes:
            return nodes
    return 0
