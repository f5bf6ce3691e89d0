"""CONF107: a model that may not be downloaded, and that nothing puts in its place."""

from collections.abc import Iterator

from distcheck.checks.knowledge.mounts import mounted_at
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.hub_cache import VARIABLES, hub_cache, mount_around
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_ON = frozenset({"1", "on", "yes", "true"})
_HUB_NAME = pattern(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_ENGINES = ("vllm", "sglang")


@rule("CONF107", level="error")
def offline_model_is_there(template: Template) -> Iterator[Finding]:
    """A model that may not be downloaded is there before the engine starts.

    What:
        HF_HUB_OFFLINE is 1, the model is a name of Hugging Face's, and its cache is an `emptyDir`
        that no other container of the pod mounts.
    Why:
        The folder is empty when the pod starts, and nothing is downloaded into it: "Cannot find
        an appropriate cached snapshot folder", "couldn't connect to huggingface.co".
    Fix:
        Mount a volume that holds the model, fill the folder in an init container, or take
        HF_HUB_OFFLINE out.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen3-32B]
            env: [{name: HF_HUB_OFFLINE, value: "1"}, {name: HF_HOME, value: /cache}]
            volumeMounts: [{name: cache, mountPath: /cache}]
            resources: {limits: {nvidia.com/gpu: 1}}
          volumes: [{name: cache, emptyDir: {}}]
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen3-32B]
            env: [{name: HF_HUB_OFFLINE, value: "1"}, {name: HF_HOME, value: /cache}]
            volumeMounts: [{name: cache, mountPath: /cache}]
            resources: {limits: {nvidia.com/gpu: 1}}
          volumes: [{name: cache, persistentVolumeClaim: {claimName: models}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: r.io/ours/vllm-with-model:1
            args: [--model, Qwen/Qwen3-32B]
            env: [{name: HF_HUB_OFFLINE, value: "1"}]
            resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables;
        huggingface_hub/constants.py, _snapshot_download.py.
    """
    for container in template.containers:
        asks = container.asks
        known = asks and asks.engine in _ENGINES and _HUB_NAME.fullmatch(asks.model or "")
        offline = next((v for v in container.env if v.name in _OFFLINE and _is_on(v.value)), None)
        if not known or offline is None or offline.given or _may_fetch(container):
            continue
        cache = hub_cache(container)
        mount = mount_around(container, cache) if cache else None
        volume = template.volumes.get(mount.text("name")) if mount else None
        if mount is None or volume is None or volume.at("emptyDir").value is None:
            continue
        name, model = mount.text("name"), (asks.model if asks else "") or ""
        if _is_others_home(template, container) or _is_a_folder(container, model, name):
            continue
        if not any(_mounts(c, name) for c in template.every if c is not container):
            says = f"{offline.name}={offline.value}, and volume {name} at {cache} is empty when the"
            says = f"{says} pod starts: nothing puts {model} there"
            unseen = (
                ""
                if _is_plain(container, name)
                else "whether the image, or envFrom, names another cache"
            )
            at = offline.place.at("value").spot
            yield Finding(at, says, unseen=unseen, also=(mount.spot,))


def _is_plain(container: Container, empty: str) -> bool:
    """Whether no image or Secret may name another of its volumes as the cache."""
    every = {m.text("name") for m in container.place.each("volumeMounts") if not _is_small(m)}
    known = container.engine_image and not container.may_have_more
    return known or not every - {empty}


def _is_small(mount: Place) -> bool:
    return mounted_at(mount.text("mountPath")) in ("/dev/shm", "/tmp")


def _is_others_home(template: Template, container: Container) -> bool:
    """Whether it runs as a user whose home is not root's: only the image knows where that is."""
    own = container.place.at("securityContext", "runAsUser").value
    user = own if own is not None else template.spec.at("securityContext", "runAsUser").value
    known = any(container.variable(n) for n in ("HOME", *(n for n, _ in VARIABLES)))
    return user not in (None, 0) and not known


def _is_on(value: str | None) -> bool:
    return (value or "").lower() in _ON


def _may_fetch(container: Container) -> bool:
    """Whether it runs anything but the engine, which may fill the folder first."""
    others = [c.words for c in container.commands if c.words and not _is_engine(c.words)]
    hook = container.place.at("lifecycle", "postStart")
    return bool(others or hook) or any(v.name == "VLLM_USE_MODELSCOPE" for v in container.env)


def _is_engine(words: tuple[str, ...]) -> bool:
    """Its words, or those that its image's entrypoint takes."""
    return words[0][:1] == "-" or any(e in word for e in _ENGINES for word in words[:_FEW])


_FEW = 4


def _is_a_folder(container: Container, model: str, empty: str) -> bool:
    """Whether the model may be a folder of another volume, beside where the engine starts."""
    at = mounted_at(f"{container.place.text('workingDir')}/{model}")
    own = container.place.at("workingDir")
    for mount in container.place.each("volumeMounts"):
        path = mounted_at(mount.text("mountPath"))
        holds = own and at.startswith(f"{path.rstrip('/')}/")
        if mount.text("name") != empty and (holds or f"{path}/".endswith(_ends(model))):
            return True
    return False


def _ends(model: str) -> tuple[str, str]:
    return f"/{model}/", f"/{model.partition('/')[0]}/"


def _mounts(container: Container, volume: str) -> bool:
    return any(m.text("name") == volume for m in container.place.each("volumeMounts"))
