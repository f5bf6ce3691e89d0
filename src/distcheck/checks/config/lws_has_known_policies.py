"""CONF088: policies and subgroups that LeaderWorkerSet refuses."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later

_POLICIES = (
    (("startupPolicy",), ("LeaderCreated", "LeaderReady")),
    (
        ("leaderWorkerTemplate", "restartPolicy"),
        ("RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None", "Default"),
    ),
    (("networkConfig", "subdomainPolicy"), ("Shared", "UniquePerReplica")),
    (
        ("leaderWorkerTemplate", "subGroupPolicy", "subGroupPolicyType"),
        ("LeaderWorker", "LeaderExcluded"),
    ),
)


@rule("CONF088", level="error")
def lws_has_known_policies(bundle: Bundle) -> Iterator[Finding]:
    """A LeaderWorkerSet has policies that exist, and subgroups that divide it.

    What:
        `startupPolicy`, `restartPolicy`, `subdomainPolicy` or `subGroupPolicyType` has a value that
        LeaderWorkerSet does not know; or `subGroupSize` divides neither `size` nor `size` - 1.
        A hint where pods join one world without Ray, and `restartPolicy` restarts them one by one.

    Why:
        The API server, or the webhook of lws, refuses the object: no pod is made. A
        `restartPolicy` of pods (Always, Never) is not one of groups. With None the workers
        outlive a leader that restarts, with the connections of a world that is gone, and the new
        leader waits for them.

    Fix:
        Take one of the values that the message has, or leave the field out.

    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 4
            restartPolicy: Always
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          startupPolicy: LeaderCreated
          leaderWorkerTemplate:
            size: 4
            restartPolicy: RecreateGroupOnPodRestart
            subGroupPolicy: {subGroupSize: 2}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          startupPolicy: "${STARTUP}"
          leaderWorkerTemplate:
            size: 4
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Source:
        lws api/leaderworkerset/v1/leaderworkerset_types.go (RestartPolicyType),
        pkg/webhooks/leaderworkerset_webhook.go; aws-samples/aws-do-eks 26ff9b8.
    """
    for thing in bundle.of_kind("LeaderWorkerSet"):
        spec = thing.place.at("spec")
        for path, known in _POLICIES:
            policy = spec.at(*path)
            if policy.text() and policy.value not in known:
                may = ", ".join(f"`{one}`" for one in known)
                says = f"{path[-1]} is {policy.value}, and may be {may}"
                fix = f"Write one of {may}, or leave {path[-1]} out."
                yield Finding(policy.spot, says, fix, unseen=filled_later(policy.value))
        yield from _size(spec.at("leaderWorkerTemplate"))
        yield from _subgroups(spec.at("leaderWorkerTemplate"))
        yield from _outlived(bundle, thing)


def _outlived(bundle: Bundle, thing: Thing) -> Iterator[Finding]:
    """Ranks of one world that are restarted one by one; Ray's nodes join again by themselves."""
    template = thing.place.at("spec", "leaderWorkerTemplate")
    policy = template.at("restartPolicy")
    pods = (t for t in bundle.templates if t.owner_place.of == thing.place.of)
    every = [c for t in pods for c in t.containers]
    way = next((j.way for c in every if c.gpus for j in c.joins), "")
    if policy.value not in _ONE_BY_ONE or template.number("size") == 1 or not way:
        return
    if not any(c.joins_ray or c.ray for c in every):
        says = f"restartPolicy {policy.value} restarts one pod, and all join one world by {way}"
        fix = "Write `restartPolicy: RecreateGroupOnPodRestart`."
        yield Finding(policy.spot, says, fix, unseen="whether the others end when one is gone")


_ONE_BY_ONE = ("None", "Default")


def _size(template: Place) -> Iterator[Finding]:
    size = template.number("size")
    if size is not None and size < 1:
        yield Finding(template.at("size").spot, f"size is {size}, and is at least 1")


def _subgroups(template: Place) -> Iterator[Finding]:
    size, policy = template.number("size") or 1, template.at("subGroupPolicy")
    each = policy.number("subGroupSize")
    alone = policy.text("subGroupPolicyType") == "LeaderExcluded"
    if each is None or (each > 0 and _divides(each, size, alone=alone)):
        return
    says = f"subgroups of {each} pods do not divide {size - 1 if alone else size} pods"
    fix = f"Write a subGroupSize that divides {size - 1 if alone else size}."
    yield Finding(policy.at("subGroupSize").spot, says, fix, also=(template.at("size").spot,))


def _divides(each: int, size: int, *, alone: bool) -> bool:
    return each <= size and ((size - 1) % each == 0 or (not alone and size % each == 0))
