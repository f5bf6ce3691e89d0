"""CONF034: ranks of several nodes that are told of no other pod."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.container import Asks, Container, Joining
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.hidden import hidden_before_engine
from distcheck.checks.manifest.own_address import LOOPBACK, is_own_host, is_pod_ip
from distcheck.checks.manifest.rank_zero import met_elsewhere
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_EVERY = "0.0.0.0"  # noqa: S104 - as told
_OTHERS = "whether the other ranks ask this pod by its own address"
_FLAG = {"vllm": "--master-addr", "sglang": "--dist-init-addr"}


@rule("CONF034", level="error")
def leader_is_another_pod(bundle: Bundle) -> Iterator[Finding]:
    """Ranks of several nodes are told where their leader is.

    What:
        vLLM or SGLang is told of several nodes and of no address, of 127.0.0.1, or of a variable
        that is each pod's own `status.podIP`, or a copy of it; a worker that is not the head joins
        Ray at its own address; or the address is that of a pod which is not rank 0, or only joins
        Ray itself.

    Why:
        Without an address it is 127.0.0.1: each pod waits for the others at itself. Rank 0 alone
        opens the store at which the ranks meet, and a head alone the port that Ray is joined at.

    Fix:
        Give every pod the leader's name: `--master-addr` of vLLM, `--dist-init-addr` of SGLang,
        such as `$(LWS_LEADER_ADDRESS)`.

    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.3
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --nnodes, "2", --node-rank, $(LWS_WORKER_INDEX)]
                  resources: {limits: {nvidia.com/gpu: 8}}

        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: s}
        spec:
          serviceName: s
          replicas: 2
          podManagementPolicy: Parallel
          selector: {matchLabels: {app: s}}
          template:
            metadata: {labels: {app: s}}
            spec:
              containers:
              - name: sglang
                image: lmsysorg/sglang:v0.5.3
                command: [sh, -c, "python3 -m sglang.launch_server --model-path /m --tp 16
                  --nnodes 2 --node-rank ${HOSTNAME##*-} --dist-init-addr s-1.s:20000"]
                resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.3
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --nnodes, "2", --node-rank, $(LWS_WORKER_INDEX),
                    --dist-init-addr, "$(LWS_LEADER_ADDRESS):20000"]
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
                  args: [--model, /m, -tp, "16", --nnodes, "2", --node-rank, $(LWS_WORKER_INDEX)]
                  envFrom: [{secretRef: {name: where-the-leader-is}}]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM arg_utils.py (master_addr), SGLang server_args.py (dist_init_addr); PyTorch
        torch/distributed/rendezvous.py (the store of tcp:// is rank 0's).
    """
    for group in bundle.groups:
        yield from _of_ranks(group)
        yield from _of_ray(group)
    yield from met_elsewhere(bundle)


def _of_ranks(group: Group) -> Iterator[Finding]:
    every = ((m, e, e.asks) for m, e in group.engines if e.asks and e.asks.engine in _FLAG)
    told = [one for one in every if (one[2].nnodes or 1) > 1]
    several = [(m, e, a, _wrong(e, a) or _own_address(m, e, a)) for m, e, a in told]
    wrong = [one for one in several if one[3] and not one[1].may_have_more]
    others = group.pods == 1 or any(not says for *_, says in several)
    unseen = _OTHERS if others and all(_is_first(m, a) for m, _, a, _ in wrong) else ""
    for member, engine, asks, says in wrong:
        lws = member.template.kind == "LeaderWorkerSet"
        name = "$(LWS_LEADER_ADDRESS)" if lws else "NAME-0.SERVICE"
        fix = f"Give every pod the leader's name: `{_FLAG[asks.engine]} {name}`."
        yield Finding(engine.spot_of(_FLAG[asks.engine], "--nnodes"), says, fix, unseen=unseen)


def _of_ray(group: Group) -> Iterator[Finding]:
    for template in (m.template for m in group.members):
        if any(map(_may_be_head, template.containers)):
            continue
        hidden = next(filter(None, map(hidden_before_engine, template.containers)), "")
        for container in template.containers:
            own = _own_of_ray(template, container)
            if own is not None:
                says = "this worker joins Ray at its own address"
                fix = "Write the address of the pod with `ray start --head`."
                yield Finding(own.spot, says, fix, unseen=hidden)


def _may_be_head(container: Container) -> bool:
    """In any of its pods, by any branch of its script."""
    heads = any(one.heads_ray for one in (container, *container.of_pods))
    return heads or any(_HEAD.search(text.text) for text in container.texts)


_HEAD = pattern(r"--head(?![\w-])")


def _own_of_ray(template: Template, container: Container) -> Joining | None:
    """An address at which it joins Ray, where each one is the pod itself."""
    ways = [j for j in container.joins if j.way == "ray"]
    own = all(is_own_host(template, container, j.host) for j in ways)
    return ways[0] if container.ray is not None and ways and own else None


def _wrong(engine: Container, asks: Asks) -> str:
    if asks.executor == "ray" or engine.ray or {"arguments", "master_addr"} & set(asks.unread):
        return ""
    host = (asks.master_addr or "").rpartition("://")[2]
    host = host.rpartition(":")[0] if host.count(":") == 1 else host
    if asks.master_addr is None:
        told = engine.value("MASTER_ADDR") or engine.value("SGLANG_DIST_INIT_ADDR")
        return "" if told else f"{asks.nnodes} nodes, and no {_FLAG[asks.engine]}"
    if host not in LOOPBACK or (asks.node_rank == 0 and (host == _EVERY or _differs(engine, asks))):
        return ""  # rank 0 is the leader: its store listens on every address, and it asks itself
    return f"{asks.nnodes} nodes meet at {host}, which each pod is itself"


def _own_address(member: Member, engine: Container, asks: Asks) -> str:
    """A variable that is each pod's own address; rank 0 may be told so."""
    name = is_pod_ip(engine, asks.master_addr or "")
    first = asks.node_rank == 0 and member.template.pods == 1
    if not name or first or _differs(engine, asks):
        return ""
    return f"{asks.nnodes} nodes meet at {name}, which is each pod's own address"


def _is_first(member: Member, asks: Asks) -> bool:
    """Rank 0 alone may be told so, as its store listens on every address."""
    return member.pods == 1 and asks.node_rank == 0 and asks.master_addr is not None


def _differs(engine: Container, asks: Asks) -> bool:
    """Whether another branch of the script, for the other pods, has another address."""
    told = engine.script
    return len(set(_ADDRESS[asks.engine].findall(told))) > 1


_ADDRESS = {
    "vllm": pattern(r"--master[-_]addr[=\s]+[\"']?([^\s\"']+)"),
    "sglang": pattern(r"--(?:dist-init-addr|nccl-init-addr)[=\s]+[\"']?([^\s\"']+)"),
}
