"""CONF009: how many nodes NIM is told of, against the pods that there are."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule

_NODES = "NIM_NUM_COMPUTE_NODES"


@rule("CONF009", level="error")
def nim_has_its_nodes(group: Group) -> Iterator[Finding]:
    """NIM is told of as many nodes as the group has pods.

    What:
        NIM_NUM_COMPUTE_NODES is not the number of the group's pods with GPUs, such as the size
        of the LeaderWorkerSet; or `multiNode.gpusPerNode` of the Helm values is not the GPU limit.

    Why:
        NIM waits until so many nodes have joined: with too many it waits until it gives up,
        with too few the others stand idle.

    Fix:
        Make the two equal. The size of a LeaderWorkerSet counts the leader, and so does
        `multiNode.workers` of NIM's chart 1.x; of chart 2.x it does not.

    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: nim}
        spec:
          leaderWorkerTemplate:
            size: 3
            workerTemplate:
              spec:
                containers:
                - name: nim
                  image: nvcr.io/nim/meta/llama-3.1-405b-instruct:1.8.0
                  env: [{name: NIM_NUM_COMPUTE_NODES, value: "2"}]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: nim}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: nim
                  image: nvcr.io/nim/meta/llama-3.1-405b-instruct:1.8.0
                  env: [{name: NIM_NUM_COMPUTE_NODES, value: "2"}]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]

    Source:
        nim-deploy helm/nim-llm 1.x (multi_node_deployment.yaml); NIM multi-node deployment.
    """
    yield from _values(group)
    for _, engine in group.engines:
        told = engine.variable(_NODES)
        value = told.value if told else None
        if told is None or told.given or not engine.nim or not (value or "").isdigit():
            continue
        pods = group.nodes or group.pods
        if pods and group.is_whole and int(value or 0) != pods:
            says = f"{_NODES} is {value}, and {group.name} has {pods} pod{'s' * (pods != 1)}"
            says += " with GPUs" if pods != group.pods else ""
            yield Finding(told.place.at("value").spot, says)


def _values(group: Group) -> Iterator[Finding]:
    """Chart 1.x starts gpusPerNode ranks in each pod."""
    template = group.leader.template
    each = template.owner_place.at("multiNode", "gpusPerNode")
    if template.kind != "NIM Helm values" or not group.workers or type(each.value) is not int:
        return
    if template.gpus and each.value != template.gpus:
        says = f"gpusPerNode is {each.value}, and each pod is limited to {template.gpus} GPUs"
        yield Finding(each.spot, says, level=None if each.value > template.gpus else "warning")
