"""CONF021: the port that workers join is the one that the leader listens on."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.listening import GCS
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.rule import rule


@rule("CONF021", level="error")
def join_port_is_leaders(group: Group) -> Iterator[Finding]:
    """The port that workers join is the one that Ray's head listens on.

    What:
        A worker's `ray start --address=HOST:PORT` names another port than the head's `--port`, or
        than vLLM's start script has on the leader.
    Why:
        Nobody listens there; the worker tries until it gives up.
    Fix:
        Use one port in both, 6379 unless something else needs it.
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
                - name: head
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head --port=6380 --block"]
            workerTemplate:
              spec:
                containers:
                - name: worker
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
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
                - name: head
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head --port=6379 --block"]
            workerTemplate:
              spec:
                containers:
                - name: worker
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
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
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head --port=$PORT --block"]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
    Source:
        Ray doc/source/ray-core/configure.rst: the GCS listens on `--port`, 6379 by default.
    """
    every = [c for m in group.members for c in m.template.containers]
    leads = [(c, p) for c in every for p in _heads(c)]
    if len(leads) != 1 or leads[0][1] is None:
        return
    head, own = leads[0]
    by_command = ("--port", "ray start") if head.heads_ray else ()
    also = (head.spot_of(*by_command, "--ray_port", " leader", "leader"),)
    for container in every:
        for spot, port, flag in _joins(container):
            if port != own:
                says = f"the worker joins port {port}, and Ray's head listens on {own}"
                fix = f"Write `--ray_port={own}`." if flag else f"Join port {own}."
                yield Finding(spot, says, fix, also=also)


def _heads(container: Container) -> Iterator[int | None]:
    """The ports that it starts a head on: by Ray's command, or by vLLM's script; None unread."""
    if container.ray and container.ray.head:
        port = container.ray.port
        told = any(w.startswith("--port") for w in _start(container))
        yield port if port is not None or told else GCS
    elif (port := _port(container, "leader")) is not None:
        yield port


def _start(container: Container) -> Iterator[str]:
    return (w for c in container.commands if "--head" in c.words for w in c.words)


def _joins(container: Container) -> Iterator[tuple[Spot, int, bool]]:
    """Where it joins a head, at which port, and whether by the script."""
    for join in container.joins:
        if join.way == "ray" and join.port is not None and join.is_read:
            yield join.spot, join.port, False
    if (port := _port(container, "worker")) is not None:
        yield container.spot_of("--ray_port", "--ray-port", "worker"), port, True


def _port(container: Container, part: str) -> int | None:
    for words in (c.words for c in container.commands if part in c.words):
        if any(w.endswith(("multi-node-serving.sh", "ray_init.sh")) for w in words):
            found = re.search(r"--ray[-_]port[= ](\S+)", " ".join(words))
            told = found[1] if found else str(GCS)
            return int(told) if told.isdigit() and len(told) < len("100000") else None
    return None
