"""CONF060: several ranks in a pod whose /dev/shm is the runtime's 64 MiB."""

from collections.abc import Iterator

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.mounts import is_below, mounted_at
from distcheck.checks.knowledge.spelling import letters_apart
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import GRAPH, Template
from distcheck.pattern import pattern


@rule("CONF060", level="error", others=("warning", "hint"))
def shm_is_mounted(group: Group) -> Iterator[Finding]:
    """Pods with several ranks mount a /dev/shm of their own.

    What:
        A pod of several GPUs, or of a group of several nodes, has no volume at /dev/shm, so it
        gets the container runtime's 64 MiB.
    Why:
        NCCL takes 7 to 33 MiB there for each rank and communicator, and vLLM's message ring
        100 to 160 MiB: the ranks stop with "No space left on device", or with SIGBUS later.
    Fix:
        Add `volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]` to the pod,
        and `volumeMounts: [{name: dshm, mountPath: /dev/shm}]` to the container of the ranks.
    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: r.io/ours/train:1
            resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        containerd internal/cri/server/podsandbox (defaultShmSize); NCCL src/proxy.cc and vLLM
        shm_broadcast.py, as docs/shm.md counts them. SHM001 measures it on the live group.
    """
    many = (group.nodes or 1) > 1 and group.is_whole
    for member, engine in group.engines:
        template = member.template
        host = template.spec.at("hostIPC").value is True
        alone = engine.gpus < 2 and not many
        if not engine.gpus or alone or host or template.shm is not None or engine.nim_chart:
            continue
        if _is_idle(engine) or _makes_its_own(engine) or _names_no_volume(template, engine):
            continue
        gpus = f"{engine.gpus} GPU{'s' * (engine.gpus != 1)}"
        says = f"{template.what}: container {engine.name} has {gpus} and no volume at /dev/shm"
        mounts, fix = engine.place.at("volumeMounts"), _OF_GRAPH.get(template.kind, "")
        spot = mounts.key if mounts else engine.place.at("name").spot
        if beside := _mounted_beside(template, engine):
            spot, fix = beside.at("mountPath").spot, "Write `mountPath: /dev/shm`."
            says = f"{says}: {beside.text('name')} is mounted at {beside.text('mountPath')}"
        level = level_of_64_mib(group, template, engine)
        sure = many and engine.gpus > _FEW and level != "hint"
        unseen = "whether what it runs uses NCCL" if _is_none(group, template, engine) else ""
        small = "too little for NCCL's pools between nodes"
        why = small if sure else f"which may do {_for(engine, many=many)}"
        says = f"{says}: it gets 64 MiB, {why}"
        yield Finding(spot, says, fix, level=level, unseen=unseen)


_OF_GRAPH = {GRAPH: "Leave it out: the operator then mounts a volume of 8Gi."}
"""By kind, what mends it where the operator was told to mount none."""


def _is_idle(engine: Container) -> bool:
    """Whether an image without an engine is told to do nothing: a pod that shows that it runs."""
    first = {c.words[0].rpartition("/")[2] for c in engine.commands if c.words}
    return bool(first) and first <= _IDLE and _BARE.match(engine.image) is not None


def _mounted_beside(template: Template, engine: Container) -> Place | None:
    """The mount of a volume in memory whose path is nearly /dev/shm, or a folder in it."""
    for mount in engine.place.each("volumeMounts"):
        path = mounted_at(mount.text("mountPath"))
        near = is_below(path, "/dev/shm") or letters_apart(path, "/dev/shm", 2) <= _NEAR
        volume = template.volumes.get(mount.text("name"))
        if near and volume and volume.text("emptyDir", "medium").lower() == "memory":
            return mount
    return None


_NEAR = 2


def _names_no_volume(template: Template, engine: Container) -> bool:
    """Whether something is mounted there that the pod has not: CONF089 tells of it."""
    mounts = [m for m in engine.place.each("volumeMounts") if _SHM.fullmatch(m.text("mountPath"))]
    named = template.volumes.keys() | template.claims.keys()
    whole = not template.fragment and not template.rest and not template.by_nim
    return whole and bool(mounts) and all(m.text("name") not in named for m in mounts)


_SHM = pattern(r"/dev/shm/*")


def _makes_its_own(engine: Container) -> bool:
    """Whether its script mounts something there, or the same with another size."""
    return any({"mount", "/dev/shm"} <= {*c.words} for c in engine.commands)


_IDLE = frozenset({"sleep", "tail", "nvidia-smi", "echo"})
_BARE = pattern(
    r"(?:[\w.:-]+/)*(?:ubuntu|busybox|alpine|debian|centos|ubi\d?|nvidia/cuda)(?::|@|\Z)"
)


def level_of_64_mib(group: Group, template: Template, engine: Container) -> Level:
    """How grave so little is for this container, whether nothing or a volume's limit gives it."""
    most = _most(group, template, engine)
    if (group.nodes or 1) > 1 and group.is_whole and engine.gpus > _FEW:
        return most
    return "warning" if _is_known(engine) and most != "hint" and engine.gpus > 1 else "hint"


def _is_known(engine: Container) -> bool:
    """Whether it runs an engine, or something that is told of several tensor parallel ranks."""
    known = engine.asks or engine.nim or engine.ray or engine.engine_image
    return bool(known) or any(
        value.isdigit() and int(value[:9]) > 1
        for command in engine.commands
        if not any(_CONVERTS.search(word) for word in command.words[:4])
        for flag in _TENSOR
        for value in command.values(flag)
    )


_TENSOR = (
    "--tp", "-tp", "--tp-size", "--tp_size", "--tensor-parallel-size", "--tensor_parallel_size",
)  # fmt: skip
"""As engines call it that are not known here, such as LMDeploy and KServe's Hugging Face server."""
_CONVERTS = pattern(r"convert|quanti[sz]|trtllm-build|bench")
"""They cut a checkpoint into that many parts, or ask a server: no ranks are started."""


def _is_none(group: Group, template: Template, engine: Container) -> bool:
    return engine.gpus > 1 and _most(group, template, engine) == "hint"


def _for(engine: Container, *, many: bool) -> str:
    """Why it is no error: pools of NCCL between nodes are what surely does not fit."""
    if not _is_known(engine):
        return "for what runs in it"
    return f"for {counted(engine.gpus, 'GPU')}" if many else "on one node"


def _most(group: Group, template: Template, engine: Container) -> Level:
    """The level at most: an error where ranks surely talk over NCCL, a hint where nothing tells."""
    told = [engine.image] + [
        t.text for m in group.members for c in m.template.containers for t in c.texts
    ]
    if any(_TRITON.search(t) for t in told) and not any(_RANKS.search(t) for t in told):
        return "hint"
    if _is_known(engine) or template.of_ray or any(_NCCL.search(t) for t in told):
        return "error"
    return "warning" if any(engine.named("NCCL_")) else "hint"


_TRITON = pattern(r"\btritonserver\b")
_RANKS = pattern(r"trtllm|mpirun|world_size|vllm")
"""Triton's models of other backends need no NCCL."""
_NCCL = pattern(
    r"(?i)nccl|all_reduce_perf|torchrun|torch\.distributed|deepspeed|accelerate launch|megatron"
)
_FEW = 2
"""So many pools of NCCL fit into 64 MiB; between GPUs of one node there may be none at all."""
