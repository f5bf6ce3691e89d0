"""CONF109: a model's folder that only the leader mounts."""

from collections.abc import Iterator
from itertools import pairwise

from distcheck.checks.knowledge.mounts import mounted_at
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.whole_name import has_name

_ENGINES = ("vllm", "sglang")


@rule("CONF109", level="error")
def ranks_find_the_model(group: Group) -> Iterator[Finding]:
    """All pods of a group have the folder of the model.

    What:
        The model is a path that a volume of the leader holds, and a worker of the same image,
        which has ranks, mounts nothing there and does not name it.
    Why:
        Each rank loads its part of the weights from that path on its own pod: the workers end
        with "No such file or directory", or take the path for a name of Hugging Face's.
    Fix:
        Mount the volume in the workers, too.
    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: v}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.9.2
                  command: [bash, -c, "ray start --head --port=6379; vllm serve /models/m -tp 16 --distributed-executor-backend ray"]
                  resources: {limits: {nvidia.com/gpu: 8}}
                  volumeMounts: [{name: m, mountPath: /models}]
                volumes: [{name: m, persistentVolumeClaim: {claimName: models}}]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.9.2
                  command: [bash, -c, "ray start --address=$LWS_LEADER_ADDRESS:6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: v}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.9.2
                  command: [bash, -c, "ray start --head --port=6379; vllm serve /models/m -tp 16 --distributed-executor-backend ray"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: m, mountPath: /models}, {name: s, mountPath: /dev/shm}]
                volumes:
                - {name: m, persistentVolumeClaim: {claimName: models}}
                - {name: s, emptyDir: {medium: Memory, sizeLimit: 32Gi}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.9.2
                  command: [bash, -c, "ray start --address=$LWS_LEADER_ADDRESS:6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: m, mountPath: /models}, {name: s, mountPath: /dev/shm}]
                volumes:
                - {name: m, persistentVolumeClaim: {claimName: models}}
                - {name: s, emptyDir: {medium: Memory, sizeLimit: 32Gi}}
    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: v}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: r.io/ours/vllm:1
                  command: [bash, -c, "ray start --head --port=6379; vllm serve /models/m -tp 16 --distributed-executor-backend ray"]
                  resources: {limits: {nvidia.com/gpu: 8}}
                  volumeMounts: [{name: m, mountPath: /models}]
                volumes: [{name: m, persistentVolumeClaim: {claimName: models}}]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: r.io/ours/vllm-with-model:1
                  command: [bash, -c, "ray start --address=$LWS_LEADER_ADDRESS:6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        vLLM docs/serving/parallelism_scaling.md (the model at the same path on all nodes).
    """  # noqa: E501 - scripts of examples are one line
    leader = group.leader.template.engine
    model = leader.asks.model if leader and leader.asks else None
    known = leader is not None and leader.asks is not None and leader.asks.engine in _ENGINES
    if leader is None or not known or not model or not model.startswith("/") or "$" in model:
        return
    if _is_dummy(leader):
        return
    held = _mount_of(leader, model)
    if held in ("", "/dev/shm") or (group.intent.world_size or 0) <= group.leader.template.gpus:
        return
    for member, engine in group.engines:
        if member.template is group.leader.template or not engine.gpus or member.template.inits:
            continue
        told = " ".join((*(t.text for t in engine.texts), *engine.argv, *_values(engine)))
        unknown = engine.image != leader.image or not engine.is_read or engine.may_have_more
        if (
            unknown
            or _mount_of(engine, model)
            or has_name(told.replace(model, ""), held)
            or _fills(engine)
        ):
            continue
        says = f"{member.template.what} mounts nothing at {held}, where its ranks look for {model}"
        also = (leader.place.at("volumeMounts").key,)
        mounts = engine.place.at("volumeMounts")
        spot = mounts.key if mounts else engine.place.at("name").spot
        yield Finding(spot, says, f"Mount the volume of the leader at {held}, too.", also=also)


def _mount_of(container: Container, path: str) -> str:
    """Where the volume is mounted that holds `path`; empty for none."""
    every = (mounted_at(m.text("mountPath")) for m in container.place.each("volumeMounts"))
    found = [at for at in every if f"{path}/".startswith(f"{at.rstrip('/')}/")]
    return max(found, key=len, default="")


def _values(engine: Container) -> Iterator[str]:
    yield from (v.value or "" for v in engine.env if not v.given)


def _fills(engine: Container) -> bool:
    """Whether it runs something that may put files there, or reads none of the weights."""
    words = {w.rpartition("/")[2] for w in engine.words}
    scripts = any(w.endswith((".py", ".sh")) for w in words - _KNOWN)
    hook = bool(engine.place.at("lifecycle", "postStart"))
    return (
        bool(words & _COPIERS) or scripts or hook or any(_is_code(c.words) for c in engine.commands)
    )


def _is_code(words: tuple[str, ...]) -> bool:
    """`python3 -c`, which may do anything."""
    return "-c" in words[1:] and words[0].rpartition("/")[2].startswith(("python", "perl"))


def _is_dummy(engine: Container) -> bool:
    """Whether weights are made up, not read."""
    told = (v for c in engine.commands for f in _FORMAT for v in c.values(f))
    return any(v == "dummy" for v in told) or any(
        f in _FORMAT and v == "dummy" for f, v in pairwise(engine.argv)
    )


_FORMAT = ("--load-format", "--load_format")


_COPIERS = frozenset(
    {"cp", "ln", "aws", "gsutil", "gcloud", "curl", "wget", "rsync", "mount", "hf", "git", "mc",
     "huggingface-cli", "s5cmd", "rclone", "tar", "azcopy", "oras", "modelscope", "ossutil", "scp"}
)  # fmt: skip
_KNOWN = frozenset({"multi-node-serving.sh"})
