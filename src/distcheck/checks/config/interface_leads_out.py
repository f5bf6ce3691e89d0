"""CONF051: interfaces by which no other pod can be reached."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_VARIABLES = ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME")
_LOOPBACK = frozenset({"lo", "=lo"})
_OF_HOST = pattern(r"=?(?:en[ops]\w+|net\d+|bond\d\S*|ib[ps]?\d\S*)")
_SEVERAL = 2


@rule("CONF051", level="error", others=("warning",))
def interface_leads_out(group: Group) -> Iterator[Finding]:
    """NCCL and Gloo are told of interfaces that lead to the other pods.

    What:
        NCCL_SOCKET_IFNAME, GLOO_SOCKET_IFNAME or TP_SOCKET_IFNAME is `lo` in a group of several
        pods. A hint where it names the nodes' interfaces (`enp90s0np0`, `bond0`), and the pods
        have a network of their own. A warning where GKE's `networking.gke.io/interfaces` lists the
        pods' interfaces, and these variables, or those of TCPX and TCPXO, name others. A hint where
        NCCL_SOCKET_IFNAME excludes some of a node's interfaces (`^lo,docker`) where EFA is, and
        not `pod-id-link0`.

    Why:
        Each rank tells the others the address of that interface: 127.0.0.1 is another pod for
        each. The first interface of a pod is `eth0`; NCCL finds none of another name and ends. The
        agent of EKS Pod Identity gives each node the same link-local address at `pod-id-link0`.

    Fix:
        Write `eth0`, or leave it out; set `hostNetwork: true` for the nodes' own interfaces.

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
                - name: sglang
                  image: lmsysorg/sglang:v0.5.3
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --nnodes, "2", --node-rank, $(LWS_WORKER_INDEX),
                    --dist-init-addr, "$(LWS_LEADER_ADDRESS):20000"]
                  env: [{name: NCCL_SOCKET_IFNAME, value: lo}]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: r1}
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
                  env: [{name: NCCL_SOCKET_IFNAME, value: eth0}]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

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
                - name: sglang
                  image: lmsysorg/sglang:v0.5.3
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --nnodes, "2", --node-rank, $(LWS_WORKER_INDEX),
                    --dist-init-addr, "$(LWS_LEADER_ADDRESS):20000"]
                  env: [{name: NCCL_SOCKET_IFNAME, value: enp90s0np0}]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html; NVIDIA/nccl#286 (lo),
        NVIDIA/nccl#1837; Kubernetes: Network Plugins (eth0 is the pod's first interface). GKE:
        Maximize GPU network bandwidth in Standard mode clusters. EKS: Pod Identity agent
        (169.254.170.23); aws-samples/aws-do-eks#54.
    """
    for template in {id(m.template): m.template for m in group.members}.values():
        yield from _unlisted(template)
    if (group.nodes or 1) < _SEVERAL:
        return
    told: set[Spot] = set()
    for member, engine in group.engines:
        for name in _VARIABLES:
            spot = engine.spot_of_value(name)
            if engine.value(name) and spot not in told:
                told.add(spot)
                yield from _to_nobody(group, member.template, engine, name)


def _to_nobody(group: Group, template: Template, engine: Container, name: str) -> Iterator[Finding]:
    """What one variable says, where it leads to no other pod."""
    says, spot = f"{name}={engine.value(name)}", engine.spot_of_value(name)
    names = [v.strip() for v in (engine.value(name) or "").split(",")]
    if _may_take_identitys(template, engine, name):
        says = f"{says} leaves NCCL pod-id-link0, which has one address on all nodes"
        fix = "Add `pod-id-link0`, or name the interface that leads out."
        yield Finding(spot, says, fix, unseen="whether the nodes run EKS Pod Identity")
    elif set(names) <= _LOOPBACK:
        yield Finding(spot, f"{says}: no other pod of {group.name} is reached by it")
    elif all(_OF_HOST.fullmatch(n) for n in names) and _is_plain(template):
        says = f"{says}: the pods have a network of their own, with eth0"
        yield Finding(spot, says, unseen="which interfaces the cluster gives its pods")


def _unlisted(template: Template) -> Iterator[Finding]:
    """Interfaces that GKE's annotation does not give the pod."""
    listed = template.place.at("metadata", "annotations", "networking.gke.io/interfaces")
    has = {*_NAMED.findall(listed.text()), "eth0", "lo"}
    others = template.spec.at("resourceClaims") or template.place.at(*_MULTUS)
    if template.host_network or others or not _NAMED.search(listed.text()):
        return
    for container in template.containers:
        for name in (*_VARIABLES, *_OF_GKE):
            told = (container.value(name) or "").split(",")
            names = [n for n in (t.strip() for t in told) if _PLAIN.fullmatch(n)]
            lost = [n for n in names if not any(h.startswith(n) for h in has)]
            if lost:
                says = f"{name}={container.value(name)}: the pod has no {lost[0]}"
                fix = f"Name what the annotation lists: {', '.join(sorted(has - {'lo'}))}."
                spot = container.spot_of_value(name)
                yield Finding(spot, says, fix, level="warning", also=(listed.key,))


_MULTUS = ("metadata", "annotations", "k8s.v1.cni.cncf.io/networks")
_OF_GKE = (
    "NCCL_FASTRAK_IFNAME", "NCCL_FASTRAK_CTRL_DEV",
    "NCCL_GPUDIRECTTCPX_SOCKET_IFNAME", "NCCL_GPUDIRECTTCPX_CTRL_DEV",
)  # fmt: skip
_NAMED = pattern(r"""["']?interfaceName["']?\s*:\s*["']?([\w.-]+)""")
_PLAIN = pattern(r"[a-z][a-z0-9]+")


def _may_take_identitys(template: Template, engine: Container, name: str) -> bool:
    """Whether NCCL may choose an interface that every node of EKS has with one address."""
    told = engine.value(name) or ""
    excludes = name == _VARIABLES[0] and told.startswith("^") and "pod-id" not in told
    efa = any(r.endswith("/efa") for r in engine.rdma)
    return excludes and efa and template.host_network


def _is_plain(template: Template) -> bool:
    """Whether nothing in the pods' template asks for another network or for devices."""
    notes = " ".join(n for n, _ in template.place.at("metadata", "annotations").fields())
    asked = "network" in notes or template.spec.at("resourceClaims")
    return not (template.host_network or asked or any(c.rdma for c in template.containers))
