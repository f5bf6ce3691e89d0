"""CONF100: affinity and anti-affinity that no node can meet together."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.placement import REQUIRED
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_WHERE = ("namespaces", "namespaceSelector", "matchLabelKeys", "mismatchLabelKeys")
Asked = frozenset[tuple[str, str, frozenset[str]]]


@rule("CONF100", level="error")
def affinities_can_both_hold(bundle: Bundle) -> Iterator[Finding]:
    """Required affinity and anti-affinity of a pod can be met together.

    What:
        A pod's required pod affinity and its required pod anti-affinity have one topology key,
        and every pod that the affinity asks for is one that the anti-affinity keeps away.
    Why:
        No node has such a pod beside it and none. The first pod is let in where the affinity
        selects the pod itself; the second, or without that the first, stays Pending.
    Fix:
        Ask for what pods share by a wider key (a rack, a zone) than the one that keeps them
        apart, or take one of the two out.
    Fails:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          replicas: 2
          serviceName: vllm
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              affinity:
                podAffinity:
                  requiredDuringSchedulingIgnoredDuringExecution:
                  - {labelSelector: {matchLabels: {app: vllm}}, topologyKey: kubernetes.io/hostname}
                podAntiAffinity:
                  requiredDuringSchedulingIgnoredDuringExecution:
                  - {labelSelector: {matchLabels: {app: vllm}}, topologyKey: kubernetes.io/hostname}
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, meta-llama/Llama-3.1-8B-Instruct]
                resources: {limits: {nvidia.com/gpu: 1}}
    Passes:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          replicas: 2
          serviceName: vllm
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              affinity:
                podAffinity:
                  requiredDuringSchedulingIgnoredDuringExecution:
                  - labelSelector: {matchLabels: {app: vllm}}
                    topologyKey: topology.kubernetes.io/zone
                podAntiAffinity:
                  requiredDuringSchedulingIgnoredDuringExecution:
                  - {labelSelector: {matchLabels: {app: vllm}}, topologyKey: kubernetes.io/hostname}
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, meta-llama/Llama-3.1-8B-Instruct]
                resources: {limits: {nvidia.com/gpu: 1}}
    Unsure:
        apiVersion: ray.io/v1
        kind: RayCluster
        metadata: {name: vllm}
        spec:
          headGroupSpec:
            rayStartParams: {}
            template:
              spec:
                affinity:
                  podAffinity:
                    requiredDuringSchedulingIgnoredDuringExecution:
                    - labelSelector: {matchLabels: {ray.io/cluster: vllm}}
                      topologyKey: kubernetes.io/hostname
                  podAntiAffinity:
                    requiredDuringSchedulingIgnoredDuringExecution:
                    - labelSelector: {matchLabels: {ray.io/cluster: vllm}}
                      topologyKey: kubernetes.io/hostname
                containers:
                - name: ray
                  image: rayproject/ray:2.46.0
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        Kubernetes pkg/scheduler/framework/plugins/interpodaffinity/filtering.go
        (satisfyPodAffinity, satisfyPodAntiAffinity).
    """
    told: set[Spot] = set()
    for template in bundle.templates:
        for term, other in _at_odds(template) if template.serves else ():
            key = term.at("topologyKey")
            pods = _pods(term, template, bundle)
            if key.spot in told or pods == 1:
                continue
            told.add(key.spot)
            says = f"affinity and anti-affinity, both by {key.text()}, are about the same pods"
            unseen = "" if pods is not None else "how many pods there are"
            if any(template.may_have_label(name) for name, _, _ in _asked(term)):
                unseen = "which labels its pods are given"
            yield Finding(key.spot, says, also=(other.at("topologyKey").spot,), unseen=unseen)


def _at_odds(template: Template) -> Iterator[tuple[Place, Place]]:
    """Each term of its affinity, with one of its anti-affinity that never holds beside it."""
    held = template.spec.at("affinity")
    apart = [*held.each("podAntiAffinity", REQUIRED)] if not template.fragment else []
    for term in held.each("podAffinity", REQUIRED):
        yield from ((term, o) for o in apart if _exclude(term, o))


def _pods(term: Place, template: Template, bundle: Bundle) -> int | None:
    """How many pods the affinity is about, 0 where not about the pod itself; None: not known."""
    if not _selects(term, template):
        return 0
    near = (t for t in bundle.templates if t.namespace == template.namespace)
    copies = [t.pods_in_all for t in near if _selects(term, t)]
    return None if None in copies else sum(n for n in copies if n is not None)


def _exclude(term: Place, other: Place) -> bool:
    """Whether each pod that `term` asks for is in the way of `other`, in the same domain."""
    if not term.text("topologyKey") or term.text("topologyKey") != other.text("topologyKey"):
        return False
    if any(term.at(name).value != other.at(name).value for name in _WHERE):
        return False
    return bool(other.at("labelSelector")) and _asked(other) <= _asked(term)


def _asked(term: Place) -> Asked:
    """What its selector asks of labels: each must hold, so fewer select more pods."""
    chosen = term.at("labelSelector")
    plain = ((k, "In", frozenset({str(p.value)})) for k, p in chosen.fields("matchLabels"))
    others = (
        (e.text("key"), e.text("operator"), frozenset(str(v.value) for v in e.each("values")))
        for e in chosen.each("matchExpressions")
    )
    return frozenset((*plain, *others))


def _selects(term: Place, template: Template) -> bool:
    """Whether the affinity may be about these pods: the first of them is let in alone."""
    return all(_has(template, *one) for one in _asked(term))


def _has(template: Template, key: str, operator: str, values: frozenset[str]) -> bool:
    if operator not in ("In", "Exists") or template.may_have_label(key):
        return True
    own = template.labels.get(key)
    return own is not None and (operator == "Exists" or str(own) in values)
