"""CONF003: `ray start --num-gpus` against the container's GPU limit."""

from collections.abc import Iterator

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF003", level="error", others=("warning",))
def ray_gpus_fit_limits(template: Template) -> Iterator[Finding]:
    """Ray is told of as many GPUs as the container has.

    What:
        `ray start --num-gpus`, or `num-gpus` of `rayStartParams`, is not the container's limit.
    Why:
        Ray believes the number. With more it places ranks on GPUs that are not there, and CUDA
        fails; with fewer the placement group never fits, and the engine waits.
    Fix:
        Leave `--num-gpus` out: Ray counts them. Else make it equal to the limit.
    Fails:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm-worker}
        spec:
          serviceName: vllm-worker
          selector: {matchLabels: {app: w}}
          template:
            metadata: {labels: {app: w}}
            spec:
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, --address=vllm-head:6379, --num-gpus=8, --block]
                resources: {limits: {nvidia.com/gpu: 4}}
    Passes:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm-worker}
        spec:
          serviceName: vllm-worker
          selector: {matchLabels: {app: w}}
          template:
            metadata: {labels: {app: w}}
            spec:
              containers:
              - name: worker
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, --address=vllm-head:6379, --num-gpus=8, --block]
                resources: {limits: {nvidia.com/gpu: 8}}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c, "ray start --address=head:6379 --num-gpus=$GPUS --block"]
            resources: {limits: {nvidia.com/gpu: 4}}
    Source:
        Ray `ray start --help`; kuberay common/pod.go: rayStartParams win over limits. RAY002.
    """
    for one in template.containers:
        told = one.ray.num_gpus if one.ray else None
        if told is not None and one.gpus and told != one.gpus:
            has = f"container {one.name} is given {one.gpus}"
            says = f"Ray is told of {counted(told, 'GPU')}, and {has}"
            fix = f"Leave `--num-gpus` out: Ray counts them. Else write {one.gpus}."
            level: Level | None = None if told > one.gpus else "warning"
            yield Finding(one.spot_of("--num-gpus", "num-gpus"), says, fix, level)
    first = next(iter(template.containers), None)
    params = template.ray_params
    given = params.at("num-gpus") if params else None
    if first is None or given is None or not str(given.value).isdigit() or not first.gpus:
        return
    told = int(given.value)
    if told > first.gpus or (told < first.gpus and template.part == "worker"):
        says = f"rayStartParams give Ray {counted(told, 'GPU')}, and the container has {first.gpus}"
        fix = f"Leave `num-gpus` out: KubeRay takes the limit. Else write {first.gpus} in quotes."
        yield Finding(given.spot, says, fix, None if told > first.gpus else "warning")
