"""CONF071: a field that the API does not have."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Flaw
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.rule import rule

_DROPPED = ("MPIJob", "NIM Helm values")
"""What takes any field, and drops it without a word: a definition of MPIJobs, a chart."""


@rule("CONF071", level="error", others=("warning",))
def unknown_field(bundle: Bundle) -> Iterator[Finding]:
    """Every field is one that its object has.

    What:
        A field stands where the API has none of that name: misspelt, or indented too far or
        not far enough. Of LeaderWorkerSets and other custom resources it is an error where it is
        a letter or two from one that they have; a newer release of their operator may have others.
        Of values of the chart nim-llm near misses are told.
    Why:
        `kubectl apply` refuses it; tools that do not validate drop it without a word, and
        what it should have set is not set.
    Fix:
        Correct the name, or move it to where it belongs.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            limits: {nvidia.com/gpu: 8}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8}}
    Unsure:
        apiVersion: apps.example.com/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          template: {spec: {}}
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        Kubernetes: API reference, as the OpenAPI types of its Python client have it; server-side
        field validation, kubectl 1.27. Custom resources: definitions of lws, KubeRay, the MPI and
        NIM operators and Argo Rollouts, down to their pod templates.
    """
    kinds = {t.place.of: t.kind for t in bundle.things}
    for flaw in bundle.flaws:
        if flaw.kind == "unknown":
            near = f"; did you mean {flaw.near}?" if flaw.near else _of_others(flaw.says)
            told = near and flaw.says not in _NUMBERED
            sure = told and kinds.get(flaw.spot.of) not in _DROPPED
            level: Level | None = None if sure else "warning"
            yield Finding(flaw.spot, f"{flaw.says}{near}", _fix(flaw), level, flaw.unseen)


_GONE = {"PodResourceClaim has no field source": " since Kubernetes 1.31"}
"""Kubernetes, dynamic resource allocation: until 1.30, as alpha, its two fields stood in there."""


def _of_others(says: str) -> str:
    return "; StatefulSets have it" if says in _NUMBERED else _GONE.get(says, "")


_NUMBERED = frozenset(
    f"{kind}Spec has no field {field}"
    for kind in ("Deployment", "ReplicaSet")
    for field in ("serviceName", "podManagementPolicy", "volumeClaimTemplates")
)


def _fix(flaw: Flaw) -> str:
    """What to write; a name with a dot is the way to where the field belongs."""
    if flaw.says in _NUMBERED:
        return "Write `kind: StatefulSet`, or take the field out."
    if flaw.says in _GONE:
        return "Put what is in it one level up, beside `name`."
    if not flaw.near:
        return ""
    return f"Move it to {flaw.near}." if "." in flaw.near else f"Write {flaw.near}."
