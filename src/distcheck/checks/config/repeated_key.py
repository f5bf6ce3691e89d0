"""CONF072: a key that a mapping has twice."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.rule import rule


@rule("CONF072", level="error", others=("hint",))
def repeated_key(bundle: Bundle) -> Iterator[Finding]:
    """No mapping has a key twice.

    What:
        The same key stands twice in one mapping.
    Why:
        `kubectl` and Helm keep the last one, and the first is gone without a word: two `env`
        lists leave only the second. Kustomize and Flux refuse the file, also where both have
        the same value, which is a hint.
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
    Certain:
        A key stands twice or it does not: nothing outside of the file can change that.
    Source:
        YAML 1.2, 3.2.1.3: keys are unique; fluxcd/flux2 issue 1522 (who refuses what).
    """
    for flaw in bundle.flaws:
        if flaw.kind == "begins":
            yield Finding(flaw.spot, flaw.says, "Write a line `---` above it.")
        if flaw.kind in ("repeated", "alike"):
            level: Level | None = "hint" if flaw.kind == "alike" else None
            yield Finding(flaw.spot, flaw.says, level=level, also=flaw.also)
