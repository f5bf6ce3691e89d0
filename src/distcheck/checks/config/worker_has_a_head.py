"""CONF022: somebody must start Ray's head, and only one."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import is_open
from distcheck.checks.manifest.starts_ray import is_head, may_join
from distcheck.pattern import pattern


@rule("CONF022", level="error")
def worker_has_a_head(group: Group) -> Iterator[Finding]:
    """A group whose workers join Ray has a leader that starts it.

    What:
        Workers run `ray start --address`, and the leader that they join starts no Ray head; or
        `ray start` has neither `--head` nor `--address`, with which it ends at once; or the
        containers of a RayCluster with `ray.io/overwrite-container-cmd` start no Ray.
    Why:
        There is no cluster to join: workers try until they give up, and the engine on the
        leader starts a Ray of its own that has one node. With that annotation KubeRay adds no
        `ray start` to the command.
    Fix:
        Let the leader run `ray start --head --port=6379` before the engine.
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
                - name: head
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "vllm serve /models/m --tensor-parallel-size 16"]
            workerTemplate:
              spec:
                containers:
                - name: worker
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
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
                - name: head
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head && vllm serve /models/m -tp 16"]
            workerTemplate:
              spec:
                containers:
                - name: worker
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
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
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "/start-ray.sh; vllm serve /m -tp 16"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        vLLM docs/serving/parallelism_scaling.md; KubeRay
        ray-operator/controllers/ray/common/pod.go (overwrite-container-cmd,
        KUBERAY_GEN_RAY_START_CMD).
    """
    yield from _overwritten(group)
    every = [c for m in group.members for c in m.template.containers]
    lost = [c for c in every if _starts_nothing(c)]
    if lost:
        says = f"{lost[0].name} runs `ray start` without --head and without --address"
        fix = (
            "Write `ray start --head` for the leader, `ray start --address=LEADER:6379` for others."
        )
        yield Finding(lost[0].spot_of("ray start", "start"), f"{says}: it ends at once", fix)
        return
    joining = [c for c in every if c.joins_ray]
    leader = group.leader.template
    start = next((c for c in leader.containers if c.asks), None)
    heads = [c for c in every if is_head(c)]
    only = [c for c in heads if not may_join(c)]
    alike = leader.kind != "LeaderWorkerSet" and group.members[-1].template is leader
    several = len(group.members) > 1 and not alike
    if several and len(only) == len(group.members) and not joining:
        says = f"each pod of {group.name} starts a head of its own, and none joins it"
        fix = "Let the workers join the leader's: `ray start --address=LEADER:6379 --block`."
        also = (heads[0].spot_of("ray"),)
        yield Finding(heads[-1].spot_of("leader", "--head"), says, fix, also=also)
        return
    if not joining or heads or not group.leader.leads or start is None or start in joining:
        return
    if start.variable("RAY_ADDRESS") is not None:
        return  # a Ray of its own, elsewhere
    opaque = any(w.endswith((".sh", ".py")) for c in start.commands for w in c.words)
    unseen = "the script that the leader runs" if opaque else group.open
    says = f"workers join Ray, and {leader.what} starts no head of it"
    also = (joining[0].spot_of("ray start", "ray_address"),)
    yield Finding(start.spot_of("vllm serve", "vllm"), says, unseen=unseen, also=also)


def _overwritten(group: Group) -> Iterator[Finding]:
    """Commands that KubeRay leaves as they are, and that start an engine or only wait."""
    for member in group.members:
        template, first = member.template, next(iter(member.template.containers), None)
        if not template.of_ray or first is None or not first.place.at("command"):
            continue
        made = ("spec", "template") if template.kind.endswith(("Fleet", "ReplicaSet")) else ()
        notes = template.owner_place.at(*made, "metadata", "annotations")
        told = first.script
        known = first.asks or first.words <= _WAITING
        scripts = any(w.endswith((".sh", ".py")) for w in first.words)
        if notes.text(_OVERWRITE) == "true" and known and not scripts and not _RAY.search(told):
            says = f"container {first.name} starts no Ray, and {_OVERWRITE} lets KubeRay add none"
            fix = "Begin with `ulimit -n 65536; $KUBERAY_GEN_RAY_START_CMD`, or take it out."
            also = (notes.at(_OVERWRITE).key,)
            yield Finding(first.place.at("command").key, says, fix, also=also)


_OVERWRITE = "ray.io/overwrite-container-cmd"
_WAITING = frozenset(
    {"sleep", "infinity", "inf", "tail", "-f", "/dev/null", "ulimit", "-n", "65536"}
)
_RAY = pattern(r"\bray\s+start\b|KUBERAY_|\bsource\s|\. /|`|eval\s")


def _starts_nothing(container: Container) -> bool:
    """Whether `ray start` has neither, and nothing may still put one in."""
    ray = container.ray
    plain = ray is not None and not ray.head and not ray.address and not container.may_have_more
    starts = [c.words for c in container.commands if {"ray", "start"} <= {*_last(c.words)}]
    whole = len(starts) == 1 and not any(map(is_open, starts[0]))
    return plain and whole and container.is_read and container.value("RAY_ADDRESS") is None


def _last(words: tuple[str, ...]) -> Iterator[str]:
    return (w.rpartition("/")[2] for w in words)
