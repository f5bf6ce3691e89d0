"""CONF112: vLLM started on a Ray head without GPUs."""

from collections.abc import Iterable, Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import titled
from distcheck.checks.manifest.rule import rule
from distcheck.pattern import pattern


@rule("CONF112", level="error")
def ray_driver_has_gpus(group: Group) -> Iterator[Finding]:
    """The pod in which vLLM is started has GPUs.

    What:
        `vllm serve` runs in the pod of Ray's head, which has no GPU, and the workers have them;
        the entrypoint of a RayJob runs there, too, without `entrypointNumGpus`.

    Why:
        vLLM before 0.30 places its first rank beside itself, and ends with "Current node has no
        GPU available". Newer ones end with "Failed to infer device type" where they see no GPU.

    Fix:
        Give the head as many GPUs as a worker, or start vLLM in a pod that has them.

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
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 8
                    --distributed-executor-backend ray"]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: ray.io/v1
        kind: RayService
        metadata: {name: llm}
        spec:
          rayClusterConfig:
            headGroupSpec:
              rayStartParams: {num-gpus: "0"}
              template:
                spec: {containers: [{name: ray, image: "rayproject/ray:2.46.0"}]}
            workerGroupSpecs:
            - groupName: gpu
              replicas: 1
              template:
                spec:
                  containers:
                  - name: ray
                    image: rayproject/ray:2.46.0
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}

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
                  command: [sh, -c, "ray start --head; /serve.sh"]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        Ray: Ray Jobs, entrypoint resources; vLLM vllm/v1/executor/ray_utils.py
        (initialize_ray_cluster, _verify_bundles), vllm/config/device.py.
    """
    if not group.gpus:
        return
    yield from _of_job(group)
    for member in group.members:
        if member.template.gpus or any(_other(c.limits) for c in member.template.containers):
            continue
        for container in member.template.containers:
            asks = container.asks
            if asks is None or asks.engine != "vllm":
                continue
            if not container.heads_ray and asks.executor != "ray":
                continue
            says = f"vLLM starts in {member.template.what}, which has no GPU"
            yield Finding(container.spot_of("vllm serve", "api_server", "vllm"), says)


def _of_job(group: Group) -> Iterator[Finding]:
    """The entrypoint of a RayJob, which Ray runs on the head unless it asks for resources."""
    head = group.leader.template
    job = head.owner_place
    entry = job.at("spec", "entrypoint")
    asks = any(job.at("spec", f"entrypoint{n}") for n in ("NumGpus", "NumCpus", "Resources"))
    if head.kind != "RayJob" or head.part != "leader" or asks or not _SERVES.search(entry.text()):
        return
    elsewhere = any(c.value("RAY_JOB_ALLOW_DRIVER_ON_WORKER_NODES") for c in head.containers)
    if head.gpus or elsewhere or any(_other(c.limits) for c in head.containers):
        return
    says = f"vLLM starts on the head of {titled(head.kind, head.owner)}, which has no GPU"
    yield Finding(entry.spot.within("vllm"), says)


_SERVES = pattern(r"(?:\A|[\s;&/])vllm\s+serve\s|-m\s+vllm\.entrypoints\.")


def _other(limits: Iterable[str]) -> bool:
    """Accelerators of others, which are counted elsewhere (google.com/tpu, amd.com/gpu)."""
    return any("/" in name for name in limits)
