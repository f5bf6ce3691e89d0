"""CONF105: scripts of a ConfigMap that nobody may execute."""

from collections.abc import Iterator

from distcheck.checks.knowledge.mounts import mounted_at
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_USUAL, _EXECUTE = 0o644, 0o111


@rule("CONF105", level="error")
def map_files_may_run(template: Template) -> Iterator[Finding]:
    """A script that is started from a ConfigMap may be executed.

    What:
        A container's command is a file of a ConfigMap or Secret, also of a projected volume,
        without a shell before it, and the volume's mode (0644 where none is written) lets nobody
        execute it.
    Why:
        The container runtime ends with "permission denied", also for root, and the files of these
        volumes cannot be changed by `chmod`.
    Fix:
        Set `defaultMode: 0755` on the volume, or start it by `bash`.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: triton}
        spec:
          containers:
          - name: triton
            image: nvcr.io/nvidia/tritonserver:25.03-trtllm-python-py3
            command: [/scripts/start.sh]
            volumeMounts: [{name: scripts, mountPath: /scripts}]
            resources: {limits: {nvidia.com/gpu: 1}}
          volumes: [{name: scripts, configMap: {name: scripts}}]
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: triton}
        spec:
          containers:
          - name: triton
            image: nvcr.io/nvidia/tritonserver:25.03-trtllm-python-py3
            command: [/scripts/start.sh]
            volumeMounts: [{name: scripts, mountPath: /scripts}]
            resources: {limits: {nvidia.com/gpu: 1}}
          volumes: [{name: scripts, configMap: {name: scripts, defaultMode: 0755}}]
    Certain:
        The mode is written, or is the API's default.
    Source:
        Kubernetes: ConfigMaps (defaultMode); pkg/apis/core/v1/defaults.go
        (ConfigMapVolumeSourceDefaultMode, ProjectedVolumeSourceDefaultMode); runc libcontainer
        (exec of what has no x bit).
    """
    for container in template.every:
        path = _started(container)
        mount = _mount_of(container, path) if path else None
        volume = template.volumes.get(mount.text("name")) if mount else None
        if volume is None or mount is None:
            continue
        source = next(
            (volume.at(k) for k in ("configMap", "secret", "projected") if volume.at(k)), None
        )
        mode = _mode(source, _inside(mount, path)) if source else None
        if source and mode is not None and not mode & _EXECUTE:
            says = f"{path} may be executed by nobody: its mode is 0{mode:o}"
            fix = f"Set `defaultMode: 0755` on volume {volume.text('name')}, or run it by `bash`."
            yield Finding(container.spot_of(path), says, fix)


def _started(container: Container) -> str:
    """The file that is the container's program, by its whole path."""
    first = container.place.at("command", 0).text()
    return mounted_at(first) if first.startswith("/") and "$" not in first else ""


def _mount_of(container: Container, path: str) -> Place | None:
    """The deepest mount that `path` is in."""
    held = [(mounted_at(m.text("mountPath")), m) for m in container.place.each("volumeMounts")]
    over = [(at, m) for at, m in held if path == at or path.startswith(f"{at}/")]
    return max(over, key=lambda one: len(one[0]))[1] if over else None


def _inside(mount: Place, path: str) -> str:
    """The file's path in the volume."""
    rest = path.removeprefix(mounted_at(mount.text("mountPath"))).strip("/")
    return "/".join(p for p in (mount.text("subPath").strip("/"), rest) if p)


def _mode(source: Place, inside: str) -> int | None:
    """Its own mode, the volume's, or the API's; None where one is no number."""
    parts = [p.at(k) for p in source.each("sources") for k in ("configMap", "secret")]
    items = (i for part in (source, *parts) for i in part.each("items"))
    item = next((i for i in items if i.text("path") == inside), None)
    for written in (item.at("mode") if item else None, source.at("defaultMode")):
        if written:
            return written.number()
    return _USUAL
