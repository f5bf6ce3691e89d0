"""CONF039: one VLLM_HOST_IP for several pods."""

from collections.abc import Iterator

from distcheck.checks.knowledge.engine_release import vllm_release
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.side_channel import lost_side_channels
from distcheck.pattern import pattern


@rule("CONF039", level="warning", others=("error",))
def pods_say_their_own_address(group: Group) -> Iterator[Finding]:
    """Each pod of a group tells the others its own address.

    What:
        VLLM_HOST_IP has one value in several pods of a group, or is the node's address in pods off
        the host network, fixed or as a script sets it to the leader's address, or `ray start` is
        told that its node is at 127.0.0.1; or VLLM_HOST_IP is a name, where Ray joins the pods; or
        a pod with vLLM's NixlConnector has no VLLM_NIXL_SIDE_CHANNEL_HOST, or `localhost`. A hint
        where pods in their node's network take it from `hostname -i`, or Gloo from the node's
        name.

    Why:
        vLLM gives it to the others as the address of this node: they look for one pod where another
        is. With Ray it ends with "Every node should have a unique IP address", until vLLM 0.20;
        newer ones ask Ray for the address. A node has several addresses, and `hostname -i` may
        give one that the others do not reach, or none; Gloo falls back to 127.0.0.1 where the name
        of the node resolves to none of its own ("Gloo connectFullMesh failed"). NIXL's connector
        listens at localhost where it is told of no other address: the instance that decodes finds
        nobody at the one that it is given.

    Fix:
        Set it by `valueFrom: {fieldRef: {fieldPath: status.podIP}}`, or leave it out.

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
                  env: [{name: VLLM_HOST_IP, value: 10.0.0.5}]
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2
                    --node-rank $LWS_WORKER_INDEX --master-addr $LWS_LEADER_ADDRESS"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

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
                  env: [{name: VLLM_HOST_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2
                    --node-rank $LWS_WORKER_INDEX --master-addr $LWS_LEADER_ADDRESS
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
                  image: vllm/vllm-openai:v0.11.0
                  env: [{name: VLLM_HOST_IP, valueFrom: {configMapKeyRef: {name: c, key: ip}}}]
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2
                    --node-rank $LWS_WORKER_INDEX --master-addr $LWS_LEADER_ADDRESS"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Source:
        vLLM vllm/utils/network_utils.py (get_ip), vllm/v1/executor/multiproc_executor.py
        (mq_connect_ip), vllm/v1/executor/ray_executor.py (unique addresses), ray_executor_v2.py;
        hostname(1); aws-samples/aws-do-eks 27fd75b and 32cc172; PyTorch
        torch/csrc/distributed/c10d/ProcessGroupGloo.cpp (createDefaultDevice); vLLM vllm/envs.py
        and vllm/distributed/kv_transfer/kv_connector/v1/nixl_connector.py, 0.10 to 0.33.
    """
    yield from _loopback(group)
    yield from _by_name(group)
    yield from lost_side_channels(group)
    yield from _of_the_node(group)
    yield from _by_gloo(group)
    yield from _by_script(group)
    yield from _of_host(group)
    told: dict[str, int] = {}
    for member, engine in group.engines:
        value = _fixed(engine)
        if not value or (group.nodes or 1) < _SEVERAL:
            continue
        told[value] = told.get(value, 0) + (1 if member.pods is None else member.pods)
        variable = engine.variable("VLLM_HOST_IP")
        if told[value] >= _SEVERAL and variable is not None:
            says = f"VLLM_HOST_IP is {value} in {told[value]} pods of {group.name}"
            yield Finding(variable.place.at("value").spot, says, level=_level(group, engine))
            return


def _level(group: Group, engine: Container) -> Level | None:
    """An error where Ray's executor is known to refuse it."""
    ray = any(c.joins_ray for _, c in group.engines)
    release = vllm_release(engine.image)
    return "error" if ray and release is not None and release < _ASKS_RAY else None


def _of_host(group: Group) -> Iterator[Finding]:
    """The node's address, in pods that have one of their own."""
    for member, engine in group.engines if (group.nodes or 1) >= _SEVERAL else ():
        variable = engine.variable("VLLM_HOST_IP")
        if variable is None or variable.given or member.template.host_network:
            continue
        path = variable.place.at("valueFrom", "fieldRef", "fieldPath")
        if path.text() in ("status.hostIP", "status.hostIPs") and not _sets(engine):
            says = f"VLLM_HOST_IP is the node's address, and {member.template.what} has its own"
            yield Finding(path.spot, says, "Write `status.podIP`.", level="error")


def _sets(engine: Container) -> bool:
    return any("VLLM_HOST_IP=" in t.text for t in engine.texts)


def _by_script(group: Group) -> Iterator[Finding]:
    """What the scripts of two templates set it to, where that is the same."""
    told: dict[str, Container] = {}
    seen: set[int] = set()
    for member, engine in group.engines if (group.nodes or 1) >= _SEVERAL else ():
        values = {c.variables.get("VLLM_HOST_IP", "") for c in engine.commands}
        value = max(values, default="")
        if id(member.template) in seen or not value or set("$`()") & set(value):
            continue
        seen.add(id(member.template))
        if value in told:
            says = f"VLLM_HOST_IP is {value} in several pods of {group.name}"
            also = (told[value].spot_of("VLLM_HOST_IP"),)
            at = engine.spot_of("VLLM_HOST_IP")
            yield Finding(at, says, level=_level(group, engine), also=also)
            return
        told[value] = engine


def _by_name(group: Group) -> Iterator[Finding]:
    """A name, where Ray and vLLM compare addresses."""
    ray = any(c.joins_ray for _, c in group.engines)
    for _, engine in group.engines if ray and (group.nodes or 1) >= _SEVERAL else ():
        value, variable = _fixed(engine), engine.variable("VLLM_HOST_IP")
        if variable is not None and any(c.isalpha() for c in value) and ":" not in value:
            says = f"VLLM_HOST_IP is {value}, a name: Ray knows its nodes by their addresses"
            yield Finding(variable.place.at("value").spot, says)


def _loopback(group: Group) -> Iterator[Finding]:
    """A Ray node that tells the others of 127.0.0.1."""
    if (group.pods or 0) < _SEVERAL:
        return
    for member in group.members:
        for container in member.template.containers:
            every = (v for c in container.commands for v in c.values("--node-ip-address"))
            for value in every if container.ray else ():
                if value in ("127.0.0.1", "localhost", "::1"):
                    says = f"Ray tells the other pods of {group.name} that it is at {value}"
                    fix = "Leave --node-ip-address out, or give it the pod's own IP."
                    yield Finding(container.spot_of("--node-ip-address"), says, fix, level="error")


def _of_the_node(group: Group) -> Iterator[Finding]:
    """An address that `hostname` chooses among the node's."""
    for member, engine in group.engines if (group.nodes or 1) >= _SEVERAL else ():
        told = engine.script
        found = _HOSTNAME.search(told) if member.template.host_network else None
        if found and _ADDRESS.search(told) and "route get" not in told:
            says = f"{engine.name} is told of its address by `{found[0]}`, in its node's network"
            fix = "Take it from `valueFrom: {fieldRef: {fieldPath: status.podIP}}`."
            unseen = "which addresses the nodes have"
            yield Finding(engine.spot_of(found[0]), says, fix, unseen=unseen)


def _by_gloo(group: Group) -> Iterator[Finding]:
    """Gloo in the nodes' network, which takes the address that a node's name resolves to."""
    engines = list(group.engines)
    if (group.nodes or 1) < _SEVERAL or not all(m.template.host_network for m, _ in engines):
        return
    told = " ".join(w for _, c in engines for w in (*(t.text for t in c.texts), *_names(c)))
    if any(c.may_have_more for _, c in engines) or _GLOO in told:
        return
    if any(_is_torch(c) for _, c in engines):
        network = group.leader.template.spec.at("hostNetwork")
        says = f"the pods of {group.name} are in their nodes' network, and nothing names Gloo's"
        fix = f"Set {_GLOO} to the interface by which the nodes reach each other."
        unseen = "what the nodes' names resolve to"
        yield Finding(network.spot, f"{says} interface", fix, unseen=unseen)


def _names(engine: Container) -> Iterator[str]:
    yield from (v.name for v in engine.env)


def _is_torch(engine: Container) -> bool:
    asked = engine.asks is not None and engine.asks.engine in ("vllm", "sglang")
    return asked or bool({"dynamo.vllm", "dynamo.sglang"} & engine.words)


_GLOO = "GLOO_SOCKET_IFNAME"
_HOSTNAME = pattern(r"hostname (?:-[iI]|--ip-address|--all-ip-addresses)\b")
_ADDRESS = pattern(r"--node-ip-address|VLLM_HOST_IP=")
_SEVERAL = 2
_ASKS_RAY = (0, 21)
"""vLLM 0.20 still refuses two nodes of one address."""


def _fixed(engine: Container) -> str:
    """The value where nothing but the manifest gives it."""
    variable = engine.variable("VLLM_HOST_IP")
    if variable is None or variable.source or variable.given or "$" in (variable.value or ""):
        return ""
    return "" if any("VLLM_HOST_IP" in t.text for t in engine.texts) else variable.value or ""
