"""CONF017: nodes of one engine that are told different degrees, or different models."""

from collections.abc import Iterator, Mapping

from distcheck.checks.manifest.container import Asks, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.flags import flag_of, given
from distcheck.checks.manifest.group import EnginePod, Group
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.server_words import server_words
from distcheck.checks.manifest.stand_in import is_open

_FLAGS = {
    "TP": ("--tensor-parallel-size", "--tp-size", "--tp", "-tp"),
    "PP": ("--pipeline-parallel-size", "--pp-size", "--pp", "-pp"),
    "DP": ("--data-parallel-size", "--dp-size", "--dp", "-dp"),
    "EP": ("--expert-parallel-size", "--ep-size", "--ep"),
    "--nnodes": ("--nnodes", "-n"),
    "--enable-expert-parallel": ("--enable-expert-parallel", "-ep"),
    "--enable-eplb": ("--enable-eplb",),
    "--enable-dp-attention": ("--enable-dp-attention",),
}
_SETS_EP = frozenset({"--moe-a2a-backend", "--enable-ep-moe", "--enable-deepep-moe"})
"""Of SGLang: with these EP is TP, whatever `--ep` says."""
_SWITCHES = {
    "vllm": ("--enable-expert-parallel", "--enable-eplb"),
    "sglang": ("--enable-dp-attention",),
}


@rule("CONF017", level="error", others=("warning",))
def nodes_are_told_alike(group: Group) -> Iterator[Finding]:
    """All nodes of one engine are told the same degrees, and the same model.

    What:
        Leader and workers, or pods of one template, start the engine on their nodes with different
        TP, PP, DP or EP, or some of them with `--enable-expert-parallel`, `--enable-eplb` or
        `--enable-dp-attention`; or with models of different names.

    Why:
        Each node works out from its own flags who the other ranks are: they wait for ranks that
        nobody starts, or hold weights that do not fit each other's.

    Fix:
        Give leader and workers one command line, apart from the node's own rank.

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
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2 --node-rank 0
                    --master-addr $LWS_LEADER_ADDRESS"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m -tp 16 --nnodes 2 --node-rank 1 --headless
                    --master-addr $LWS_LEADER_ADDRESS"]
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
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2 --node-rank 0
                    --master-addr $LWS_LEADER_ADDRESS"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2 --node-rank 1 --headless
                    --master-addr $LWS_LEADER_ADDRESS"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]

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
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2 --node-rank 0
                    --master-addr $LWS_LEADER_ADDRESS"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m $FLAGS --nnodes 2 --node-rank 1 --headless
                    --master-addr $LWS_LEADER_ADDRESS"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM docs/serving/parallelism_scaling.md and data_parallel_deployment.md, and from 0.12
        vllm/v1/engine/utils.py (wait_for_engine_startup ends for another hash of the parallel
        configuration); SGLang docs/references/multi_node_deployment (one command on all nodes).
    """
    held = [p for p in group.each_pod if p.engine.asks and _is_node(p.engine.asks)]
    told: set[tuple[int, str, int]] = set()
    for pod in held[1:]:
        first = held[0]
        here, there = _sizes(pod), _sizes(first)
        for name in here.keys() & there.keys():
            key = (id(pod.member.template), name, here[name])
            if here[name] != there[name] and key not in told:
                told.add(key)
                yield _odd(pod, first, name, (here[name], there[name]))
        yield from _models(pod, first)


def _is_node(asks: Asks) -> bool:
    """Whether it is one of several nodes of a vLLM or SGLang."""
    several = asks.headless or (asks.nnodes or 1) > 1 or asks.dp_local is not None
    return asks.engine in ("vllm", "sglang") and several


def _sizes(pod: EnginePod) -> Mapping[str, int]:
    """What is sure of them, by the names that messages have; switches are 0 or 1."""
    asks = pod.engine.asks
    if asks is None or asks.unread:
        return {}
    found = {"TP": asks.tp or 1, "PP": asks.pp or 1}
    words = _own_words(pod.engine, asks)
    if asks.engine == "vllm":
        found["DP"] = asks.dp or 1
    for name in ("DP", "EP") if asks.engine == "sglang" and words is not None else ():
        if name == "EP" and any(flag_of(w) in _SETS_EP for w in words or ()):
            continue
        if (size := _size(words or (), _FLAGS[name])) is not None:
            found[name] = size
    if pod.name:  # of templates CONF002 compares it with the pods
        found["--nnodes"] = asks.nnodes or 1
    for name in _SWITCHES[asks.engine] if words is not None else ():
        found[name] = int(any(w.replace("_", "-") in _FLAGS[name] for w in words or ()))
    return found


def _own_words(engine: Container, asks: Asks) -> tuple[str, ...] | None:
    """The words of its one server; None where there are several, or more may be in a file."""
    words = tuple(server_words(engine, asks.engine))
    servers = [c for c in engine.commands if any(asks.engine in w for w in c.words)]
    negated = any(w.startswith(("--no-enable", "--config")) for w in words)
    return None if len(servers) > 1 or negated else words


def _size(words: tuple[str, ...], flags: tuple[str, ...]) -> int | None:
    """1 where no flag names it; None where its value is not read."""
    told = [v for one in given(words) if one.flag in flags and (v := one.value) is not None]
    value = told[-1] if told else "1"
    return int(value[:9]) if value.isdecimal() else None


def _odd(pod: EnginePod, first: EnginePod, name: str, sizes: tuple[int, int]) -> Finding:
    here, there = sizes
    if name.startswith("--enable"):
        with_it, without = (pod, first) if here else (first, pod)
        says = f"{with_it.what} is told {name}, and {without.what} is not"
        at = with_it.engine.spot_of(*_FLAGS[name])
        return Finding(at, says, f"Give {name} to both, or to none.")
    words = f"{name} " if name.startswith("-") else f"{name}="
    says = f"{pod.what} is told {words}{here}, and {first.what} {words}{there}"
    return Finding(_spot(pod, name, here), says, also=(_spot(first, name, there),))


def _spot(pod: EnginePod, name: str, size: int) -> Spot:
    written = [f"{flag}{between}{size}" for flag in _FLAGS[name] for between in " ="]
    return pod.engine.spot_of(*written, *_FLAGS[name])


def _models(here: EnginePod, there: EnginePod) -> Iterator[Finding]:
    """Two names; a folder of one node may hold what a name means on another."""
    mine, other = (p.engine.asks.model or "" if p.engine.asks else "" for p in (here, there))
    both = mine.rstrip("/").rpartition("/")[2].lower(), other.rstrip("/").rpartition("/")[2].lower()
    named = all(text and not is_open(text) for text in (mine, other))
    if named and mine.startswith("/") == other.startswith("/") and both[0] != both[1]:
        says = f"{here.what} serves {mine}, and {there.what} {other}"
        at, also = here.engine.spot_of(mine), (there.engine.spot_of(other),)
        unseen = "what these folders hold" if mine.startswith("/") else ""
        yield Finding(at, says, level="warning", also=also, unseen=unseen)
