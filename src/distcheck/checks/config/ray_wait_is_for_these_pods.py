"""CONF011: a wait for more Ray nodes, or GPUs, than the group has."""

import re
from collections.abc import Iterator

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.pattern import pattern

_END = r"[^\n;&)`]{0,40}[\"')`]*\s*"
_WANTED = r"\s*[\"']?(?:\$\{?(?P<name>\w+)(?::-(?P<usual>\d+))?\}?|(?P<number>\d+))(?![\w.])"
_UNTIL = rf"(?P<op>-(?:ge|eq|lt|ne)\b|>=|==|!=|<){_WANTED}"
_NODES = (
    pattern(rf"--ray[-_]cluster[-_]size(?P<op>[= ]){_WANTED}", near=("--ray",)),
    pattern(
        r"ray (?:status|list nodes)[^\n;&]{0,80}grep (?:-\w+ )*-\w*c\w* [\"']?(?:node_|ALIVE)"
        rf"{_END}{_UNTIL}",
        near=("node_", "ALIVE"),
    ),
    pattern(
        rf"len\([^\n;]{{0,60}}ray\.nodes\(\)[^\n;]{{0,60}}?\) ?{_UNTIL}", near=("ray.nodes()",)
    ),
)
_GPUS = (
    pattern(
        rf"cluster_resources\(\)[^\n]{{0,20}}GPU[^\n;&]{{0,40}}?{_UNTIL}",
        near=("cluster_resources()",),
    ),
    pattern(r"grep (?:-\w+ )*[\"'](?P<op>[\d./]*?/?)(?P<number>\d+)\.0 GPU", near=(".0 GPU",)),
)


@rule("CONF011", level="error")
def ray_wait_is_for_these_pods(group: Group) -> Iterator[Finding]:
    """A wait for Ray's nodes or GPUs is for no more than the group has.

    What:
        `--ray_cluster_size` of vLLM's script, or a loop over `ray status`, `ray list nodes`,
        `ray.nodes()` or `cluster_resources()`, waits for more nodes than the group has pods, or for
        more GPUs.

    Why:
        The loop never ends: the server is not started, and no log says why.

    Fix:
        Wait for the pods that there are, such as `$(LWS_GROUP_SIZE)`.

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
                  image: vllm/vllm-openai:v0.10.2
                  command: [bash, -c]
                  args:
                  - |
                    bash multi-node-serving.sh leader --ray_cluster_size=3
                    vllm serve /m --tensor-parallel-size 8 --pipeline-parallel-size 2
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.10.2
                  command: [ray, start, "--address=$(LWS_LEADER_ADDRESS):6379", --block]
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
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.10.2
                  command: [bash, -c]
                  args:
                  - |
                    bash multi-node-serving.sh leader --ray_cluster_size=2
                    vllm serve /m --tensor-parallel-size 8 --pipeline-parallel-size 2
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.10.2
                  command: [ray, start, "--address=$(LWS_LEADER_ADDRESS):6379", --block]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Unsure:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          serviceName: vllm
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.10.2
                command: [bash, -c, "multi-node-serving.sh leader --ray_cluster_size=3"]
                resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM examples/online_serving/multi-node-serving.sh; Ray `ray status`. RAY001 counts nodes.
    """
    if not group.is_whole or group.pods is None or group.gpus is None:
        return
    for member in group.members:
        for container in member.template.containers:
            yield from _waits(
                container, _NODES, group.pods, "Ray nodes", counted(group.pods, "pod")
            )
            if group.gpus:
                has = counted(group.gpus, "GPU")
                yield from _waits(container, _GPUS, group.gpus, "GPUs", has)


def _waits(
    container: Container, ways: tuple[re.Pattern[str], ...], most: int, what: str, has: str
) -> Iterator[Finding]:
    for text in container.texts:
        for found in (f for way in ways for f in way.finditer(text.text)):
            wanted = _number(container, found.groupdict())
            if wanted is not None and wanted > most:
                spot = text.spot.within(found[0].strip())
                says = f"this waits for {wanted} {what}, and the group has {has}"
                yield Finding(spot, says, f"Wait for {most}.")


def _number(container: Container, found: dict[str, str | None]) -> int | None:
    told = found.get("number") or (container.value(name) if (name := found.get("name")) else None)
    told = told or found.get("usual")
    return int(told) if told and told.isdigit() and len(told) < _DIGITS else None


_DIGITS = 8
