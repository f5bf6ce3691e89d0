"""CONF070: a value of a type that the API server refuses."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule


@rule("CONF070", level="error")
def wrong_type(bundle: Bundle) -> Iterator[Finding]:
    """Every value has the type that its field takes.

    What:
        A field holds a number or a switch where text must be, a list where a mapping must be,
        and so on.
    Why:
        The API server refuses the whole object. Values of environment variables and labels
        are text: `8` and `true` without quotes are not.
    Fix:
        Write the value as its field takes it; numbers and switches that are text go in quotes.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env:
            - name: VLLM_PORT
              value: 8000
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env:
            - name: VLLM_PORT
              value: "8000"
    Source:
        The OpenAPI types of the Kubernetes API, as its Python client has them.
    """
    for flaw in bundle.flaws:
        if flaw.kind == "type":
            yield Finding(flaw.spot, flaw.says, unseen=flaw.unseen)
