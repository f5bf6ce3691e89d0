"""What custom resources ask for: RayService, RayJob and NIMService."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from distcheck.agent.cluster.intent.asked import Asked, of_server
from distcheck.agent.cluster.intent.yaml_text import NotYamlError, read_yaml
from distcheck.agent.cluster.kinds import short_of
from distcheck.agent.logs.argv_engines import server_of
from distcheck.pattern import pattern

Object = dict[str, Any]

_KWARGS = {
    "tensor_parallel_size": "tp",
    "pipeline_parallel_size": "pp",
    "data_parallel_size": "dp",
    "data_parallel_size_local": "dp_local",
}
_PARALLELISM = {"tensor": "tp", "pipeline": "pp"}
_MOST, _SCALED = 10**9, -1


def asked_by(resource: Object) -> Iterator[Asked]:
    """What a custom resource asks for; nothing for a kind that is not known, or odd values."""
    kind, name = str(resource.get("kind", "")), str(_at(resource, "metadata", "name") or "")
    where = f"{short_of(kind)}/{name}"
    if kind == "RayService":
        yield from _serve(f"serveConfigV2 of {where}", _at(resource, "spec", "serveConfigV2"))
    elif kind == "RayJob":
        yield from _entrypoint(f"entrypoint of {where}", _at(resource, "spec", "entrypoint"))
    elif kind == "NIMService":
        parallel = _at(resource, "spec", "multiNode", "parallelism")
        values = _whole(parallel, _PARALLELISM)
        if values:
            yield Asked(f"spec.multiNode.parallelism of {where}", values, "nim")


def _entrypoint(source: str, text: object) -> Iterator[Asked]:
    server = server_of(("sh", "-c", text)) if isinstance(text, str) else None
    if server is not None:
        yield of_server(source, server)


def _serve(source: str, text: object) -> Iterator[Asked]:
    """Ray Serve's configuration: each application's `args.llm_configs[].engine_kwargs`."""
    if not isinstance(text, str):
        return
    try:
        told = read_yaml(text)
    except NotYamlError as error:
        yield Asked(source, {}, unread={"serveConfigV2": f"{source}: {error}"})
        return
    found = [values for one in _list(_at(told, "applications")) for values in _models(one)]
    if found:
        odd = {k for f in found for k in f if any(one.get(k) != f[k] for one in found)}
        values = {k: v for k, v in found[0].items() if k not in odd}
        why = f"{source}: its {len(found)} models differ"
        unread = dict.fromkeys(odd, why)
        if values.get("dp") == _SCALED:
            unread["dp"] = f"{source}: Ray Serve itself chooses the number of replicas"
            del values["dp"]
        yield Asked(source, values, "vllm", unread)


_EXAMPLE = "config.samples.vllm.serve:model"
"""Import path of KubeRay's own vLLM application, which takes its degrees from variables."""
_OF_EXAMPLE = {"TENSOR_PARALLELISM": "tp", "PIPELINE_PARALLELISM": "pp"}


def _of_example(application: object) -> dict[str, Any]:
    """What `ray-operator/config/samples/vllm/serve.py` reads of its runtime environment."""
    given = _at(application, "runtime_env", "env_vars")
    held = given if isinstance(given, dict) else {}
    plain = {k: int(v) for k in _OF_EXAMPLE if _DIGITS.match(v := str(held.get(k, "")))}
    values = _whole(plain, _OF_EXAMPLE)
    copies = [_at(d, "num_replicas") for d in _list(_at(application, "deployments"))]
    if len(copies) == 1 and type(copies[0]) is int and 1 < copies[0] < _MOST:
        values["dp"] = copies[0]
    model = held.get("MODEL_ID")
    return values | ({"model": model} if isinstance(model, str) and values else {})


_DIGITS = pattern(r"[0-9]{1,9}\Z")


def _models(application: object) -> Iterator[dict[str, Any]]:
    arguments = _at(application, "args")
    if str(_at(application, "import_path") or "").strip().endswith(_EXAMPLE):
        yield from filter(None, [_of_example(application)])
        return
    listed = _list(_at(arguments, "llm_configs"))
    for one in listed or [arguments]:
        kwargs = _at(one, "engine_kwargs")
        values = _whole(kwargs if isinstance(kwargs, dict) else one, _KWARGS)
        expert = _at(kwargs, "enable_expert_parallel")
        backend = _at(kwargs, "distributed_executor_backend")
        loading = _at(one, "model_loading_config")
        model = _at(loading, "model_source") or _at(loading, "model_id")
        values |= {"ep": expert} if isinstance(expert, bool) else {}
        values |= {"executor": backend} if isinstance(backend, str) else {}
        values |= {"model": model} if isinstance(model, str) else {}
        values |= _copies(one, values.get("dp", 1))
        if values:
            yield values


def _copies(model: object, dp: int) -> dict[str, int]:
    """Replicas of Ray Serve are copies of the model, as data parallel ones are.

    `_SCALED` stands for a number that Ray Serve chooses. Where `data_parallel_size` is asked for,
    it makes the replicas itself (ray.llm's DPServer).
    """
    deployment = _at(model, "deployment_config")
    scaling = _at(deployment, "autoscaling_config")
    many = _at(deployment, "num_replicas")
    low, high = (_at(scaling, k) for k in ("min_replicas", "max_replicas"))
    if many == "auto" or (scaling is not None and low != high):
        return {"dp": _SCALED} if dp == 1 else {}
    many = low if scaling is not None else many
    return {"dp": many} if dp == 1 and type(many) is int and 1 < many < _MOST else {}


def _whole(found: object, names: Mapping[str, str]) -> dict[str, Any]:
    """The whole numbers of a mapping, by our names; dashes count as underscores."""
    if not isinstance(found, dict):
        return {}
    plain = {str(k).replace("-", "_"): _number(v) for k, v in found.items()}
    values = {ours: plain.get(theirs) for theirs, ours in names.items()}
    return {k: v for k, v in values.items() if type(v) is int and 0 < v < _MOST}


def _number(value: object) -> object:
    """A number that stands in quotes is what is asked for, too; Ray refuses it (CONF117)."""
    return int(value) if isinstance(value, str) and _DIGITS.match(value) else value


def gpu_nodes(cluster: Object, gpus_of_template: Any) -> tuple[int, int] | None:
    """How many GPU pods a RayCluster's spec asks for, and their GPUs; None where it is odd.

    `gpus_of_template` counts the GPUs of one pod template.
    """
    groups = _list(_at(cluster, "spec", "workerGroupSpecs"))
    head = gpus_of_template(_at(cluster, "spec", "headGroupSpec", "template"))
    pods, gpus = int(head > 0), head
    for one in groups:
        each = gpus_of_template(_at(one, "template"))
        many = None if _at(cluster, "spec", "enableInTreeAutoscaling") else _replicas(one)
        if many is None:
            return None
        pods, gpus = pods + many * (each > 0), gpus + many * each
    return (pods, gpus) if pods else None


def _replicas(group: object) -> int | None:
    """A group's pods, kept between its limits (kuberay `GetWorkerGroupDesiredReplicas`)."""
    asked, low, high = (_at(group, k) for k in ("replicas", "minReplicas", "maxReplicas"))
    if any(type(n) is not int and n is not None for n in (asked, low, high)):
        return None
    if _at(group, "suspend"):
        return 0
    many = max(asked or 0, low or 0)
    hosts = _at(group, "numOfHosts")
    many = many if high is None else min(many, high)
    return many * (hosts if type(hosts) is int and hosts > 0 else 1) if many >= 0 else None


def _at(value: object, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
