"""CONF076: a secret in plain text."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_NAMES = pattern(r"(?:(?<!_PER_)TOKEN|API_?KEY|SECRET(?:_ACCESS)?(?:_KEY)?|PASSWORD|PASSWD|_PAT)\Z")
_FORMS = pattern(
    r"\b(?:hf_[A-Za-z0-9]{30,}|nvapi-[\w-]{30,}|ghp_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16})\b",
    near=("hf_", "nvapi-", "ghp_", "AKIA"),
)
_FLAG = r"--(?:[\w-]{1,32}[-_])?(?:api[-_]key|hf[-_]token|auth[-_]token|password)"
_ITEM = pattern(rf"{_FLAG}\Z")
_GIVEN = pattern(
    rf"(?<![\w-])({_FLAG})(?:=|[ \t]+)[\"']?([^\s\"'\\-][^\s\"'\\]*)",
    near=("key", "token", "password"),
)
_ASSIGNED = pattern(
    r"(?<![\w$])((?:[A-Z][A-Z0-9_]*_)?(?:TOKEN|API_?KEY|PASSWORD|PASSWD|SECRET(?:_ACCESS)?(?:_KEY)?))"
    r"=[\"']?([^\s\"';&|]+)",
    near=("TOKEN", "KEY", "PASSW", "SECRET"),
)
"""What a command line or a script gives a flag or a variable by these names."""
_OBJECT = pattern(r"[a-z]+(?:[-.][a-z]+)+")
"""A Secret is called so, which a script may name."""
_SHORTEST = 16
_STAND_INS = pattern(
    r"\A(?:|[<\[{$].*|.*(?:your|change|replace|example|placeholder|dummy|xxx|\*\*\*|todo|insert|here)"
    r".*|none|null|empty|token|secret|password|abc|foo|sk-?x*|/.*|hf_x*)\Z",
    re.IGNORECASE,
)


@rule("CONF076", level="warning")
def secrets_stay_secret(template: Template) -> Iterator[Finding]:
    """Tokens and keys come from a Secret.

    What:
        A variable such as HF_TOKEN or NGC_API_KEY has its value in the manifest, or a command
        line or script holds a token, or the value of a flag such as `--api-key`.
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
            args: [--model, /m, --api-key, $(VLLM_API_KEY)]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --api-key, local]
    Source:
        Kubernetes: Secrets.
    """
    for container in template.every:
        for variable in container.env:
            value = "" if variable.source else variable.value or ""
            named = value and _NAMES.search(variable.name) and not _STAND_INS.match(value)
            if variable.given or not (named or _FORMS.search(value)):
                continue
            says = f"in plain text: the value of {variable.name}"
            yield Finding(
                variable.place.at("value").spot, says, unseen=_unseen(variable.name, value)
            )
        yield from _written(container)
    for name in ("ngcAPIKey", "hfToken"):
        held = template.owner_place.at("model", name)
        if template.kind == "NIM Helm values" and not _STAND_INS.match(held.text()):
            says = f"in plain text: the value of model.{name}"
            fix = f"Name a Secret by `model.{_BY_SECRET[name]}`; revoke the value that stands here."
            yield Finding(held.spot, says, fix)


_BY_SECRET = {"ngcAPIKey": "ngcAPISecret", "hfToken": "hfTokenSecret"}
_IN_A_LINE = (
    "Write a variable that `valueFrom: {secretKeyRef: {name: ..., key: ...}}` sets in `env`; revoke"
    " the value that stands here."
)


def _unseen(name: str, value: str) -> str:
    short = len(value) < _SHORTEST or value.upper() in (name, value)
    return "whether the value only stands in for one" if short else ""


def _written(container: Container) -> Iterator[Finding]:
    """In command lines and scripts; a flag and its value may be two items of a list."""
    before = ""
    for text in container.texts:
        value = text.text.strip()
        if _ITEM.match(before) and not value.startswith("-") and not _STAND_INS.match(value):
            says = f"in plain text: the value of {before}"
            yield Finding(text.spot, says, _IN_A_LINE, unseen=_unseen(before, value))
        elif found := _FORMS.search(text.text):
            spot = text.spot.within(found[0])
            yield Finding(spot, "a token stands in what the container runs", _IN_A_LINE)
        for form in (_GIVEN, _ASSIGNED):
            for one in form.finditer(text.text):
                of_object = one[1].endswith("SECRET") and _OBJECT.fullmatch(one[2])
                if not _STAND_INS.match(one[2]) and not _FORMS.match(one[2]) and not of_object:
                    spot = text.spot.within(one[2])
                    says = f"in plain text: the value of {one[1]}"
                    yield Finding(spot, says, _IN_A_LINE, unseen=_unseen(one[1], one[2]))
        before = value
