"""CONF072: a key that a mapping has twice."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule


@rule("CONF072", level="error")
def repeated_key(bundle: Bundle) -> Iterator[Finding]:
    """No mapping has a key twice.

    What:
        The same key stands twice in one mapping.
    Why:
        `kubectl apply` refuses it; other tools keep the last one, and the first is gone without
        a word: two `env` lists leave only the second.
    Fix:
        Join the two into one.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: A, value: "1"}]
            env: [{name: B, value: "2"}]
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: A, value: "1"}, {name: B, value: "2"}]
    Source:
        YAML 1.2, 3.2.1.3: keys are unique; Kubernetes' strict decoding.
    """
    yield from (Finding(f.spot, f.says) for f in bundle.flaws if f.kind == "repeated")
