"""CONF035: ranks of several pods, and nothing that makes one group of them."""

from collections.abc import Iterator

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.container import Asks, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.hidden import hidden_before_engine
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.standing_alone import joiners, stands_alone, waits_for
from distcheck.checks.manifest.start_script import refused
from distcheck.checks.manifest.starts_ray import has_ray
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_SEVERAL = 2
_JOINED_BY_OTHERS = ("RayCluster", "RayService", "RayJob", "MPIJob", "NIMService")
_TOLD = pattern(r"nnodes|--config\b|torchrun|mpirun|torch\.distributed|accelerate launch")
_IDLE = ("sleep", "tail")


@rule("CONF035", level="error")
def ranks_are_told_to_join(group: Group) -> Iterator[Finding]:
    """Ranks over several pods are told how to join.

    What:
        TP x PP is more than the GPUs of a pod, and a pod is not told of the others: vLLM without
        `--nnodes` and without Ray, SGLang without `--nnodes`, the executor ray and no `ray
        start`, or a worker with GPUs that only sleeps, or has neither command nor args, so that
        its image starts a server of its own (vllm/vllm-openai), or nothing. Or a worker starts a
        server that fits its own pod and is told of no other, beside a leader that waits for more;
        or it joins Ray and serves besides; or vLLM's start script is called in a way that it ends
        for.

    Why:
        Kubernetes joins pods into no engine: each starts all ranks by itself and ends with
        "World size (16) is larger than the number of available GPUs (8) in this node" (SGLang
        with "invalid device ordinal"), or the leader waits for a worker that never comes. A worker
        with a server of its own gets ready, and no request ever reaches it.

    Fix:
        Give each pod `--nnodes`, a `--node-rank` of its own and the leader's address
        (`--master-addr` of vLLM from 0.11.1 on, its workers with `--headless`; `--dist-init-addr`
        of SGLang); or, for vLLM, `ray start --head` on the leader, `ray start --address` on each
        worker, and `--distributed-executor-backend ray`.

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
                  image: vllm/vllm-openai:v0.12.0
                  command: [vllm, serve, /m, -tp, "16"]
                  resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: both-serve}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2
                    --distributed-executor-backend ray"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [vllm, serve, /m, -tp, "8"]
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
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m -tp 16 --nnodes 2 --node-rank $LWS_WORKER_INDEX
                    --master-addr $LWS_LEADER_ADDRESS
                    $([ $LWS_WORKER_INDEX = 0 ] || echo --headless)"]
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
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "/opt/join.sh && vllm serve /m -tp 16"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM vllm/config/parallel.py and docs/serving/parallelism_scaling.md; SGLang
        server_args.py (nnodes is 1 by default).
    """
    yield from _by_script(group)
    yield from _again(group)
    first = group.leader.template.engine
    if (group.nodes or 1) < _SEVERAL or group.leader.template.kind in _JOINED_BY_OTHERS:
        return
    by_ray = [m for m in group.members if has_ray(m.template)]
    for member, engine in group.engines:
        if engine.nim or has_ray(member.template) or not engine.gpus:
            continue
        unseen = hidden_before_engine(engine) or group.open
        if engine.asks is None:
            yield from _idle(group, member, engine, first)
        elif wants := _beside(group, member, engine, first):
            yield _of_its_own(group, member, engine, wants, unseen)
        elif by_ray and engine.asks.engine == "vllm":
            yield from _outside(group, member, engine, by_ray[0], unseen)
        elif says := _says(member, engine, engine.asks):
            flags = ("--distributed-executor-backend", *_SIZES)
            yield Finding(engine.spot_of(*flags), says, _fix(group, engine.asks), unseen=unseen)


def _by_script(group: Group) -> Iterator[Finding]:
    """Calls of vLLM's start script that start no Ray: another word, or an argument too few."""
    for container in (c for m in group.members for c in m.template.containers):
        for one in refused(container):
            spot = container.spot_of(one.word)
            yield Finding(spot, f"{one.says}: it ends at once", one.fix, unseen=one.unseen)


_SIZES = ("--tensor-parallel-size", "--tensor_parallel_size", "--tp", "-tp", "--pipeline", "--pp")


def _again(group: Group) -> Iterator[Finding]:
    """Workers that join Ray and serve what the leader serves."""
    for member, engine in group.engines:
        if _serves_again(group, member, engine):
            says = f"{member.template.what} joins Ray, and starts a server beside the leader's: two"
            spot = engine.spot_of("vllm serve", "api_server", "vllm")
            yield Finding(spot, f"{says} want the same GPUs", _ONLY_JOIN, unseen=group.open)


def _serves_again(group: Group, member: Member, engine: Container) -> bool:
    """Whether a worker joins Ray and goes on to start what the leader starts.

    `ray start --block` goes on to nothing, and a script with branches may take another one.
    """
    leader, own = group.leader.template, engine.asks
    first = leader.engine.asks if leader.engine and waits_for(leader.engine) else None
    joins = engine.ray is not None and not engine.ray.head and not engine.ray.block
    if member is group.leader or member.template.place.spot == leader.place.spot or not joins:
        return False
    if first is None or own is None or not first.engine == own.engine == "vllm" or own.headless:
        return False
    return engine.is_read and not any(_BRANCH.search(t.text) for t in engine.texts)


_BRANCH = pattern(r"(?:^|[\s;(&|])(?:if|case|while|until|for|exit|exec|test|\[)\s")
_ONLY_JOIN = "Let the worker run `ray start --address=LEADER:6379 --block`, and no server."


def _outside(
    group: Group, member: Member, engine: Container, head: Member, unseen: str
) -> Iterator[Finding]:
    """A worker with more ranks than GPUs, beside others that start Ray."""
    if member is not group.leader and engine.asks and _alone(engine, engine.asks):
        says = f"{head.template.what} starts Ray, and {member.template.what} does not join it"
        yield Finding(engine.spot_of("vllm serve", "vllm"), says, _BY_RAY, unseen=unseen)


def _beside(group: Group, member: Member, engine: Container, first: Container | None) -> str:
    """What the leader waits for, where this worker has a server of its own in place of it.

    Empty where the leader itself is told of nobody (it is found), or another template joins it.
    """
    if member is group.leader or first is None or first.nim or joiners(group):
        return ""
    asks, own = first.asks, engine.asks
    if asks is None or own is None or asks.engine != own.engine or not stands_alone(engine):
        return ""
    if (own.dp or 1) > 1:
        return ""  # CONF015 counts the copies
    told = has_ray(group.leader.template) or (asks.nnodes or 1) > 1 or (asks.dp or 1) > 1
    return waits_for(first) if told else ""


def _of_its_own(
    group: Group, member: Member, engine: Container, wants: str, unseen: str
) -> Finding:
    worker, leader = member.template.what, group.leader.template
    says = f"{worker} starts a server of its own, which joins nothing: {leader.what} waits"
    says = f"{says} for {wants}"
    fix = _in_its_place(leader) if has_ray(leader) else _AS_LEADER
    spot = engine.spot_of("vllm serve", "sglang.launch_server", "vllm", "sglang")
    return Finding(spot, says, fix, unseen=unseen)


def _in_its_place(leader: Template) -> str:
    """What a worker runs beside a leader that starts Ray, by vLLM's script where it has that."""
    address = "$(LWS_LEADER_ADDRESS)" if leader.kind == "LeaderWorkerSet" else "LEADER"
    words = [w for c in leader.containers for one in c.commands for w in one.words]
    script = next((w for w in words if w.endswith("multi-node-serving.sh")), "")
    joins = f"bash {script} worker --ray_address={address}"
    start = f"ray start --address={address}:6379 --block"
    return f"Run only `{joins if script else start}` on the worker, and no server."


def _alone(engine: Container, asks: Asks) -> bool:
    """Whether it asks for more ranks than it has GPUs, and is told of no other node."""
    if asks.engine not in ("vllm", "sglang") or (asks.tp is None and asks.pp is None):
        return False
    unread = {"tp", "pp", "arguments"} & set(asks.unread)
    if unread or (asks.tp or 1) * (asks.pp or 1) <= engine.gpus:
        return False
    told = [t.text for t in engine.texts] + [w for c in engine.commands for w in c.words]
    if (asks.engine == "vllm" and (asks.dp or 1) > 1) or asks.nnodes is not None:
        return False
    return not any(_TOLD.search(t) or t == "-n" for t in told)


def _says(member: Member, engine: Container, asks: Asks) -> str:
    if not _alone(engine, asks) or asks.executor not in (None, "mp", "ray"):
        return ""
    degrees = (("TP", asks.tp or 1), ("PP", asks.pp or 1))
    sizes = " x ".join(f"{k}={v}" for k, v in degrees if v > 1)
    here = f"{sizes} over pods of {counted(engine.gpus, 'GPU')}"
    if asks.executor == "ray":
        return f"{here} by the executor ray, and no Ray starts in {member.template.what}"
    lacks = "no --nnodes and no Ray" if asks.engine == "vllm" else "no --nnodes"
    return f"{here}, and {lacks} in {member.template.what}"


def _fix(group: Group, asks: Asks) -> str:
    """The flags that join these pods; of Ray, what starts it."""
    if asks.executor == "ray":
        return _BY_RAY
    lws = group.leader.template.kind == "LeaderWorkerSet"
    nodes = "$(LWS_GROUP_SIZE)" if lws else str(group.nodes)
    leader = "$(LWS_LEADER_ADDRESS)" if lws else "LEADER"
    rank = "`--node-rank=$(LWS_WORKER_INDEX)`" if lws else "a `--node-rank` of each pod's own"
    join = f"`--nnodes={nodes}`, {rank}"
    if asks.engine == "sglang":
        return f"Add {join} and `--dist-init-addr={leader}:20000`."
    vllm = f"Add {join} and `--master-addr={leader}`, to workers `--headless` (vLLM 0.11.1)"
    return f"{vllm}; or start Ray in each pod, and add `--distributed-executor-backend ray`."


_AS_LEADER = (
    "Start the leader's command on the worker too, with a rank of its own (vLLM: and `--headless`)."
)
_BY_RAY = (
    "Run `ray start --head` on the leader, `ray start --address=LEADER:6379 --block` on workers."
)


def _idle(
    group: Group, member: Member, engine: Container, first: Container | None
) -> Iterator[Finding]:
    """A worker that only sleeps, or is told nothing, beside a leader that wants its GPUs."""
    asks = first.asks if first else None
    if asks is None or member is group.leader or first is None or asks.unread:
        return
    world = asks.ranks or (asks.tp or 1) * (asks.pp or 1)
    if world <= first.gpus or (asks.dp or 1) > 1:
        return
    does = [c.words for c in engine.commands]
    if says := _of_image(engine):
        told = f"{world} ranks, and {member.template.what} has no command: {says}"
        yield Finding(engine.place.at("image").spot, told, _JOIN, unseen=group.open)
    elif asks.engine in ("vllm", "sglang") and does and all(w and w[0] in _IDLE for w in does):
        runs = " ".join(does[-1][:2])
        says = f"{world} ranks, and {member.template.what} only runs `{runs}`: it holds none"
        yield Finding(engine.spot_of(*_IDLE), says, _JOIN, unseen=group.open)


_JOIN = "Start the engine, or `ray start --address`, there too."
_VLLM = pattern(r"(?:\A|/)vllm/vllm-openai(?::|@|\Z)")
_NO_SERVER = pattern(r"(?:\A|/)(?:lmsysorg/sglang|nvidia/tritonserver|rayproject/ray)(?::|@|\Z)")


def _of_image(engine: Container) -> str:
    """What the image does where nothing is told; empty where something is, or nobody knows."""
    if engine.place.at("command") or engine.place.at("args") or engine.joins:
        return ""
    if _VLLM.search(engine.image):
        return "its image starts a server of its own, for another model"
    return "its image starts nothing, and ends" if _NO_SERVER.search(engine.image) else ""
