"""CONF056: an autoscaler over the ranks of one model, without a range, or against `replicas`."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place, titled
from distcheck.checks.manifest.rule import rule
from distcheck.pattern import pattern

_HPA = "HorizontalPodAutoscaler"
_KEDA = "ScaledObject.keda.sh"
_RANKS = ("StatefulSet", "Deployment")
_IN_GROUPS = pattern(r"\(\([^)]{0,200}%")
"""Ranks by a remainder: the pods are several groups."""


@rule("CONF056", level="error")
def ranks_are_not_scaled(bundle: Bundle) -> Iterator[Finding]:
    """An autoscaler has a range, and does not change the number of one model's ranks.

    What:
        A HorizontalPodAutoscaler, or KEDA's ScaledObject, scales a StatefulSet or Deployment whose
        pods are told `--nnodes` of more than one, to more pods than that. Or its least is above its
        most, also of an InferenceService or of a NIMService's `scale`. A hint: what it scales has
        `replicas`, too.
    Why:
        The number of ranks is fixed when the engine starts: another pod has a rank beyond the last,
        and ends at once; one pod less is a lost rank. A range that has no number in it is refused,
        by the API server, KServe or KEDA. `kubectl apply` of a manifest with `replicas` sets the
        number back, and ends pods that are at work.
    Fix:
        Scale whole groups: a LeaderWorkerSet's `replicas` are copies of the model. Take `replicas`
        out of what is scaled.
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
        Kubernetes: Horizontal Pod Autoscaling (Migrating Deployments and StatefulSets),
        pkg/apis/autoscaling/validation; KServe pkg/apis/serving/v1beta1 (validateReplicas); KEDA
        scaledobject_types.go (CheckReplicaCountBoundsAreValid); SGLang server_args.py
        (node_rank < nnodes), vLLM vllm/config/parallel.py (node_rank_within_dp).
    """
    yield from _without_range(bundle)
    for scaler in bundle.of_kind(_HPA, _KEDA):
        target = scaler.place.at("spec", "scaleTargetRef")
        nodes = _nodes(bundle, scaler, target)
        most = _most(scaler)
        if nodes and most.number() and (most.number() or 0) > nodes:
            says = f"{scaler.what} may make {most.value} pods of {target.text('name')}, which are"
            yield Finding(most.spot, f"{says} the {nodes} nodes of one model")
        elif not nodes:
            yield from _set_back(bundle, scaler, target)


def _without_range(bundle: Bundle) -> Iterator[Finding]:
    """Where the least is above the most: KServe reads a most of 0 as none."""
    for thing in bundle.of_kind(*_RANGES) if bundle.judged else ():
        parts, refused = _RANGES[thing.kind]
        for part in (thing.place.at("spec", *steps) for steps in parts):
            if thing.kind == "NIMService" and part.at("enabled").value is not True:
                continue
            held = part.at("hpa") if thing.kind == "NIMService" else part
            ends = ("minReplicaCount", "maxReplicaCount") if thing.kind == _KEDA else _ENDS
            low, high = (held.at(end) for end in ends)
            if (low.number() or 0) > (high.number() or 0) > 0:
                says = f"{ends[0]} is {low.value}, and {ends[1]} {high.value}: {refused}"
                fix = f"Raise {ends[1]}, or lower {ends[0]}."
                yield Finding(low.spot, says, fix, also=(high.spot,))


_ENDS = ("minReplicas", "maxReplicas")
_RANGES = {
    _HPA: (((),), "the API server refuses it"),
    _KEDA: (((),), "KEDA refuses it"),
    "InferenceService": (
        (("predictor",), ("transformer",), ("explainer",)), "KServe refuses it",
    ),
    "NIMService": ((("scale",),), "the API server refuses the autoscaler"),
}  # fmt: skip
"""Where ranges stand, and who refuses them."""


def _set_back(bundle: Bundle, scaler: Thing, target: Place) -> Iterator[Finding]:
    """`replicas` of what is scaled: who applies the manifest sets the number back."""
    scaled = (target.text("kind") or "Deployment", target.text("name"), scaler.namespace)
    for template in bundle.templates:
        told = template.owner_place.at("spec", "replicas")
        own = (template.kind, template.owner, template.namespace)
        if (
            template.serves
            and own == scaled
            and told.number()
            and told.value != _most(scaler).value
        ):
            by = titled(scaler.kind.partition(".")[0], scaler.name)
            says = f"replicas is {told.value}, and {by} scales {template.what}"
            fix = "Take `replicas` out."
            yield Finding(told.key, says, fix, unseen=_BY_HELM, also=(target.spot,))
            return


_BY_HELM = "what applies it: `kubectl apply` sets the number back, Helm does where it changed"


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
