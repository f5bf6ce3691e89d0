"""CONF019: Ray Serve bundles that no pod has the GPUs for."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.ray_serve import serve_file
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.run_lines import without_comments
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_GPUS = pattern(r"(?<![\w.])[\"']?(?:GPU|num_gpus)[\"']?:\s*[\"']?(\d{1,4})(?:\.0)?(?![\d.])")
_CPUS = pattern(r"(?<![\w.])[\"']?num_cpus[\"']?:\s*[\"']?(\d{1,4})(?:\.0)?(?![\d.])")
_PACKED = pattern(r"strategy[\"']?:\s*[\"']?STRICT_PACK\b")


@rule("CONF019", level="error")
def ray_bundles_fit_pods(group: Group) -> Iterator[Finding]:
    """Each bundle and actor of Ray Serve fits into one pod.

    What:
        In `serveConfigV2` a bundle of `placement_group_config` or `resources_per_bundle`, or the
        `num_gpus` or `num_cpus` of an actor, is larger than what any pod has; or STRICT_PACK is
        asked for with TP x PP above its GPUs; or `accelerator_type` is no name of Ray's.

    Why:
        A bundle, and a group that is packed strictly, is on one node: Ray waits for a node that
        never comes, and the application stays in DEPLOYING. Ray Serve LLM ends with "Unsupported
        accelerator type".

    Fix:
        Use bundles of one GPU, as many as TP x PP, with the strategy PACK.

    Fails:
        apiVersion: ray.io/v1
        kind: RayService
        metadata: {name: llm}
        spec:
          serveConfigV2: |
            applications:
            - name: llm
              import_path: ray.serve.llm:build_openai_app
              args:
                llm_configs:
                - model_loading_config: {model_id: m}
                  engine_kwargs: {tensor_parallel_size: 8, pipeline_parallel_size: 2}
                  placement_group_config: {bundles: [{GPU: 16}]}
          rayClusterConfig:
            headGroupSpec:
              template: {spec: {containers: [{name: ray, image: "rayproject/ray-llm:2.46.0"}]}}
            workerGroupSpecs:
            - groupName: gpu
              replicas: 2
              template:
                spec:
                  containers:
                  - name: ray
                    image: rayproject/ray-llm:2.46.0
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}

    Passes:
        apiVersion: ray.io/v1
        kind: RayService
        metadata: {name: llm}
        spec:
          serveConfigV2: |
            applications:
            - name: llm
              import_path: ray.serve.llm:build_openai_app
              args:
                llm_configs:
                - model_loading_config: {model_id: m}
                  engine_kwargs: {tensor_parallel_size: 8, pipeline_parallel_size: 2}
                  placement_group_config: {bundles: [{GPU: 8}, {GPU: 8}], strategy: PACK}
          rayClusterConfig:
            headGroupSpec:
              template: {spec: {containers: [{name: ray, image: "rayproject/ray-llm:2.46.0"}]}}
            workerGroupSpecs:
            - groupName: gpu
              replicas: 2
              template:
                spec:
                  containers:
                  - name: ray
                    image: rayproject/ray-llm:2.46.0
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}

    Unsure:
        apiVersion: ray.io/v1
        kind: RayService
        metadata: {name: llm}
        spec:
          serveConfigV2: |
            applications:
            - name: llm
              import_path: ray.serve.llm:build_openai_app
              args:
                llm_configs:
                - model_loading_config: {model_id: m}
                  engine_kwargs: {tensor_parallel_size: 8, pipeline_parallel_size: 2}
                  placement_group_config: {bundles: [{GPU: 16}]}
          rayClusterConfig:
            headGroupSpec:
              template: {spec: {containers: [{name: ray, image: "rayproject/ray-llm:2.46.0"}]}}
            workerGroupSpecs:
            - groupName: gpu
              replicas: 2
              template:
                spec:
                  containers:
                  - name: ray
                    image: rayproject/ray-llm:2.46.0
                    resources: {limits: {nvidia.com/gpu: "${GPUS}", memory: 400Gi}}

    Source:
        https://docs.ray.io/en/latest/serve/llm/user-guides/cross-node-parallelism.html; Ray
        placement groups: a bundle fits on one node; python/ray/util/accelerators/accelerators.py,
        python/ray/llm/_internal/serve/configs/server_models.py (validate_accelerator_type).
    """
    config = serve_file(group.leader.template)
    most = max((m.template.gpus for m in group.members), default=0)
    world = group.intent.world_size or 0
    yield from _processors(group)
    yield from _types(group)
    if not config.text() or not most:
        return
    said, has = without_comments(config.text()), f"no pod of {group.name} has more than {most}"
    for found in _GPUS.finditer(said):
        if int(found[1]) > most:
            spot = config.spot.within(found[0])
            yield Finding(spot, f"{found[1]} GPUs must be on one node, and {has}")
    packed = _PACKED.search(said)
    if packed is not None and world > most:
        spot = config.spot.within(packed[0])
        says = f"STRICT_PACK puts {world} ranks onto one node, and {has}"
        yield Finding(spot, says, "Write PACK.")


def _processors(group: Group) -> Iterator[Finding]:
    """Actors that ask for more processors than Ray is told of in any pod."""
    config = serve_file(group.leader.template)
    known = [_cpus(m.template) for m in group.members]
    most = max((n for n in known if n is not None), default=0)
    said = without_comments(config.text()) if None not in known else ""
    for found in _CPUS.finditer(said):
        if int(found[1]) > most:
            says = f"an actor asks for {found[1]} CPUs on one node, and no pod of {group.name}"
            fix = f"Ask for {most} at most, or give the workers more."
            yield Finding(config.spot.within(found[0]), f"{says} has more than {most}", fix)


def _types(group: Group) -> Iterator[Finding]:
    """A kind of GPU as others call it: Ray has short names of its own, and no node another."""
    config = serve_file(group.leader.template)
    params = (m.template.ray_params for m in group.members)
    if any("accelerator_type" in str(p.value) for p in params if p):
        return
    for found in _TYPE.finditer(config.text()):
        if _FOREIGN.search(found[1]):
            says = f"Ray has no accelerator_type {found[1]}: no node is called so"
            fix = "Take one of Ray's names: `A100`, `H100`, `L4`, `A10G`, and so on."
            yield Finding(config.spot.within(found[0]), says, fix)


_TYPE = pattern(r"\baccelerator_type:[ \t]*[\"']?([A-Za-z][\w.-]*)", near=("accelerator_type",))
_FOREIGN = pattern(r"(?i:nvidia|tesla|sxm|pcie|hbm)|\dG[Bi]\b|\A[abhltv]\d+[gs]?\Z")


def _cpus(template: Template) -> int | None:
    """What KubeRay tells Ray of: `num-cpus`, else the limit, else the request."""
    told = template.ray_params.text("num-cpus") if template.ray_params else ""
    if told:
        return int(told) if told.isdigit() else None
    first = template.containers[0] if template.containers else None
    return (first.limits.get("cpu") or first.requests.get("cpu")) if first else None
