"""CONF076: a secret in plain text."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_NAMES = re.compile(r"(?:TOKEN|API_?KEY|SECRET(?:_ACCESS)?(?:_KEY)?|PASSWORD|PASSWD)\Z")
_FORMS = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{30,}|nvapi-[\w-]{30,}|ghp_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16})\b"
)
_SHORTEST = 16
_STAND_INS = re.compile(
    r"\A(?:|[<\[{$].*|.*(?:your|change|replace|example|placeholder|dummy|xxx|\*\*\*|todo|insert|here)"
    r".*|none|null|empty|token|secret|password|abc|foo|sk-?x*|/.*|hf_x*)\Z",
    re.IGNORECASE,
)


@rule("CONF076", level="warning")
def secrets_stay_secret(template: Template) -> Iterator[Finding]:
    """Tokens and keys come from a Secret.

    What:
        A variable such as HF_TOKEN or NGC_API_KEY has its value in the manifest, or a command
        line holds a token.
    Why:
        Everyone who may read the pod, or the repository, has it.
    Fix:
        Put it into a Secret and name it with `valueFrom: {secretKeyRef: {name: ..., key: ...}}`;
        the value that stands here should be revoked.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: HF_TOKEN, value: "a8f3c2e1-77aa-4f10"}]
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env:
            - name: HF_TOKEN
              valueFrom: {secretKeyRef: {name: hf, key: token}}
    Source:
        Kubernetes: Secrets.
    """
    for container in template.every:
        for variable in container.env:
            value = "" if variable.source else variable.value or ""
            named = _NAMES.search(variable.name) and not _STAND_INS.match(value)
            if variable.given or not (named or _FORMS.search(value)):
                continue
            says = f"{variable.name} has its value in plain text"
            short = len(value) < _SHORTEST or value.upper() in (variable.name, value)
            unseen = "whether the value only stands in for one" if short else ""
            yield Finding(variable.place.at("value").spot, says, unseen=unseen)
        for text in container.texts:
            if found := _FORMS.search(text.text):
                spot = text.spot.__class__(text.spot.of, text.spot.path, found[0])
                yield Finding(spot, "a token stands in what the container runs")
