"""CONF103: a volume's ConfigMap or claim that is called otherwise in the input."""

from collections.abc import Iterator

from distcheck.checks.knowledge.spelling import letters_apart
from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import is_open
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_CLAIM, _MAP, _SECRET = "PersistentVolumeClaim", "ConfigMap", "Secret"
_CACHE = "NIMCache.apps.nvidia.com"
_NEAR = 2
_PARTS = 2


@rule("CONF103", level="warning")
def volumes_name_what_is_there(bundle: Bundle) -> Iterator[Finding]:
    """Volumes call ConfigMaps and claims as the input does.

    What:
        A volume is of a ConfigMap or a claim that is not in the input, or a NIMService of such a
        NIMCache, and beside it stands one that nothing uses; sure where the names are nearly the
        same, or the ConfigMap has the keys that are asked for. Or one of that name is in another
        namespace.

    Why:
        The pod waits for a volume of that name: it stays in ContainerCreating, or Pending. Pods
        see what is in their own namespace.

    Fix:
        Write the name as the object has it.

    Fails:
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata: {name: models}
        spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Ti}}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m/llama]
            volumeMounts: [{name: m, mountPath: /m}]
          volumes: [{name: m, persistentVolumeClaim: {claimName: model}}]

    Passes:
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata: {name: models}
        spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Ti}}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m/llama]
            volumeMounts: [{name: m, mountPath: /m}]
          volumes: [{name: m, persistentVolumeClaim: {claimName: models}}]

    Unsure:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: scripts}
        data: {start.sh: "vllm serve /m"}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [bash, /s/start.sh]
            volumeMounts: [{name: s, mountPath: /s}]
          volumes: [{name: s, configMap: {name: launch}}]

    Source:
        Kubernetes: Configure a Pod to Use a ConfigMap; Persistent Volumes, claims as volumes.
    """
    every = [(t, kind, name) for t in bundle.templates for kind, name in _named(t)]
    held = [t for t in bundle.of_kind(_CLAIM, _MAP, _SECRET, _CACHE) if t.name]
    taken = {thing.place.of for thing in held if any(_is(thing, *one) for one in every)}
    for template, kind, name in every if held else ():
        own = [t for t in held if t.kind == kind]
        if not template.serves or is_open(name.text()):
            continue
        if any(t.place.of in taken and _is(t, template, kind, name) for t in own):
            continue
        if same := [t for t in own if t.name == name.text()]:
            yield _elsewhere(template, same[0], name)
            continue
        left = [t for t in own if t.place.of not in taken and _meets(t, template)]
        if len(left) == 1:
            near = _is_near(name.text(), left[0].name) or _has_keys(left[0], name, template)
            short = kind.partition(".")[0]
            what = f"{short} {left[0].name}"
            says = f"no {short} {name.text()} is in the input, and nothing uses {what}"
            if kind == _SECRET and not near:
                continue
            unseen = "" if near and kind != _SECRET else f"{short}s that are not in the input"
            yield Finding(name.spot, says, f"Write {left[0].name}.", unseen=unseen)


def _meets(thing: Thing, template: Template) -> bool:
    """Whether both may be in one namespace: what names none goes where `kubectl -n` says."""
    return thing.namespace == template.namespace or "" in (thing.namespace, template.namespace)


def _is(thing: Thing, template: Template, kind: str, name: Place) -> bool:
    return (thing.kind, thing.name) == (kind, name.value) and _meets(thing, template)


def _elsewhere(template: Template, thing: Thing, name: Place) -> Finding:
    says = f"{thing.what} is in namespace {thing.namespace}, and the pods in {template.namespace}"
    fix = f"Write `namespace: {template.namespace}` into {thing.what}."
    unseen = f"whether {template.namespace} has one of that name, too"
    return Finding(name.spot, says, fix, unseen=unseen)


def _is_near(one: str, two: str) -> bool:
    parts, others = set(one.split("-")), set(two.split("-"))
    if any(len(p) <= _NEAR or _COUNTED.search(p) for p in parts ^ others):
        return False
    if letters_apart(one, two, _NEAR) <= _NEAR:
        return True
    return len(parts & others) >= _PARTS and (parts <= others or others <= parts)


_COUNTED = pattern(r"\d|\A[bcdfghjkmnpqrstvwxz2456789]{10}\Z")
"""Parts that tell apart things of one name: numbers, and what kustomize makes of the content."""


def _has_keys(thing: Thing, name: Place, template: Template) -> bool:
    """Whether the volume asks for keys, and the ConfigMap has each of them."""
    volume = Place(name.of, name.path[:-2], template.owner_place.at(*name.path[:-2]).value)
    asked = [i.text("key") for i in volume.each("configMap", "items")]
    held = {key for field in ("data", "binaryData") for key, _ in thing.place.fields(field)}
    return bool(asked) and held.issuperset(asked)


def _named(template: Template) -> Iterator[tuple[str, Place]]:
    """(kind, where its name stands) of what the pods take."""
    cache = template.owner_place.at("spec", "storage", "nimCache", "name")
    if template.kind == "NIMService" and cache.text():
        yield _CACHE, cache
    for volume in template.volumes.values():
        yield from _of(volume)
        for one in volume.each("projected", "sources"):
            yield from _of(one)
    for container in template.every:
        for one in container.place.each("envFrom"):
            yield from _taken(one, _MAP, "configMapRef")
            yield from _taken(one, _SECRET, "secretRef")
        for one in container.place.each("env"):
            yield from _taken(one.at("valueFrom"), _MAP, "configMapKeyRef")
            yield from _taken(one.at("valueFrom"), _SECRET, "secretKeyRef")


def _taken(source: Place, kind: str, field: str) -> Iterator[tuple[str, Place]]:
    held = source.at(field)
    if held.text("name") and held.at("optional").value is not True:
        yield kind, held.at("name")


def _of(volume: Place) -> Iterator[tuple[str, Place]]:
    claim, held = volume.at("persistentVolumeClaim", "claimName"), volume.at("configMap")
    secret = volume.at("secret", "secretName")
    if claim.text():
        yield _CLAIM, claim
    if secret.text() and volume.at("secret", "optional").value is not True:
        yield _SECRET, secret
    if held.text("name") and held.at("optional").value is not True:
        yield _MAP, held.at("name")
