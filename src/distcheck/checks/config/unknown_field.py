"""CONF071: a field that the API does not have."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.rule import rule

_DROPPED = ("MPIJob",)
"""Their definitions take any field of a pod template: it is dropped, not refused."""


@rule("CONF071", level="error")
def unknown_field(bundle: Bundle) -> Iterator[Finding]:
    """Every field is one that its object has.

    What:
        A field stands where the API has none of that name: misspelt, or indented too far or
        not far enough.
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
    Source:
        The OpenAPI types of the Kubernetes API, as its Python client has them; server-side
        field validation, kubectl 1.27.
    """
    kinds = {t.place.of: t.kind for t in bundle.things}
    for flaw in bundle.flaws:
        if flaw.kind == "unknown":
            near = f"; did you mean {flaw.near}?" if flaw.near else ""
            sure = near and kinds.get(flaw.spot.of) not in _DROPPED
            level: Level | None = None if sure else "warning"
            yield Finding(flaw.spot, f"{flaw.says}{near}", level=level, unseen=flaw.unseen)
