"""CONF110: NIM's JSON logging in a multi-node NIM."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule


@rule("CONF110", level="warning")
def nim_logs_as_text(group: Group) -> Iterator[Finding]:
    """A NIM of several nodes does not log as JSON.

    What:
        A multi-node NIM has NIM_JSONL_LOGGING switched on.
    Why:
        From NIM 2.0 on its JSON formatter is not there in vLLM's Ray workers, and they fail when
        they start.
    Fix:
        Set NIM_JSONL_LOGGING to "0"; in Helm values `model.jsonLogging: false`.
    Fails:
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
                  image: nvcr.io/nim/meta/llama-3.1-405b-instruct:2.0.1
                  env: [{name: NIM_JSONL_LOGGING, value: "1"}]
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
                  image: nvcr.io/nim/meta/llama-3.1-405b-instruct:2.0.1
                  env: [{name: NIM_JSONL_LOGGING, value: "0"}]
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
                  image: nvcr.io/nim/meta/llama-3.1-405b-instruct:latest
                  env: [{name: NIM_JSONL_LOGGING, value: "1"}]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        https://docs.nvidia.com/nim/large-language-models/latest/deployment/multi-node-deployment.html,
        known limitations.
    """
    if (group.nodes or 1) < 2:
        return
    values = group.leader.template.owner_place
    switch = values.at("model", "jsonLogging")
    if group.leader.template.kind == "NIM Helm values" and switch.value is not False:
        yield from _of_values(values, switch, group.pods)
        return
    for _member, engine in group.engines:
        found = engine.variable("NIM_JSONL_LOGGING")
        on = found is not None and (found.value or "").lower() in ("1", "true")
        if found is None or not on or not engine.nim or found.given:
            continue
        tag = engine.image.rpartition(":")[2]
        says = f"NIM_JSONL_LOGGING={found.value} on {group.pods or 'several'} nodes, {_LACK}"
        old = tag.startswith("1.")
        unseen = "" if tag[:1].isdigit() else "the version of the image"
        if not old:
            yield Finding(found.place.at("value").spot, says, 'Write "0".', unseen=unseen)


_LACK = "and Ray's workers lack its formatter"


def _of_values(values: Place, switch: Place, pods: int | None) -> Iterator[Finding]:
    """Of chart 2.x, whose default is on."""
    tag = values.text("image", "tag")
    if tag.startswith("1."):
        return
    if switch.value is True:
        unseen = "" if tag[:1].isdigit() else "the version of the image"
        says = f"jsonLogging is on for {pods or 'several'} nodes, {_LACK}"
        yield Finding(switch.spot, says, "Write `jsonLogging: false`.", unseen=unseen)
    elif tag[:1].isdigit() or values.at("multiNode", "tensorParallelSize"):
        says = f"jsonLogging is not switched off for {pods or 'several'} nodes"
        many = values.at("multiNode").key
        unseen = "what the chart of this version does by default"
        yield Finding(many, says, "Write `model: {jsonLogging: false}`.", unseen=unseen)
