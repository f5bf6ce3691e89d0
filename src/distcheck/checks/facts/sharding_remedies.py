"""What to do about a share, a world or a GPU that is not as it should be: pod by pod."""

from collections.abc import Iterable

from distcheck.checks.facts.group_pods import GroupPods
from distcheck.checks.facts.running_layout import OtherServers
from distcheck.checks.knowledge.names import names

_LAYOUT = "tensor_parallel_size"


def one_engine(group: GroupPods, pods: Iterable[str], wanted: object) -> str:
    """For copies: each of `pods` holds one, where one engine of `wanted` is asked for."""
    every = tuple(dict.fromkeys(pods))
    others = [p for p in every if p != group.leader]
    if len(every) < 2:
        return several_in_one(group, every[0] if every else group.leader, wanted)
    return (
        f"{names(every)} serve copies of their own: {_layout_of(group, others[0])} shows the"
        f" layout of one, {group.spec(others[0])} what starts it. Start one engine with {wanted}"
        f" on {group.leader} alone; on {names(others)} {_join(group)}."
    )


def _join(group: GroupPods) -> str:
    if not group.ray:
        return "run only `vllm serve --headless --node-rank N`"
    return f"run only `ray start --address={group.gcs}`" if group.gcs else "only join its Ray"


def _layout_of(group: GroupPods, pod: str) -> str:
    """The command that shows the layout in `pod`: its processes, where its log lost its start."""
    if pod in group.startless:
        return group.run(pod, "ps -ef")
    return group.logs(pod, _LAYOUT)


def several_in_one(group: GroupPods, pod: str, wanted: object) -> str:
    """For copies within one pod."""
    layout = "" if pod in group.startless else f": {group.logs(pod, _LAYOUT)}"
    return (
        f"See which engines run in {pod}: {group.run(pod, 'ps -ef')}, and with which layout"
        f"{layout}. Start one engine with {wanted}."
    )


def idle(group: GroupPods, pods: Iterable[str], wanted: object, otherwise: OtherServers) -> str:
    """For pods on whose GPUs nothing runs; `otherwise` are servers of another layout."""
    every = tuple(pods)
    if otherwise.pods:
        return _small(group, every, wanted, otherwise)
    listed = f"; {group.run(group.leader, 'ray status')} lists the nodes that it has"
    return (
        f"See why no rank runs in {names(every)}: {group.last_lines(every[0])}"
        f"{listed if group.ray else ''}. Then start the engine on {group.leader} with {wanted},"
        " which takes every GPU."
    )


def _small(group: GroupPods, pods: tuple[str, ...], wanted: object, otherwise: OtherServers) -> str:
    """The cause is known: what starts the server does not start what the spec asks for."""
    pod, says = otherwise.pods[0], otherwise.says
    return (
        f"{says[:1].upper()}{says[1:]} (GROUP002): look in {group.spec(pod)} for what stands"
        " between the spec and the server, such as a start script that counts the GPUs of its own"
        f" pod. Start it with {wanted}, which takes every GPU. If {names(pods)} then has no rank,"
        f" {group.last_lines(pods[0])} tells why."
    )


def ended(group: GroupPods, pods: Iterable[str], runs: object) -> str:
    """For GPUs whose ranks have ended, or never started, in an engine of the right layout."""
    pod = next(iter(pods))
    return (
        f"The engine runs with {runs}: ranks of {pod} ended or never started."
        f" {group.last_lines(pod)} tells why. Then start the whole group again: a rank does not"
        " come back alone."
    )


def too_small(group: GroupPods, pods: Iterable[str], wanted: object, world: int) -> str:
    """For a layout that leaves GPUs of the group idle although it runs as asked."""
    return (
        f"{group.leader} asks for {wanted}, which is {world} ranks. Ask for as many as there are"
        " GPUs (`distcheck plan` tells which TP x PP), or leave GPUs out of the group that it does"
        f" not use: those of {names(pods)}."
    )


def other_layout(group: GroupPods, pods: Iterable[str], wanted: object) -> str:
    """For an engine that cuts the model otherwise."""
    every = tuple(dict.fromkeys(pods))
    pod = every[0] if every else group.leader
    return (
        f"{_layout_of(group, pod)} shows the layout that {names(every) or pod} started with,"
        f" {group.spec(pod)} what asked for it. Start the engine with {wanted}, or ask for what"
        " it should be."
    )


def two_witnesses(group: GroupPods, pod: str, uuid: str, source: str) -> str:
    """For a line and the memory of its GPU that tell different shares."""
    return (
        f"See what holds memory on {uuid} of {pod}: {group.run(pod, 'nvidia-smi')}, and whether"
        f" the line ({source}) is of this start. If logs of two starts are mixed, restart the"
        " group and verify again."
    )


def mixed_starts(group: GroupPods, pods: Iterable[str]) -> str:
    """For logs that tell of two worlds."""
    return (
        f"Logs of an earlier start may be among those of {names(pods)}:"
        f" `kubectl -n {group.namespace} get pods` shows which pods started again. Restart the"
        " whole group, and verify again."
    )


def see_more(group: GroupPods, pods: Iterable[str]) -> str:
    """For shares that are not decided: what would decide them."""
    every = tuple(dict.fromkeys(pods)) or (group.leader,)
    if unseen := [p for p in every if p in group.unseen]:
        nodes = names(filter(None, (group.nodes.get(p) for p in unseen)))
        return (
            f"Nobody looked at {names(unseen)}: every node needs an agent that answers. Look for"
            f" that of {nodes or 'its node'} with `kubectl get pods -A -o wide | grep distcheck`,"
            " then verify again."
        )
    look = f"A line in the log decides it: {group.logs(every[0], 'Model loading took')}"
    if group.startless.issuperset(every):
        look = (
            f"The line that decides it, 'Model loading took', is not in the log of {names(every)}"
        )
    return (
        f"{look}. The kubelet rotates logs at 10 MiB: restart {names(every)} and verify soon"
        " after, or set NCCL_DEBUG=INFO, whose lines show the world."
    )


def see_arguments(group: GroupPods) -> str:
    """For a share that what the engine was started with may explain."""
    return (
        f"See with which arguments the engine of {group.leader} runs:"
        f" {group.run(group.leader, 'ps -ef')}. The agent reads them where it sees the host's"
        " processes."
    )


def awake(group: GroupPods) -> str:
    """For an engine that sleeps, or may."""
    return (
        f"Wake the engine of {group.leader} (POST /wake_up), and verify while it serves: what its"
        " GPUs hold tells something only then."
    )


def odd_rank(group: GroupPods, pod: str, uuid: str) -> str:
    """For a rank that holds more, or less, than its place explains."""
    return (
        f"See what runs on {uuid}: {group.run(pod, 'nvidia-smi')} and {group.run(pod, 'ps -ef')}:"
        " a second engine, a rank that was restarted alone or is still loading. Experts that are"
        " moved by load (EPLB) differ by whole experts."
    )


def same_gpu(group: GroupPods, pods: Iterable[str]) -> str:
    """For two ranks on one GPU."""
    every = tuple(dict.fromkeys(pods))
    if len(every) > 1:
        node = group.nodes.get(every[0]) or "NODE"
        return (
            f"{names(every)} were given the same GPU: `kubectl describe node {node}` tells"
            " whether time-slicing offers each GPU several times; turn it off for this group."
        )
    pod = every[0] if every else group.leader
    return (
        f"See how many engines run in {pod}: {group.run(pod, 'ps -ef')}, and which GPUs each was"
        f" given: {group.run(pod, 'env')} (CUDA_VISIBLE_DEVICES)."
    )


def not_given(group: GroupPods, pod: str, uuid: str) -> str:
    """For a rank on a GPU of another container."""
    return (
        f"{pod} uses {uuid}, which the device plugin did not give it: {group.spec(pod)} tells"
        " whether it is privileged, and so sees every GPU of its node. Take the privilege away,"
        " or set NVIDIA_VISIBLE_DEVICES to its own GPUs."
    )


def tenant(whose: str, node: str, pid: int) -> str:
    """For somebody else's process: `whose` is `namespace/name` of a pod."""
    namespace, slash, pod = whose.partition("/")
    look = f"`kubectl -n {namespace} describe pod {pod}`" if slash else f"`ps -fp {pid}` on {node}"
    return (
        f"{look} tells who it is. Move it off {node}: look there for time-slicing, and for pods"
        " that see GPUs without asking for them (NVIDIA_VISIBLE_DEVICES=all, privileged)."
    )
