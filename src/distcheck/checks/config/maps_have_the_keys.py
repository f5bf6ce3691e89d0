"""CONF101: files and keys that a ConfigMap of the input has not."""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from distcheck.checks.knowledge.mounts import mounted_at
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_SHELLS = frozenset({"sh", "bash", "dash", "python", "python3", "source", "."})
_AROUND = frozenset({"exec", "env", "nohup", "sudo"})
_RUN = pattern(r"\b(?:sh|bash|python3?)\s+(/[\w./-]+)")
_MOST = 5
_FILES = ("--config", "--hostfile", "-hostfile", "--machinefile")
Maps = Mapping[tuple[str, str], frozenset[str]]


@rule("CONF101", level="error", others=("warning",))
def maps_have_the_keys(bundle: Bundle) -> Iterator[Finding]:
    """What a container takes from a ConfigMap is in it.

    What:
        A container runs a script, or reads a `--config` file or mpirun's `--hostfile`, from a
        ConfigMap of the input that has no such key; or `items`, `subPath` or `configMapKeyRef`
        name one that it has not.
    Why:
        The program ends with "No such file or directory"; with `items` or `configMapKeyRef` the
        container is never created. A `subPath` that is not there becomes an empty folder.
    Fix:
        Write the key as the ConfigMap has it, or the path as volume, `items` and mount make it.
    Fails:
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
            command: [bash, /scripts/run.sh]
            volumeMounts: [{name: scripts, mountPath: /scripts}]
            resources: {limits: {nvidia.com/gpu: 1}}
          volumes: [{name: scripts, configMap: {name: scripts}}]
    Passes:
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
            command: [bash, /scripts/start.sh]
            volumeMounts: [{name: scripts, mountPath: /scripts}]
            resources: {limits: {nvidia.com/gpu: 1}}
          volumes: [{name: scripts, configMap: {name: scripts}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [bash, /scripts/run.sh]
            volumeMounts: [{name: scripts, mountPath: /scripts}]
            resources: {limits: {nvidia.com/gpu: 1}}
          volumes: [{name: scripts, configMap: {name: scripts}}]
    Source:
        Kubernetes pkg/volume/configmap (MakePayload), pkg/kubelet/kubelet_pods.go;
        kubernetes/kubernetes#126186 (a subPath that is not there).
    """
    maps = _maps(bundle)
    told: set[Spot] = set()
    for template in bundle.templates if maps else ():
        if template.serves:
            for found in _missing(template, maps):
                if found.spot not in told:
                    told.add(found.spot)
                    yield found


def _maps(bundle: Bundle) -> Maps:
    """The keys of each ConfigMap, by namespace and name; of several of one name all of them."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for one in bundle.of_kind("ConfigMap"):
        keys = frozenset(k for part in ("data", "binaryData") for k, _ in one.place.fields(part))
        if one.name and not one.fragment:
            found[one.namespace, one.name] = found.get((one.namespace, one.name), keys) | keys
    return {name: keys for name, keys in found.items() if keys}


class _Source(Struct, frozen=True):
    """A ConfigMap in a volume; `files` are those that it makes there."""

    name: str
    keys: frozenset[str]
    files: frozenset[str]
    items: tuple[Place, ...]
    optional: bool

    @property
    def says(self) -> str:
        """What it has, in words."""
        more = ", ..." if len(self.keys) > _MOST else ""
        return f"ConfigMap {self.name} has {', '.join(sorted(self.keys)[:_MOST])}{more}"


def _missing(template: Template, maps: Maps) -> Iterator[Finding]:
    volumes = {n: _sources(v, template.namespace, maps) for n, v in template.volumes.items()}
    for container in template.every:
        yield from _by_reference(container, template.namespace, maps)
        mounts = [*container.place.each("volumeMounts")]
        for mount in mounts:
            sources = volumes.get(mount.text("name"))
            if sources:
                yield from _by_items(sources)
                yield from _by_mount(container, mount, sources, mounts)


def _sources(volume: Place, space: str, maps: Maps) -> tuple[_Source, ...] | None:
    """The ConfigMaps of a volume that is made of known ones alone; None of any other."""
    parts = [*volume.each("projected", "sources")] or [volume]
    found = []
    for one in (p.at("configMap") for p in parts):
        keys = maps.get((space, one.text("name")))
        if keys is None:
            return None
        items = tuple(one.each("items"))
        files = frozenset(i.text("path") for i in items) or keys
        optional = one.at("optional").value is True
        found.append(_Source(one.text("name"), keys, files, items, optional))
    return tuple(found)


def _by_items(sources: Sequence[_Source]) -> Iterator[Finding]:
    for source in sources:
        for item in source.items if not source.optional else ():
            key = item.at("key")
            if key.text() and key.text() not in source.keys:
                says = f"{source.says}, and no {key.text()}: the container is never created"
                yield Finding(key.spot, says, unseen=filled_later(key.text()))


def _by_mount(
    container: Container, mount: Place, sources: Sequence[_Source], mounts: Sequence[Place]
) -> Iterator[Finding]:
    """A file that is not in the volume: the one that is mounted, or one that is run."""
    files = frozenset().union(*(s.files for s in sources))
    folder, part = mounted_at(mount.text("mountPath")), mount.at("subPath")
    open_now = any(s.optional for s in sources) or mount.at("subPathExpr")
    if open_now or filled_later(part.text()):
        return
    if part.text():
        inside = part.text().strip("/")
        if inside not in files and not any(f.startswith(f"{inside}/") for f in files):
            says = f"{sources[0].says}, and no {inside}: an empty folder is mounted at {folder}"
            run = folder in _wanted(container)
            yield Finding(part.spot, says, level=None if run else "warning")
        return
    deeper = [d for m in mounts if (d := mounted_at(m.text("mountPath"))).startswith(f"{folder}/")]
    for path in _wanted(container):
        inside = path.removeprefix(f"{folder}/").removeprefix("..data/")
        known = inside in files or any(path == d or path.startswith(f"{d}/") for d in deeper)
        if path.startswith(f"{folder}/") and not known and not _may_be_absent(container, path):
            yield _absent(container, path, mount.text("name"), sources)


def _absent(container: Container, path: str, volume: str, sources: Sequence[_Source]) -> Finding:
    """A key may be there, and `items` name others."""
    key, spot = path.rpartition("/")[2], container.spot_of(path)
    left_out = next((s for s in sources if s.items and key in s.keys - s.files), None)
    if left_out is None:
        return Finding(spot, f"{path} is not there: {sources[0].says}")
    says = f"{path} is not there: `items` of volume {volume} leave out key {key}"
    fix = f"Add `{{key: {key}, path: {key}}}` to `items` of volume {volume}."
    return Finding(
        spot, f"{says} of ConfigMap {left_out.name}", fix, also=(left_out.items[0].spot,)
    )


def _may_be_absent(container: Container, path: str) -> bool:
    """Whether a shell looks for it first, or goes on without it."""
    name = re.escape(path)
    asked = re.compile(rf"-[a-z]\s+[\"']?{name}|{name}[^\n]*\|\|")
    return "$" in path or any(asked.search(t.text) for t in container.texts)


def _by_reference(container: Container, space: str, maps: Maps) -> Iterator[Finding]:
    """Variables from a key that is not there: the container is never created."""
    for entry in container.place.each("env"):
        held = entry.at("valueFrom", "configMapKeyRef")
        keys, key = maps.get((space, held.text("name"))), held.at("key")
        if keys and key.text() and key.text() not in keys and held.at("optional").value is not True:
            source = _Source(held.text("name"), keys, keys, (), optional=False)
            says = f"{source.says}, and no {key.text()}: the container is never created"
            yield Finding(key.spot, says, unseen=filled_later(key.text()))


def _wanted(container: Container) -> Iterator[str]:
    """Paths that it runs or reads its flags from, and that must be there."""
    for command in container.commands:
        files = (v for flag in _FILES for v in command.values(flag))
        yield from (v for v in files if v.startswith("/"))
        words = [w for w in command.words if w not in _AROUND]
        first = words[0] if words else ""
        if first.rpartition("/")[2] in _SHELLS:
            first = next((w for w in words[1:] if not w.startswith("-")), "")
            first = "" if "-c" in words or "-m" in words else first
        if first.startswith("/"):
            yield mounted_at(first)
    hook = container.place.at("lifecycle", "postStart", "exec")
    for found in _RUN.finditer(" ".join(w.text() for w in hook.each("command"))):
        yield mounted_at(found[1])
