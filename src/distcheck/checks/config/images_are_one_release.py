"""CONF114: engines of different releases in one group."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.pattern import pattern

_RELEASE = pattern(r"v?(\d+(?:\.\d+){1,3})")
_RAYS = pattern(r"((?:\A|/)rayproject/ray)(?:-ml|-llm)?\Z", near=("rayproject/ray",))
_PYTHON = pattern(r":[^:@]*-(py3\d{1,2})(?:-|@|\Z)")


@rule("CONF114", level="error")
def images_are_one_release(group: Group) -> Iterator[Finding]:
    """All pods of a group run the same release of the engine.

    What:
        Leader and workers have the same image by its name, with tags of different releases, or
        images of Ray with different Pythons. A hint where `rayVersion` is another than the image's.

    Why:
        Ray refuses a node of another version of Ray or Python, and ranks of different releases
        do not understand each other's messages. KubeRay takes `rayVersion` for what Ray can do.

    Fix:
        Give all templates of the group one tag.

    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.10.2
                  command: [ray, start, "--address=$(LWS_LEADER_ADDRESS):6379", --block]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [ray, start, "--address=$(LWS_LEADER_ADDRESS):6379", --block]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: registry.example.com/vllm:green
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: registry.example.com/vllm:blue
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        Ray python/ray/_private/utils.py (check_version_info); vLLM docs, parallelism and scaling:
        the same environment on all nodes; KubeRay ray-operator/apis/ray/v1/raycluster_types.go and
        controllers/ray/utils/validation.go (RayVersion).
    """
    first: dict[str, tuple[str, Container]] = {}
    for member in group.members:
        for container in member.template.containers:
            repository, release = _parts(container.image)
            mine = container.gpus or container.ray or container.asks or container.engine_image
            if not (mine or _is_rays(container)) or not release:
                continue
            other, one = first.setdefault(repository, (release, container))
            if other != release:
                says = f"{repository} is {release} here, and {other} in other pods of {group.name}"
                also = (one.place.at("image").spot,)
                yield Finding(container.place.at("image").spot, says, also=also)
    yield from _moving(group)
    yield from _pythons(group)
    yield from _told_of_ray(group)


def _moving(group: Group) -> Iterator[Finding]:
    """One tag that moves beside a release of the same image: the day decides."""
    containers = (c for m in group.members for c in m.template.containers)
    every = [c for c in containers if c.gpus or c.engine_image or _is_rays(c)]
    for container in every:
        name, tag = _tag(container.image)
        moves = tag in _MOVES or (_is_rays(container) and tag.partition("-")[0] in _MOVES)
        for other in every if name and moves else ():
            same, fixed = _tag(other.image)
            if same == name and (found := _RELEASE.match(fixed)):
                says = f"{name} is {tag or 'without a tag'} here, and {found[1]} in other pods of"
                spot, also = container.place.at("image").spot, (other.place.at("image").spot,)
                unseen = f"which release {tag or 'latest'} is when the pods start"
                fix = f"Give all templates of the group one release: {fixed}, or a newer one."
                yield Finding(spot, f"{says} {group.name}", fix, unseen=unseen, also=also)
                return


_MOVES = ("", "latest", "nightly", "stable", "main", "master", "dev", "edge")


def _tag(image: str) -> tuple[str, str]:
    """Name and tag; no name of an image by digest, which no tag changes."""
    name, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "")
    return ("", "") if "@" in image else (name.removeprefix("docker.io/"), tag)


def _told_of_ray(group: Group) -> Iterator[Finding]:
    """The release that KubeRay is told of, beside that of Ray's own image."""
    owner = group.leader.template.owner_place.at("spec")
    places = (owner, owner.at("rayClusterConfig"), owner.at("rayClusterSpec"))
    told = next((p.at("rayVersion") for p in places if p.text("rayVersion")), None)
    images = [c.image for c in group.leader.template.containers if _is_rays(c)]
    release = _parts(images[0])[1] if images else ""
    found = _RELEASE.match(told.text()) if told else None
    if told and found and release and found[1] != release:
        says = f"rayVersion is {told.text()}, and the image has Ray {release}"
        unseen = "what this KubeRay decides by it"
        yield Finding(told.spot, says, f"Write `rayVersion: {release}`.", unseen=unseen)


def _parts(image: str) -> tuple[str, str]:
    """Its name and release; Ray's images differ in what they hold beside it."""
    name, _, tag = image.removeprefix("docker.io/").partition("@")[0].rpartition(":")
    found = _RELEASE.match(tag)
    if found and _RAYS.search(name):
        return _RAYS.sub(r"\1", name), ".".join(found[1].split(".")[:3])
    return name, found[1] if found else ""


def _is_rays(container: Container) -> bool:
    return _RAYS.search(container.image.partition(":")[0]) is not None


def _pythons(group: Group) -> Iterator[Finding]:
    """Ray's images with another Python: its nodes refuse each other."""
    every = [c for m in group.members for c in m.template.containers if _is_rays(c)]
    told = [(c, found[1]) for c in every if (found := _PYTHON.search(c.image))]
    for container, python in told[1:]:
        if python != told[0][1]:
            says = f"the image has Python {python} here, and {told[0][1]} in other pods"
            at, other = (c.place.at("image").spot for c in (container, told[0][0]))
            yield Finding(at, f"{says} of {group.name}", "Give all pods one image.", also=(other,))
            return
