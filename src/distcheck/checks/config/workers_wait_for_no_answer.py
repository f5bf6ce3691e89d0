"""CONF055: workers that wait for an answer which the leader gives when they have joined."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.container import Container, Joining, Variable
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.listening import USUAL
from distcheck.checks.manifest.named_pods import named_pods
from distcheck.checks.manifest.names import Names
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.checks.manifest.waiting_loop import waiting_loops
from distcheck.pattern import pattern

_VARIABLE = pattern(r"\$[({]?(\w+)[)}]?")
_JOINS = pattern(r"launch_server|ray start|vllm serve|--headless|multi-node-serving|--node-rank")


@rule("CONF055", level="error")
def workers_wait_for_no_answer(bundle: Bundle) -> Iterator[Finding]:
    """Workers do not wait for the leader's server before they join it.

    What:
        A worker, in an init container or before it starts its ranks, asks the leader's server
        by `curl` or `wget` until it answers, and the leader's ranks need the worker. A host that
        cannot be read and a branch are hints; another host, a function and a loop that ends
        anyhow are none.
    Why:
        A deadlock: the server answers when all ranks are there, and the worker's start when it
        answers.
    Fix:
        Take the wait out: workers wait for the rendezvous by themselves. Or wait for a port that
        the leader opens before, such as Ray's 6379.
    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: leader
                  image: lmsysorg/sglang:v0.5.3
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --nnodes, "2", --node-rank, "0", --host, 0.0.0.0, --port, "30000",
                    --dist-init-addr, "$(LWS_LEADER_ADDRESS):20000"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                initContainers:
                - name: wait
                  image: curlimages/curl:8.10.1
                  command: [sh, -c, "until curl -sf http://$LWS_LEADER_ADDRESS:30000/health;
                    do sleep 5; done"]
                containers:
                - name: worker
                  image: lmsysorg/sglang:v0.5.3
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --nnodes, "2", --node-rank, "1",
                    --dist-init-addr, "$(LWS_LEADER_ADDRESS):20000"]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: leader
                  image: lmsysorg/sglang:v0.5.3
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --nnodes, "2", --node-rank, "0", --host, 0.0.0.0, --port, "30000",
                    --dist-init-addr, "$(LWS_LEADER_ADDRESS):20000"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
            workerTemplate:
              spec:
                initContainers:
                - name: wait
                  image: busybox:1.37
                  command: [sh, -c, "until nslookup $LWS_LEADER_ADDRESS; do sleep 5; done"]
                containers:
                - name: worker
                  image: lmsysorg/sglang:v0.5.3
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --nnodes, "2", --node-rank, "1",
                    --dist-init-addr, "$(LWS_LEADER_ADDRESS):20000"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: leader
                  image: lmsysorg/sglang:v0.5.3
                  command: [/start.sh]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                initContainers:
                - name: wait
                  image: curlimages/curl:8.10.1
                  command: [sh, -c, "until curl -sf http://$LWS_LEADER_ADDRESS:30000/health;
                    do sleep 5; done"]
                containers:
                - name: worker
                  image: lmsysorg/sglang:v0.5.3
                  command: [/start.sh]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        SGLang python/sglang/srt/entrypoints/http_server.py (it listens behind the scheduler's
        start), vLLM vllm/entrypoints/openai/api_server.py; Kubernetes: Init Containers.
    """
    names: Names | None = None
    for group in bundle.groups:
        leader, intent = group.leader.template, group.intent
        world = (intent.tp or 1) * (intent.pp or 1)  # other copies' ranks may answer by themselves
        server = next((c for c in leader.containers if c.asks), None)
        if server is None or server.asks is None or not leader.gpus or world <= leader.gpus:
            continue
        port = server.asks.port or USUAL.get(server.asks.engine)
        for where, wait in _of_workers(group, port):
            names = names or Names(bundle)
            if (unseen := _unseen(names, where, leader, wait.host)) is not None:
                says = f"{where.template.what} waits {where.when} for {wait.url}, which answers"
                says = f"{says} when all {world} ranks have joined"
                yield Finding(wait.spot, says, unseen=wait.unseen or unseen)


class Where(Struct, frozen=True, eq=False):
    """A container of a worker, and when it runs."""

    template: Template
    container: Container
    when: str


class Wait(Struct, frozen=True):
    """A loop that ends when `url` answers; `host` as it is written, `unseen` as of the loop."""

    url: str
    host: str
    spot: Spot
    unseen: str


def _of_workers(group: Group, port: int | None) -> Iterator[tuple[Where, Wait]]:
    """The waits for an answer at `port`, each place once."""
    told: set[Spot] = set()
    for template in (m.template for m in group.workers if m.template is not group.leader.template):
        inits = (c for c in template.inits if c.place.text("restartPolicy") != "Always")
        wheres = [Where(template, c, "in an init container") for c in inits]
        if template.engine:
            wheres.append(Where(template, template.engine, "before it joins"))
        for where in wheres:
            for wait in _waits(where.container, port):
                if wait.spot not in told:
                    told.add(wait.spot)
                    yield where, wait


def _waits(container: Container, port: int | None) -> Iterator[Wait]:
    """Those before any rank is started, which hold the script up for as long as it takes."""
    for text in container.texts:
        for loop in waiting_loops(text.text, _JOINS):
            if loop.port == port:
                spot = text.spot.within(loop.url)
                yield Wait(loop.url, loop.host, spot, loop.unseen)


def _unseen(names: Names, where: Where, leader: Template, host: str) -> str | None:
    """What keeps it from being sure that `host` is the leader; None where it is another."""
    told = _VARIABLE.fullmatch(host)
    value = where.container.value(told[1]) if told else host
    every = [j for c in where.template.every for j in c.joins]
    if told and any(told[1] in j.host for j in every if not j.is_read):
        return ""
    if told and _is_of_pod(where.container.variable(told[1])):
        return None
    if not value or set("$`(") & set(value):
        return f"where {host} leads"
    own = Joining("http", value, None, True, where.container.place.spot)
    if any(j.is_read and j.labels == own.labels for j in every):
        return ""
    pods, _ = named_pods(names, where.template, value.lower())
    return "" if any(p.template is leader for p in pods) else None


def _is_of_pod(variable: Variable | None) -> bool:
    """Whether it is of the worker's own fields."""
    return variable is not None and bool(variable.place.at("valueFrom", "fieldRef"))
