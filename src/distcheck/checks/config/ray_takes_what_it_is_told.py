"""CONF104: what Ray, Ray Serve LLM or KubeRay does not take as it is written."""

from collections.abc import Iterator, Mapping
from typing import Any

from distcheck.checks.knowledge.flag_values import refused, value_to_write
from distcheck.checks.knowledge.spelling import nearest
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.ray_entrypoint import outside_the_cluster
from distcheck.checks.manifest.ray_flags import refused as refused_options
from distcheck.checks.manifest.ray_flags import refused_parameters
from distcheck.checks.manifest.ray_serve import Model, applications, models, serve_file
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import is_open
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern


@rule("CONF104", level="error", others=("warning",))
def ray_takes_what_it_is_told(template: Template) -> Iterator[Finding]:
    """Ray, Ray Serve LLM and KubeRay take what they are told.

    What:
        In `serveConfigV2` a key of Ray Serve LLM is misspelt, a value of `engine_kwargs` is none
        that vLLM takes, a size is text, or `min_replicas` is above `max_replicas`; a group of
        workers has `minReplicas` above `maxReplicas`; or an option of `ray start`, or a key of
        `rayStartParams`, is misspelt, or its `resources` are no JSON behind the shell; a RayJob's
        `entrypoint` is several commands; two applications have one name or prefix; or no worker is
        on nodes of the `accelerator_type`. Of keys and options near misses alone are told.

    Why:
        Ray forbids keys that it does not know, and counts with the sizes: the application ends in
        DEPLOY_FAILED, while all pods run. KubeRay makes `maxReplicas` pods, whatever the least is.
        `ray start` ends for options that it does not know, also for beginnings of known ones, for
        `_` in place of `-`, and for `--head=true`. KubeRay writes parameters and the entrypoint
        into lines of a shell: quotes are lost, and only the first command is submitted.

    Fix:
        Write the key as the message has it; sizes without quotes.

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
                - model_load_config: {model_id: m}
                  engine_kwargs: {tensor_parallel_size: "8", dtype: bf16}
                  deployment_config: {autoscaling_config: {min_replicas: 2, max_replicas: 1}}
          rayClusterConfig:
            headGroupSpec:
              template: {spec: {containers: [{name: ray, image: "rayproject/ray-llm:2.46.0"}]}}
            workerGroupSpecs:
            - groupName: gpu
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
                  engine_kwargs: {tensor_parallel_size: 8, dtype: bfloat16}
                  deployment_config: {autoscaling_config: {min_replicas: 1, max_replicas: 1}}
          rayClusterConfig:
            headGroupSpec:
              template: {spec: {containers: [{name: ray, image: "rayproject/ray-llm:2.46.0"}]}}
            workerGroupSpecs:
            - groupName: gpu
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
              import_path: ours.llm:build_openai_app
              args:
                llm_configs:
                - model_load_config: {model_id: m}
                  engine_kwargs: {tensor_parallel_size: "8"}
          rayClusterConfig:
            headGroupSpec:
              template: {spec: {containers: [{name: ray, image: "rayproject/ray-llm:2.46.0"}]}}
            workerGroupSpecs:
            - groupName: gpu
              template:
                spec:
                  containers:
                  - name: ray
                    image: rayproject/ray-llm:2.46.0
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}

    Source:
        Ray 2.40 and 2.60 python/ray/scripts/scripts.py (start; tried), 2.44 to 2.60
        python/ray/llm/_internal/serve/core/configs/llm_config.py (other fields are forbidden) and
        engines/vllm/vllm_models.py (num_devices), python/ray/serve/api.py and config.py; KubeRay
        ray-operator/controllers/ray/utils/util.go, common/pod.go (convertParamMap) and
        common/job.go; its issues 1984 and 3929.
    """
    yield from _range_of_group(template)
    yield from _options(template)
    file = serve_file(template)
    yield from _alike(file, template.served)
    for arguments in applications(template):
        yield from _misspelt(file, arguments, _SERVING)
    for model in models(template):
        yield from _keys(model)
        yield from _values(model)
        yield from _accelerator(template, model)
        scaling = model.part("deployment_config").get("autoscaling_config")
        yield from _range(model, scaling) if isinstance(scaling, dict) else ()


def _alike(file: Place, served: Any) -> Iterator[Finding]:
    """Applications of one name, or behind one prefix."""
    every = served.get("applications") if isinstance(served, Mapping) else None
    apps = [a for a in every if isinstance(a, Mapping)] if isinstance(every, list) else []
    for key, usual in (("name", "default"), ("route_prefix", "/")):
        told = [a.get(key, usual) for a in apps]
        twice = next((v for n, v in enumerate(told) if v is not None and v in told[:n]), None)
        if isinstance(twice, str):
            says = f"two applications have the {key} {twice}: Ray Serve refuses them"
            at = file.spot.within(f"{key}:" if f"{key}:" in file.text() else "")
            yield Finding(at, says, f"Give each a {key} of its own.")


def _options(template: Template) -> Iterator[Finding]:
    for container in template.every:
        for one in refused_options(container):
            spot, fix = container.spot_of(one.word), f"Write {one.meant}."
            yield Finding(spot, one.says, fix)
    if (params := template.ray_params) is not None:
        for one in refused_parameters(params):
            yield Finding(params.at(one.word).key, one.says, f"Write {one.meant}.")
    if template.kind == "RayJob" and template.part == "leader":
        yield from _entrypoint(template.owner_place)


def _entrypoint(job: Place) -> Iterator[Finding]:
    if lost := outside_the_cluster(job):
        says = f"`{lost}` runs in the pod that submits the job, and not in the cluster"
        at = job.at("spec", "entrypoint").spot
        unseen = "whether KubeRay is older than 1.3: it hands the whole line over"
        yield Finding(at, says, 'Write one command: `bash -c "..."`.', unseen=unseen)


def _accelerator(template: Template, model: Model) -> Iterator[Finding]:
    """A product that no node has on which KubeRay may put workers."""
    asked = model.told.get("accelerator_type")
    base = asked.partition("-")[0].upper() if isinstance(asked, str) else ""
    spec = template.owner_place.at("spec", "rayClusterConfig")
    groups = [*spec.each("workerGroupSpecs"), spec.at("headGroupSpec")]
    pods = [g.at("template", "spec") for g in groups]
    having = [p for p in pods if "/gpu" in str([*p.each("containers")])]
    named = [next((v for n in _PRODUCTS if (v := p.text("nodeSelector", n))), "") for p in having]
    told = [{w.upper() for w in n.replace("_", "-").split("-")} for n in named]
    if base and told and all(named) and not any(base in words for words in told):
        says = f"accelerator_type is {asked}, and workers are on {', '.join(dict.fromkeys(named))}"
        fix = "Name the GPU of the nodes, or leave accelerator_type out."
        yield Finding(model.spot("accelerator_type", asked), f"{says}: Ray finds none", fix)


_PRODUCTS = ("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator")


def _keys(model: Model) -> Iterator[Finding]:
    yield from _misspelt(model.file, model.told, _MODEL)
    yield from _misspelt(model.file, model.part("model_loading_config"), _LOADING)
    yield from _misspelt(model.file, model.part("deployment_config"), _DEPLOYMENT)


def _misspelt(file: Place, told: Mapping[str, Any], known: frozenset[str]) -> Iterator[Finding]:
    for name in told:
        if name in known or not isinstance(name, str):
            continue
        meant = _SHORTER.get(name) or nearest(name, known)
        if meant in known and meant not in told:
            says = f"Ray Serve LLM has no {name}: did you mean {meant}?"
            yield Finding(file.spot.within(f"{name}:"), says, f"Write {meant}.")


def _values(model: Model) -> Iterator[Finding]:
    """`engine_kwargs`: vLLM's flags by their names in Python."""
    for name, value in model.kwargs.items():
        flag, text, at = f"--{name}".replace("_", "-"), str(value), model.spot(name, value)
        if name in _SIZES and isinstance(value, str) and _DIGITS.fullmatch(value):
            says = f'{name} is the text "{value}", and Ray counts with it: it takes a number'
            unseen = "whether vLLM takes text" if model.part("placement_group_config") else ""
            yield Finding(at, says, f"Write `{name}: {value}`.", unseen=unseen)
        elif not is_open(text) and (why := refused("vllm", flag, text)):
            yield Finding(at, f"{name} {text}: {why}", value_to_write("vllm", flag, text))


def _range(model: Model, scaling: Mapping[str, Any]) -> Iterator[Finding]:
    low, high = scaling.get("min_replicas"), scaling.get("max_replicas")
    if type(low) is int and type(high) is int and low > high:
        says = f"min_replicas is {low}, and max_replicas {high}: Ray Serve refuses it"
        yield Finding(model.spot("min_replicas", low), says, "Write a range.")


def _range_of_group(template: Template) -> Iterator[Finding]:
    path = template.place.path[:-1]
    if "workerGroupSpecs" not in path:
        return
    group = template.owner_place.at(*path)
    low, high = group.number("minReplicas"), group.number("maxReplicas")
    if low is not None and high is not None and low > high:
        says = f"minReplicas is {low}, and maxReplicas {high}: KubeRay makes {high}"
        fix = "Raise maxReplicas, or lower minReplicas."
        yield Finding(group.at("minReplicas").spot, says, fix, level="warning")


_SIZES = ("tensor_parallel_size", "pipeline_parallel_size")
_DIGITS = pattern(r"\d{1,9}")
_SHORTER = {
    "autoscale_config": "autoscaling_config", "model_load_config": "model_loading_config",
    "loading_config": "model_loading_config", "deploy_config": "deployment_config",
}  # fmt: skip
"""What is further away than two letters, and no name in any release."""
_SERVING = frozenset({"llm_configs", "ingress_cls_config", "ingress_deployment_config", "api_key"})
_MODEL = frozenset(
    {"runtime_env", "model_loading_config", "llm_engine", "engine_kwargs", "resources_per_bundle",
     "accelerator_type", "accelerator_config", "placement_group_config", "lora_config",
     "deployment_config", "experimental_configs", "log_engine_metrics", "callback_config",
     "server_cls"}
)  # fmt: skip
_LOADING = frozenset({"model_id", "model_source", "tokenizer_source", "trust_remote_code"})
_DEPLOYMENT = frozenset(
    {"name", "version", "num_replicas", "ray_actor_options", "placement_group_bundles",
     "placement_group_strategy", "max_replicas_per_node", "user_config", "max_ongoing_requests",
     "max_queued_requests", "autoscaling_config", "graceful_shutdown_wait_loop_s",
     "graceful_shutdown_timeout_s", "health_check_period_s", "health_check_timeout_s",
     "logging_config", "request_router_config"}
)  # fmt: skip
