"""CONF009: how many nodes NIM is told of, against the pods that there are."""

from collections.abc import Iterator

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.nim_chart import by_chart, by_default, unseen_default
from distcheck.checks.manifest.rule import rule

_NODES = "NIM_NUM_COMPUTE_NODES"


@rule("CONF009", level="error", others=("warning",))
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
                  image: nvcr.io/nim/meta/llama-3.1-405b-instruct:1.8.0
                  env:
                  - name: NIM_NUM_COMPUTE_NODES
                    valueFrom: {configMapKeyRef: {name: nim, key: nodes}}
                  resources: {limits: {nvidia.com/gpu: 8}}

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
            fix = f'Write "{pods}", or leave the variable out where a chart or operator sets it.'
            yield Finding(told.place.at("value").spot, says, fix)


def _values(group: Group) -> Iterator[Finding]:
    """Chart 1.x starts gpusPerNode ranks in each pod."""
    template = group.leader.template
    each = template.owner_place.at("multiNode", "gpusPerNode")
    if not by_chart(template) or not group.workers or type(each.value) is not int:
        return
    if by_default(template):
        if group.intent.tp or each.value == template.gpus:
            return  # CONF001 has the number
        says = f"gpusPerNode is {each.value}, and each pod gets one GPU, the chart's default"
        fix = f"Write `resources: {{limits: {{nvidia.com/gpu: {each.value}}}}}`."
        yield Finding(each.spot, says, fix, unseen=unseen_default(template.owner_place))
    elif template.gpus and each.value != template.gpus:
        limit = counted(template.gpus, "GPU")
        says = f"gpusPerNode is {each.value}, and each pod is limited to {limit}"
        level: Level | None = None if each.value > template.gpus else "warning"
        yield Finding(each.spot, says, f"Write {template.gpus}, or change the limit.", level)
