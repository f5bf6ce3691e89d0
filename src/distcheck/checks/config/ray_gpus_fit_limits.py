"""CONF003: `ray start --num-gpus` against the container's GPU limit."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF003", level="error")
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
    Source:
        Ray `ray start --help`; kuberay common/pod.go: rayStartParams win over limits. RAY002.
    """
    for one in template.containers:
        told = one.ray.num_gpus if one.ray else None
        if told is not None and one.gpus and told != one.gpus:
            says = f"Ray is told of {told} GPUs, and container {one.name} is given {one.gpus}"
            yield Finding(
                one.spot_of("--num-gpus", "num-gpus"),
                says,
                level=None if told > one.gpus else "warning",
            )
    first = next(iter(template.containers), None)
    params = template.ray_params
    given = params.at("num-gpus") if params else None
    if first is None or given is None or not str(given.value).isdigit() or not first.gpus:
        return
    if int(given.value) > first.gpus:
        says = f"rayStartParams give Ray {given.value} GPUs, and the container has {first.gpus}"
        yield Finding(given.spot, says)
