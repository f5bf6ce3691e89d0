"""CONF102: names, labels, ports and mounts that the API server does not take."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_LABEL = pattern(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = pattern(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_VALUE = pattern(r"(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?", 256)
_PORT = pattern(r"(?=[a-z0-9-]{0,14}[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")
_MOST_OF_PORT = 15
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_OF_PORT = _LETTERS | frozenset("0123456789-")
_PROTOCOLS = frozenset({"http", "https", "grpc", "tcp", "udp", "metrics", "api", "ray", "gcs"})
"""In capitals these are names, and not what is filled in later."""
_ALWAYS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "LeaderWorkerSet"})
_LATER = frozenset("${}<>%@*")


@rule("CONF102", level="error")
def names_have_a_form(bundle: Bundle) -> Iterator[Finding]:
    """Names, labels, ports and mounts are written as the API server takes them.

    What:
        The name of a workload or container is no DNS name, a label's value has a slash or a blank,
        a port's name is longer than 15 characters, has a capital or no letter, two mounts have one
        path, or pods that run for ever have another `restartPolicy` than Always.
    Why:
        The API server refuses the object, or each pod that its controller makes: "a lowercase RFC
        1123 subdomain must consist of", "a valid label must be", "must be no more than 15
        characters", "must be unique", "Unsupported value".
    Fix:
        Names of objects are small letters, digits and `-`; model names belong into annotations.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm, labels: {model: Qwen/Qwen3-32B}}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen3-32B]
            resources: {limits: {nvidia.com/gpu: 1}}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm, labels: {model: Qwen3-32B}}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen3-32B]
            ports: [{containerPort: 8000, name: http-1}]
            resources: {limits: {nvidia.com/gpu: 1}}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: MODEL_NAME}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen3-32B]
            resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        Kubernetes: Object Names and IDs; Labels and Selectors; pkg/apis/core/validation
        (ValidateVolumeMounts, validateContainerPorts), apps/validation (restartPolicy).
    """
    told: set[Spot] = set()
    for service in bundle.services if bundle.judged else ():
        name = service.place.at("metadata", "name")
        if name.text() and not _LABEL.fullmatch(name.text()) and not _is_later(name.text()):
            says = f"{name.text()} is no name of a Service: small letters, digits and `-` are"
            yield Finding(name.spot, says)
    for template in bundle.templates:
        if not template.serves or template.fragment or template.by_nim:
            continue
        for found in (*_of_owner(template), *_of_pods(template)):
            if found.spot not in told:
                told.add(found.spot)
                yield found


def _of_owner(template: Template) -> Iterator[Finding]:
    name = template.owner_place.at("metadata", "name")
    if name.text() and not _SUBDOMAIN.fullmatch(name.text()) and not _is_later(name.text()):
        says = f"{name.text()} is no name of an object: small letters, digits and `-` are"
        fix = f"Write {_as_name(name.text(), 253)}."
        yield Finding(name.spot, says, fix)


def _of_pods(template: Template) -> Iterator[Finding]:
    for place in (template.owner_place, template.place):
        for key, held in place.fields("metadata", "labels"):
            value = held.text()
            if value and not _VALUE.fullmatch(value) and not _is_later(value):
                says = f"label {key} has the value {value}, which no label can have"
                fix = f"Write {_as_value(value)}, or make it an annotation."
                yield Finding(held.spot, says, fix)
    policy = template.spec.at("restartPolicy")
    if template.kind in _ALWAYS and policy.text() in ("OnFailure", "Never"):
        says = f"pods of a {template.kind} restart always, and restartPolicy is {policy.text()}"
        yield Finding(policy.spot, says, "Take it out.")
    for container in template.every:
        yield from _of_container(container)


def _of_container(container: Container) -> Iterator[Finding]:
    name = container.place.at("name")
    if name.text() and not _LABEL.fullmatch(name.text()) and not _is_later(name.text()):
        says = f"{name.text()} is no name of a container: small letters, digits and `-` are"
        fix = f"Write {_as_name(name.text().replace('.', '-'), 63)}."
        yield Finding(name.spot, says, fix)
    for port in container.place.each("ports"):
        named = port.at("name")
        why = _wrong_in_port(named.text())
        later = _is_later(named.text()) and named.text().lower() not in _PROTOCOLS
        if why and not later:
            says = f"{named.text()} is no name of a port: {why}"
            yield Finding(named.spot, says, f"Write {_as_port(named.text())}.")
    yield from _mounts(container)


def _wrong_in_port(name: str) -> str:
    """Why the API server does not take it; empty where it does, or there is none."""
    if not name:
        return ""
    if len(name) > _MOST_OF_PORT:
        return f"it has {len(name)} characters, of {_MOST_OF_PORT} at most"
    if not set(name) <= _OF_PORT:
        return "small letters, digits and `-` are"
    if not set(name) & _LETTERS:
        return "it has no letter"
    return "each `-` stands between letters or digits" if not _PORT.fullmatch(name) else ""


def _as_port(name: str) -> str:
    """The same, as the API server takes it where that is simple."""
    made = "-".join(filter(None, name.lower().replace("_", "-").split("-"))) or "http"
    tries = (made, f"port-{made}", "another one, such as http")
    return next((t for t in tries if not _wrong_in_port(t)), tries[-1])


def _mounts(container: Container) -> Iterator[Finding]:
    seen: dict[str, Place] = {}
    for mount in container.place.each("volumeMounts"):
        at = mount.text("mountPath")
        if at and at in seen and not _is_later(at):
            says = f"{seen[at].text('name')} and {mount.text('name')} are both mounted at {at}"
            fix = "Keep one of them."
            yield Finding(mount.at("mountPath").spot, says, fix, also=(seen[at].spot,))
        seen.setdefault(at, mount)


def _is_later(text: str) -> bool:
    return bool(_LATER & set(text) or filled_later(text))


def _as_name(text: str, longest: int) -> str:
    made = "".join(c if (c.isascii() and c.isalnum()) or c == "." else "-" for c in text.lower())
    return made[:longest].strip("-.") or "another one, such as vllm"


def _as_value(text: str) -> str:
    made = "".join(c if (c.isascii() and c.isalnum()) or c in "-_." else "-" for c in text)
    return made.strip("-_.")[:63].strip("-_.") or "another one"
