"""CONF008: the same `--node-rank` in several pods."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Asks, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import EnginePod, Group
from distcheck.checks.manifest.hidden import hidden_before_engine
from distcheck.checks.manifest.job_index import without_an_index
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.standing_alone import stage_of
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_RANK = pattern(r"--node[-_]rank(?:[=\s]+[\"']*(\d+)(?![\w.$}`-]))?", near=("--node",))


@rule("CONF008", level="error")
def node_ranks_differ(group: Group) -> Iterator[Finding]:
    """Each pod of a group has a `--node-rank` of its own.

    What:
        A fixed `--node-rank` stands in a template of which the group has several pods, or in two
        templates, or is not below `--nnodes`. Without the flag it is 0. Or two pods work out the
        same one. Or it is the end of
        HOSTNAME, and the pods are on the host network, or lead several groups of a LeaderWorkerSet;
        or it is the index that only pods of an Indexed Job have.

    Why:
        Two pods say that they are the same node: the first one there is taken, the group waits
        for a rank that nobody has, and ends with a timeout.

    Fix:
        Compute it: `--node-rank=$(LWS_WORKER_INDEX)` in a LeaderWorkerSet, in a StatefulSet the
        ordinal of the host name (`${HOSTNAME##*-}` in a shell), in an Indexed Job
        `$JOB_COMPLETION_INDEX`.

    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 3
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.0
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "24",
                    --dist-init-addr, $(LWS_LEADER_ADDRESS):20000, --nnodes, "3", --node-rank, "0"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 3
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.0
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "24",
                    --dist-init-addr, $(LWS_LEADER_ADDRESS):20000, --nnodes, "3",
                    --node-rank, $(LWS_WORKER_INDEX)]
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
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: lmsysorg/sglang:v0.5.0
                  command: [sh, -c, "python3 -m sglang.launch_server --model-path /m --tp 16
                    --nnodes 2 --node-rank $RANK --dist-init-addr $LWS_LEADER_ADDRESS:20000"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        SGLang server_args.py; vLLM docs/serving/parallelism_scaling.md; Kubernetes
        pkg/controller/job/indexed_job_utils.go.
    """
    yield from _of_the_node(group)
    yield from _of_the_group(group)
    yield from without_an_index(group)
    yield from _worked_out(group)
    told: dict[tuple[str, int], tuple[str, str]] = {}
    for member, engine in group.engines:
        given = _fixed(engine)
        rank = 0 if given is None and _is_first_by_default(engine) else given
        if rank is None or engine.asks is None or (engine.asks.nnodes or 1) < _SEVERAL:
            continue
        nnodes, what, key = engine.asks.nnodes or 0, member.template.what, (stage_of(engine), rank)
        spot = engine.spot_of("--node-rank", "--node_rank", "--nnodes")
        unseen = hidden_before_engine(engine) if given is None else _branch(engine, given)
        words = "no --node-rank, so it is 0" if given is None else f"--node-rank is {rank}"
        if rank >= nnodes:
            fix = f"Give the {nnodes} pods the ranks 0 to {nnodes - 1}."
            says = f"{words}, and --nnodes {nnodes} counts from 0"
            yield Finding(spot, says, fix, unseen=unseen)
        elif (member.pods or 1) > 1:
            every = "both" if member.pods == 2 else f"all {member.pods}"
            says = f"{words} in {every} pods of {what}"
            yield Finding(spot, says, _fix(member.template), unseen=unseen)
        elif key in told:
            first, doubt = told[key]
            same = first == what
            both = f"in each pod of {what}" if same else f"in {first} and in {what}"
            fix = _fix(member.template) if same else f"Give {what} another rank than {first}."
            yield Finding(spot, f"{words} {both}", fix, unseen=unseen or doubt)
        told.setdefault(key, (what, unseen if given is not None else ""))


def _worked_out(group: Group) -> Iterator[Finding]:
    """The same rank at the same rendezvous in two pods, computed in one of them or in both."""
    first: dict[tuple[str, str, int, int, int], EnginePod] = {}
    for pod in group.each_pod:
        asks, template = pod.engine.asks, pod.member.template
        if asks is None or asks.node_rank is None or not _is_known(pod, asks):
            continue
        at, port = asks.master_addr or "", asks.master_port or 0
        key = (template.namespace, at, port, asks.nnodes or 0, asks.node_rank)
        other = first.setdefault(key, pod)
        if other is not pod and _meet(group, asks, other, pod):
            says = f"--node-rank is {asks.node_rank} in {_name(other)} and in {_name(pod)}"
            spot = pod.engine.spot_of("--node-rank", "--node_rank")
            unseen = hidden_before_engine(pod.engine) or hidden_before_engine(other.engine)
            yield Finding(spot, says, _apart(other, pod), unseen=unseen)
            return


def _is_known(pod: EnginePod, asks: Asks) -> bool:
    """Whether this is one pod, of one rank, at an address that can be read."""
    alone = pod.pods == 1 and (pod.name or pod.member.template.pods == 1)
    several = len(asks.positions) == 1 and (asks.nnodes or 1) >= _SEVERAL
    read = asks.master_addr is not None and "$" not in asks.master_addr
    known = asks.engine in _ENGINES and asks.executor != "ray"
    return bool(alone and several and read and known)


def _meet(group: Group, asks: Asks, one: EnginePod, two: EnginePod) -> bool:
    """Whether they are of one engine: two would have more pods than either has ranks."""
    if _fixed(one.engine) is not None and _fixed(two.engine) is not None:
        return False  # told of as they are written
    if one.member.template is two.member.template:
        return True
    return group.is_whole and group.pods is not None and group.pods <= (asks.nnodes or 0)


def _name(pod: EnginePod) -> str:
    names = pod.member.template.names
    return pod.name or (names[0] if len(names) == 1 else pod.member.template.what)


def _apart(one: EnginePod, two: EnginePod) -> str:
    if one.member.template is not two.member.template:
        return f"Give {_name(two)} another rank than {_name(one)}."
    return _OF_JOBS if two.member.template.kind == "JobSet" else ""


_ENGINES = ("vllm", "sglang")
_OF_JOBS = "Make it one Job with an index for each pod: `replicas: 1`, and `parallelism` of all."


def _of_the_node(group: Group) -> Iterator[Finding]:
    """The rank is cut from HOSTNAME, which on the host network is the node's name."""
    for member, engine in group.engines:
        own = engine.variable("HOSTNAME")
        if not member.template.host_network or (own is not None and not own.given):
            continue
        for text in engine.texts:
            found = _ORDINAL.search(text.text)
            if found and _is_kept(text.text, found.start()) and not _NAMED.search(text.text):
                says = "HOSTNAME is the node's name on the host network: its end is no rank"
                spot = text.spot.within(found[0])
                yield Finding(spot, says, _POD_NAME)


def _of_the_group(group: Group) -> Iterator[Finding]:
    """Leaders of a LeaderWorkerSet are numbered by their groups: `r1-1` leads the second."""
    leader = group.leader.template
    many = leader.owner_place.number("spec", "replicas") or 1
    engine = leader.engine if leader.kind == "LeaderWorkerSet" and many > 1 else None
    for text in engine.texts if engine is not None else ():
        found = _BY_NAME.search(text.text)
        if found and "HOSTNAME=" not in text.text and not leader.host_network:
            says = f"{leader.owner}-1 leads the second of {many} groups: its name ends in rank 1"
            spot = text.spot.within(found[1])
            yield Finding(spot, says, "Write `--node-rank=$(LWS_WORKER_INDEX)`.")


_BY_NAME = pattern(r"--node[-_]rank[=\s]+[\"']?(\$\{HOSTNAME##\*-\})", near=("HOSTNAME##",))
_ORDINAL = pattern(
    r"\$\{HOSTNAME##\*-\}|\$\(hostname \| *awk|\$\{?HOSTNAME\}? *\| *(?:awk|sed|grep|cut)"
)
_NAMED = pattern(r"(?:\A|[\s;&])HOSTNAME=")


def _is_kept(script: str, at: int) -> bool:
    """Whether what is cut from it becomes a variable or a flag's value: not a line of a log."""
    line = script[:at].rpartition("\n")[2]
    return script[at : at + 2] in ("${", "$(") or "$(" in line or "`" in line


_POD_NAME = "Take it from a variable with `fieldRef: {fieldPath: metadata.name}`."


def _fix(template: Template) -> str:
    """Where this kind's pods have their number."""
    if template.kind == "LeaderWorkerSet":
        return "Write `--node-rank=$(LWS_WORKER_INDEX)`."
    if template.kind == "StatefulSet":
        return "Compute it from the host name: `--node-rank=${HOSTNAME##*-}` in a shell."
    if template.kind in ("Job", "JobSet"):
        return (
            "Write `--node-rank=$(JOB_COMPLETION_INDEX)`, of a Job with `completionMode: Indexed`."
        )
    return f"Pods of a {template.kind} have no number: make it a StatefulSet or LeaderWorkerSet."


_SEVERAL = 2


def _fixed(engine: Container) -> int | None:
    """The rank where it is written as a number each time, and computed in no branch."""
    written = engine.script
    found = set(_RANK.findall(written))
    return int(found.pop()) if len(found) == 1 and "" not in found else None


def _branch(engine: Container, rank: int) -> str:
    """Why a written rank may be another pod's; empty where it is this one's.

    So it is where each server that any pod may start is told the same.
    """
    if engine.surely_has("--node-rank"):
        return ""
    every = [one.asks for one in engine.of_pods or (engine,)]
    ranks = {r for asks in every for r, _ in (asks.positions if asks else ())}
    if ranks == {rank} and all(asks and asks.positions for asks in every):
        return hidden_before_engine(engine)
    return "which branch of its script a pod takes"


def _is_first_by_default(engine: Container) -> bool:
    """Whether no flag, variable or file can give a rank: both engines then take 0."""
    asks = engine.asks
    if asks is None or asks.engine not in ("vllm", "sglang") or asks.executor == "ray":
        return False
    if asks.node_rank is not None or {"arguments", "node_rank"} & set(asks.unread):
        return False
    told = [t.text for t in engine.texts] + [w for c in engine.commands for w in c.words]
    return not any(_ELSEWHERE.search(t) or t == "-r" for t in told)


_ELSEWHERE = pattern(r"node[-_]rank|--config\b|torchrun|mpirun|torch\.distributed|--data-parallel")
