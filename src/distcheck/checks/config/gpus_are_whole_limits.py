"""CONF098: GPUs that are requested and not limited, or in parts."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_MOST = 10_000
"""More than any node has, also where plugins share each device among hundreds."""
_COUNTED = ("nvidia.com/gpu", "nvidia.com/gpu.shared", "amd.com/gpu")
"""GPUs by number; HAMi gives memory in MiB by names such as `nvidia.com/gpumem`."""
_KUBERNETES = "kubernetes.io/"
"""Names with it, and those without a domain, are Kubernetes' own: the others are devices."""


@rule("CONF098", level="error")
def gpus_are_whole_limits(template: Template) -> Iterator[Finding]:
    """GPUs and RDMA devices are limits, in whole numbers.

    What:
        A device such as nvidia.com/gpu, rdma/hca or huawei.com/Ascend910 stands in `requests` and
        not in `limits`, in both with different numbers, or with a fraction; or its number is one
        that no node has. Or it stands in `resources` of the pod, not of a container. The
        same of huge pages; a hint where a container has them, and neither
        memory nor cpu.

    Why:
        The API server refuses it: devices cannot be overcommitted, and there is no half of one.
        "HugePages require cpu or memory". A pod as a whole may have cpu, memory and huge pages
        alone.

    Fix:
        Write the number in `limits`; `requests` may be left out.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            resources: {requests: {nvidia.com/gpu: 1}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            resources: {limits: {nvidia.com/gpu: 1}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            resources: {requests: {nvidia.com/gpu: "${GPUS}"}}

    Source:
        Kubernetes: Schedule GPUs; pkg/apis/core/helper (IsExtendedResourceName) and
        pkg/apis/core/validation (ValidateResourceRequirements); k8s.io/component-helpers/resource
        (SupportedPodLevelResources).
    """
    yield from _of_the_pod(template)
    for container in template.every:
        limits, requests = container.place.at("resources", "limits"), container.requests
        for name, place in limits.fields():
            if _is_device(name):
                yield from _amount(name, place, container.limits[name])
        yield from _pages_alone(container)
        for name, place in container.place.fields("resources", "requests"):
            if (
                not (_is_device(name) or name.startswith(_PAGES))
                or container.nim_chart
                or requests[name] is None
            ):
                continue
            if name not in container.limits:
                says = f"{name} is requested, and {container.name} has no limit"
                fix = f"Write `limits: {{{_limit(name, place)}}}`; the request may be left out."
                yield Finding(place.key, says, fix)
            elif container.limits[name] not in (None, requests[name]):
                says = f"{name} is {place.value} here, and {limits.at(name).value} in limits"
                fix = "Make the two equal, or leave the request out."
                yield Finding(place.spot, says, fix, also=(limits.at(name).spot,))


def _of_the_pod(template: Template) -> Iterator[Finding]:
    """Devices that no container is given; of an InferenceService CONF108 tells them."""
    spec = template.spec
    named = (held for part in ("limits", "requests") for held in spec.fields("resources", part))
    name, place = next(((n, p) for n, p in named if _is_device(n)), ("", spec))
    if name and template.kind != "InferenceService":
        says = f"{name} stands in the pod's own resources, which have cpu, memory and huge pages"
        yield Finding(place.key, says, "Move `resources` into the container that needs them.")


def _limit(name: str, place: Place) -> str:
    """As it is written there: Dynamo has a field `gpu`, which is text."""
    return f'gpu: "{place.value}"' if place.path[-1] == "gpu" else f"{name}: {place.value}"


def _is_device(name: str) -> bool:
    """Whether it is an extended resource: of these request and limit must be one number."""
    return "/" in name and _KUBERNETES not in name and not name.startswith("requests.")


def _pages_alone(container: Container) -> Iterator[Finding]:
    """Huge pages of a container that has neither memory nor cpu beside them."""
    parts = [container.place.at("resources", p) for p in ("limits", "requests")]
    pages = [place for p in parts for name, place in p.fields() if name.startswith(_PAGES)]
    if pages and not any(p.at(n) for p in parts for n in ("cpu", "memory")):
        says = f"{container.name} has huge pages, and neither memory nor cpu"
        fix = "Write `memory` beside them: the API server wants one of the two."
        yield Finding(pages[0].key, says, fix, unseen="whether a LimitRange adds them")


_PAGES = "hugepages-"


def _amount(name: str, place: Place, amount: int | None) -> Iterator[Finding]:
    if _is_part(place.value):
        says = f"{name} is {place.value}, and must be a whole number"
        yield Finding(place.spot, says, "Write a whole number: GPUs are given undivided.")
    elif (amount or 0) > _MOST and name in _COUNTED:
        says = f"{name} is {place.value}: no node has so many"
        yield Finding(place.spot, says, "Write how many one pod uses.")


def _is_part(value: object) -> bool:
    text = str(value).strip()
    milli = text.endswith("m") and not text.endswith("000m")
    return milli or ("." in text and not text.endswith(".0"))
