"""CONF015: vLLM's copies (DP) over several pods, against their ranks, GPUs and addresses."""

from collections.abc import Iterator, Sequence

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.copying_pods import (
    BACKEND,
    CopyingPod,
    copying_pods,
    serves_from_each,
    serves_from_one,
)
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.own_index import times_index
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.starts_ray import has_ray
from distcheck.pattern import pattern

_SIZE = ("--data-parallel-size ", "--data-parallel-size=", "-dp ", "--data-parallel-size", "-dp")
_LOCAL = ("--data-parallel-size-local", "-dpl")
_START = ("--data-parallel-start-rank", "-dpr")
_HYBRID = "--data-parallel-hybrid-lb"
_SEVERAL = 2


@rule("CONF015", level="error")
def copies_share_the_ranks(group: Group) -> Iterator[Finding]:
    """vLLM's data-parallel ranks are spread over the pods without a gap or an overlap.

    What:
        Pods start another number of copies than `--data-parallel-size`; their ranks, from
        `--data-parallel-start-rank` on, overlap or pass the last one; a pod has fewer GPUs than
        `--data-parallel-size-local` x TP x PP; a worker has no `--headless`, or a pod no
        `--data-parallel-address`; or flags stand together that vLLM refuses (hybrid load
        balancing with `--headless`, or without a local size; the backend ray with `--nnodes`).
    Why:
        The leader waits for exactly as many copies as it was told, and ends with "Timed out
        waiting for engine core processes to start"; without an address it listens on 127.0.0.1.
    Fix:
        Give each pod `--data-parallel-size-local` = its GPUs / (TP x PP), workers
        `--data-parallel-start-rank` = the copies before them, and all the leader's address.
    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: r1}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m -dp 16 -dpl 8 -dpa $(LWS_LEADER_ADDRESS)"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m --headless -dp 16 -dpl 8 -dpr 4
                    -dpa $(LWS_LEADER_ADDRESS)"]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: r1}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m -dp 16 -dpl 8 -dpa $(LWS_LEADER_ADDRESS)"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m --headless -dp 16 -dpl 8 -dpr 8
                    -dpa $(LWS_LEADER_ADDRESS)"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]
    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: r1}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "vllm serve /m -dp 16 -dpl 4 -dpr $START $MORE
                    -dpa $(LWS_LEADER_ADDRESS)"]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        vLLM vllm/engine/arg_utils.py (create_engine_config), vllm/v1/engine/utils.py
        (launch_core_engines), vllm/entrypoints/cli/serve.py (run_headless), 0.9 to 0.20.
    """
    nodes = list(copying_pods(group))
    known = [n for n in nodes if n is not None]
    told: set[tuple[Spot, str]] = set()
    for found in (*_each(group, known), *_all(group, known, whole=len(known) == len(nodes))):
        if (found.spot, found.says) not in told:
            told.add((found.spot, found.says))
            yield found


def _each(group: Group, known: Sequence[CopyingPod]) -> Iterator[Finding]:
    for node in known:
        yield from _alone(group, node)


def _all(group: Group, known: list[CopyingPod], *, whole: bool) -> Iterator[Finding]:
    if not whole or (group.pods or 0) < _SEVERAL:
        return
    if all(serves_from_one(n) for n in known):
        yield from _together(group, known)
    elif all(serves_from_each(n) for n in known):
        yield from _unreached(known)
        yield from _counted(group, known, known[0].asks.dp or 1)


def _alone(group: Group, node: CopyingPod) -> Iterator[Finding]:
    yield from _refused(node)
    nodes, several = node.asks.nnodes or 1, (group.pods or _SEVERAL) >= _SEVERAL
    if nodes > 1:
        yield from _ofcopying(node, nodes)
    elif several and node.asks.executor in (None, "mp"):
        yield from _short(group, node)


def _refused(node: CopyingPod) -> Iterator[Finding]:
    """What vLLM's own checks end with, whatever the pods are."""
    asks, dp = node.asks, node.asks.dp or 1
    if asks.dp_hybrid_lb and asks.headless:
        says = f"vLLM refuses {_HYBRID} with --headless"
        yield node.found(says, "Take --headless out: each pod has a front-end.", _HYBRID, "-dph")
    elif asks.dp_hybrid_lb and asks.dp_local is None and (asks.nnodes or 1) == 1:
        says = f"vLLM refuses {_HYBRID} without --data-parallel-size-local"
        yield node.found(says, "Add `--data-parallel-size-local`.", _HYBRID, "-dph")
    if asks.dp_rank is not None and asks.dp_local not in (1, None):
        says = "with --data-parallel-rank vLLM takes a local size of 1 only"
        yield node.found(says, "Take the local size out, or the rank.", *_LOCAL)
    if node.local > dp:
        yield node.found(f"{node.local} copies in a pod, of {dp} in all", f"Write {dp}.", *_LOCAL)


def _ofcopying(node: CopyingPod, nodes: int) -> Iterator[Finding]:
    """What it refuses over nodes of its own executor."""
    ranks = node.of_copy * (node.asks.dp or 1)
    if node.by_ray:
        says = "vLLM takes --nnodes with the data-parallel backend mp only"
        yield node.found(says, "Take one of the two out.", *BACKEND)
    elif ranks % nodes:
        says = f"TP x PP x DP = {ranks} is no multiple of --nnodes {nodes}"
        yield node.found(says, f"Make it a multiple of {nodes}.", "--nnodes", *_SIZE)


def _short(group: Group, node: CopyingPod) -> Iterator[Finding]:
    """More ranks in a pod than it has GPUs."""
    dp, gpus, of_copy = node.asks.dp or 1, node.engine.gpus, node.of_copy
    if node.by_ray:
        if of_copy * dp > gpus > 0 and not any(has_ray(m.template) for m in group.members):
            says = "the data-parallel backend ray, and nothing in the group starts Ray"
            yield node.found(says, "Run `ray start` in each pod.", *BACKEND, unseen=group.open)
    elif of_copy * node.local > gpus > 0 and node.local <= dp:
        ranks = counted(of_copy * node.local, "rank")
        why = "" if node.asks.dp_local else ": all copies, without --data-parallel-size-local"
        says = f"each pod starts {ranks}{why}; it has {counted(gpus, 'GPU')}"
        own = node.engine.spot_of(*_LOCAL).path[-1:] == ("dataLocal",)
        flag = "dataLocal:" if own else "--data-parallel-size-local"
        fix = f"Write `{flag} {max(gpus // of_copy, 1)}`."
        yield node.found(says, fix, *_LOCAL, *_SIZE)


def _together(group: Group, nodes: list[CopyingPod]) -> Iterator[Finding]:
    """Whether the pods' copies are those that the leader waits for."""
    leader, dp = nodes[0], nodes[0].asks.dp or 1
    if leader.member is not group.leader or leader.local >= dp or leader.asks.headless:
        return
    yield from _unreached(nodes)
    fronts = [n for n in nodes if not n.asks.headless and (n is not leader or _many(n) > 1)]
    for node in fronts:
        says = "without --headless it is one more front-end, which waits as the leader does"
        yield node.found(says, f"Add `--headless`, or {_HYBRID} to every pod.", *_LOCAL, *_SIZE)
    if not fronts:
        yield from _counted(group, nodes, dp)


def _unreached(nodes: Sequence[CopyingPod]) -> Iterator[Finding]:
    for node in nodes:
        if not node.asks.dp_address and not node.asks.master_addr:
            says = "without --data-parallel-address it meets the others at 127.0.0.1"
            yield node.found(says, "Add the leader's address to each pod.", *_LOCAL, *_SIZE)


def _counted(group: Group, nodes: list[CopyingPod], dp: int) -> Iterator[Finding]:
    members = [(m.pods, n.local) for m in group.members if (n := _of(nodes, m))]
    if all(pods is not None for pods, _ in members):
        sum_of = sum((pods or 0) * local for pods, local in members)
        if sum_of > dp or (sum_of < dp and group.is_whole):
            parts = " + ".join(f"{pods} x {local}" for pods, local in members)
            says = f"it waits for {dp} copies, and the pods start {sum_of} ({parts})"
            yield nodes[0].found(says, f"Write {sum_of}, or change the pods.", *_SIZE)
            return
    for number, node in enumerate(nodes):
        if "dp_start" in node.asks.unread:
            return
        if number or _many(node) > 1:
            yield from _placed(node, nodes[:number], dp)


def _of(nodes: Sequence[CopyingPod], member: Member) -> CopyingPod | None:
    return next((n for n in nodes if n.member is member), None)


def _placed(node: CopyingPod, before: Sequence[CopyingPod], dp: int) -> Iterator[Finding]:
    """Ranks that a pod before it has, too, or that are none of the group's."""
    start, last = node.ranks.start, node.ranks.stop - 1
    other = next((b for b in before if _many(b) == 1 and _meet(b.ranks, node.ranks)), None)
    own = node.engine.place.spot
    several = len([b for b in (*before, node) if b.engine.place.spot == own]) > 1
    fix = f"Write `--data-parallel-start-rank {before[0].local if before else 0}`."
    if several or _many(node) > 1:
        fix = f"Give each pod a start of its own: its index x {node.local}."
        if computed := times_index(node.member.template, node.engine, node.local):
            fix = f"Write `--data-parallel-start-rank {computed}`: each pod has its own."
    if _many(node) > 1:
        if start and _is_written(node.engine):
            yield node.found(f"all {node.pods} pods start at rank {start}", fix, *_START)
    elif other is not None:
        its = "the leader" if other is before[0] else "another pod"
        says = f"a pod starts at rank {start}, and {its} has {other.ranks[0]} to {other.ranks[-1]}"
        yield node.found(says, fix, *_START, *_LOCAL)
    elif last >= dp:
        fix = fix if several else f"Write `--data-parallel-start-rank {dp - node.local}`."
        says = f"a pod's ranks are {start} to {last}, and the last one of {dp} is {dp - 1}"
        yield node.found(says, fix, *_START)


def _meet(one: range, other: range) -> bool:
    return max(one.start, other.start) < min(one.stop, other.stop)


def _many(node: CopyingPod) -> int:
    return node.pods or 0


def _is_written(engine: Container) -> bool:
    """Whether the first rank stands there as a number, not worked out from a pod's index."""
    return any(_FIXED.search(t.text) for t in engine.texts)


_FIXED = pattern(r"(?:--data-parallel-start-rank|-dpr)[=\s]+[\"']?\d+\b")
