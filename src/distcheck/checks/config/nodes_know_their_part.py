"""CONF116: nodes of vLLM that do not know which part of the group they are."""

from collections.abc import Iterator

from distcheck.checks.knowledge.engine_release import vllm_release
from distcheck.checks.manifest.container import Asks, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.listening import is_loose
from distcheck.checks.manifest.rule import rule
from distcheck.pattern import pattern

_START = pattern(r"--data[-_]parallel[-_]start[-_]rank|-dpr\b|node[-_]rank|\s-r\s")
_AT_ZERO = pattern(r"--data[-_]parallel[-_]start[-_]rank[=\s]+[\"']?0\b(?!\S)")
_NO_RANKS = pattern(r"--data[-_]parallel[-_]size[-_]local[=\s]+[\"']?0\b")
_HELD_ELSEWHERE = pattern(r"--config\b|torchrun|mpirun|external[-_]launcher|\bray start\b")
_EXTERNAL = "--data-parallel-external-lb"
_RANKED = pattern(r"--data[-_]parallel[-_]rank|-dpn\b|node[-_]rank|\s-r\s")
_FIRST = (0, 11, 1)


@rule("CONF116", level="error")
def nodes_know_their_part(group: Group) -> Iterator[Finding]:
    """Each node of vLLM is told which part of the group it is.

    What:
        vLLM's own executor runs over several nodes (`--nnodes`), and a worker has no
        `--headless`, or its release has no `--nnodes`; a headless worker of a data-parallel
        group has no `--data-parallel-start-rank`, or the leader's, 0; or
        `--data-parallel-external-lb` stands without a rank.
    Why:
        A worker without `--headless` starts an engine of its own and ends with "collective_rpc
        should not be called on follower node". Without a start rank the worker takes rank 0,
        which the leader has. vLLM before 0.11.1 does not know `--nnodes`.
    Fix:
        Add `--headless` to workers, and `--data-parallel-start-rank` with the ranks before them.
    Fails:
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
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2
                    --node-rank $LWS_WORKER_INDEX --master-addr $LWS_LEADER_ADDRESS"]
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
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2 --node-rank 1
                    --master-addr $LWS_LEADER_ADDRESS --headless"]
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
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2 $MORE
                    --node-rank $LWS_WORKER_INDEX --master-addr $LWS_LEADER_ADDRESS"]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        vLLM vllm/entrypoints/cli/serve.py (run_headless), vllm/v1/executor/
        multiproc_executor.py (collective_rpc), vllm/engine/arg_utils.py (--nnodes: not in 0.11.0,
        in 0.11.1).
    """
    leader = _told(group.leader.template.engine) if group.leader.template.engine else ""
    told_of: set[tuple[int, str]] = set()
    for pod in group.each_pod:
        engine = pod.engine
        asks, told = engine.asks, _told(engine)
        if asks is None or asks.engine != "vllm":
            continue
        worker = pod.member is not group.leader or (asks.node_rank or 0) > 0
        wrong = _of_release(engine, asks)
        if wrong is None and not _is_hidden(engine, told):
            wrong = _of_nodes(asks, told, worker=worker) or _of_copies(asks, told, leader)
        if wrong and (
            wrong[0] == "--nnodes" or engine.surely_has(*_SAME.get(wrong[0], (wrong[0],)))
        ):
            flag, says, fix = wrong
            if (id(pod.member.template), says) not in told_of:
                told_of.add((id(pod.member.template), says))
                yield Finding(engine.spot_of(flag), f"container {engine.name}: {says}", fix)


def _told(engine: Container) -> str:
    words = (w for c in engine.commands for w in c.words)
    return " ".join((*(t.text for t in engine.texts), *words))


_SAME = {
    "--node-rank": ("--nnodes",),
    "--data-parallel-start-rank": ("--data-parallel-start-rank", "-dpr"),
}
"""By what to write, what stands in the command of this pod."""


def _is_hidden(engine: Container, told: str) -> bool:
    """Whether a variable, a file or a launcher may say more than is read here."""
    loose = any(is_loose(c.words) for c in engine.commands)
    other = engine.asks is not None and engine.asks.executor not in (None, "mp")
    return loose or other or engine.nim or bool(_HELD_ELSEWHERE.search(told))


Wrong = tuple[str, str, str]
"""Where it is told, what is wrong, and what to write."""


def _of_release(engine: Container, asks: Asks) -> Wrong | None:
    release = vllm_release(engine.image)
    if release is None or release >= _FIRST or (asks.nnodes or 1) == 1:
        return None
    known = ".".join(str(n) for n in release)
    says = f"vLLM {known} has no --nnodes: 0.11.1 is the first"
    return "--nnodes", says, "Take vLLM 0.11.1 or later."


def _of_nodes(asks: Asks, told: str, *, worker: bool) -> Wrong | None:
    """What is wrong with vLLM's own executor over nodes."""
    copies = (asks.dp or 1) > 1 or "data-parallel" in told or "-dp" in told
    if (asks.nnodes or 1) == 1 or not worker or copies or "--headless" in told:
        return None
    says = "a worker without --headless starts a second engine, and ends"
    return "--node-rank", says, "Add `--headless` to the workers' command."


def _of_copies(asks: Asks, told: str, leader: str) -> Wrong | None:
    """What is wrong with copies (DP) over nodes."""
    if _EXTERNAL in told and not _RANKED.search(told):
        says = f"{_EXTERNAL} without --data-parallel-rank"
        return _EXTERNAL, says, "Add `--data-parallel-rank`."
    if not asks.headless or (asks.dp or 1) == 1 or _NO_RANKS.search(leader):
        return None
    fix = "Write the number of ranks in the pods before it."
    if not _START.search(told):
        says = "a headless worker without --data-parallel-start-rank takes the leader's rank 0"
        return "--headless", says, f"Add `--data-parallel-start-rank`: {fix.lower()}"
    if asks.dp_start == 0 and _AT_ZERO.search(told) and "nnodes" not in told:
        says = "the worker starts at rank 0, which is the leader's"
        return "--data-parallel-start-rank", says, fix
    return None
