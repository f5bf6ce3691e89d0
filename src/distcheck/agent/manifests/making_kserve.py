"""What KServe makes of an InferenceService, and of runtimes that nothing in the input uses."""

from collections.abc import Iterator, Mapping
from typing import Any

from distcheck.agent.manifests.field_types import fields
from distcheck.agent.manifests.kserve_nodes import Nodes, nodes_of
from distcheck.agent.manifests.kserve_words import is_hugging_face, is_vllm, rest_of, served, stored
from distcheck.agent.manifests.made import Made, tie_of
from distcheck.agent.manifests.others import MODELS, RUNTIMES, Others
from distcheck.agent.manifests.pieces import Pieces, only
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Part

HEAD, WORKER = "kserve-container", "worker-container"


def inference_service(thing: Thing, others: Others) -> Iterator[Made]:
    """KServe `components/predictor.go`: the runtime's pod with what the predictor says over it."""
    predictor = thing.place.at("spec", "predictor")
    model = next((predictor.at(n) for n in MODELS if predictor.at(n)), None)
    if model is None:
        yield _custom(thing, predictor)
        return
    runtime = _runtime(thing, model.text("runtime"), others)
    spec = runtime.place.at("spec") if runtime else Place(predictor.of, predictor.path, None)
    worker = predictor.at("workerSpec")
    nodes = nodes_of(spec, predictor, model) if worker else None
    rest = rest_of(model, spec)
    head = _pod(thing, spec, predictor, model, HEAD, nodes)
    copies = predictor.number("minReplicas") or 1
    if not worker:
        yield Made(thing, head, thing.kind, count=copies, env=_env(thing), rest=rest)
        return
    env = {**_env(thing), **(nodes.env if nodes else {})}
    yield Made(thing, head, thing.kind, "leader", 1, tie_of(thing), env=env, rest=rest)
    count = nodes.count - 1 if nodes else None
    if count == 0:
        return
    own = next(iter(worker.each("containers")), worker.at("containers", 0))
    pod = _pod(thing, spec.at("workerSpec"), worker, own, WORKER, nodes)
    env = {**env, "ISVC_NAME": thing.name, "HEAD_SVC": f"{thing.name}-head-1"}
    yield Made(thing, pod, thing.kind, "worker", count, tie_of(thing), env=env, rest=rest)


def runtime(thing: Thing, others: Others) -> Iterator[Made]:
    """One that an InferenceService of the input names is judged with it."""
    if any(_is_near(one, thing) for one in others.using.get(thing.name, ())):
        return
    spec = thing.place.at("spec")
    rest = "what InferenceServices that use it add"
    parts: dict[Part, Place] = {"alone": spec, "worker": spec.at("workerSpec")}
    for part, place in parts.items():
        if place.at("containers"):
            pieces = Pieces(place)
            whole = {"spec": pieces.at(("spec",), only(place, fields()["PodSpec"]))}
            yield Made(thing, pieces.place(whole), thing.kind, part, None, rest=rest)


def _custom(thing: Thing, predictor: Place) -> Made:
    """Containers of its own: nothing but variables and volumes for the model come to them."""
    pieces = Pieces(predictor)
    own = only(predictor, fields()["PodSpec"])
    whole = {"metadata": _labels(thing, predictor), "spec": pieces.at(("spec",), own)}
    count = predictor.number("minReplicas") or 1
    return Made(thing, pieces.place(whole), thing.kind, count=count, env=_env(thing))


def _pod(
    thing: Thing, under: Place, over: Place, own: Place, name: str, nodes: Nodes | None
) -> Place:
    """The pod of a runtime, or of its workers, with the fields of `over` put over it.

    `own` are the fields of the container of that name.
    """
    pieces = Pieces(over)
    known = [f for f in fields()["PodSpec"] if f != "containers"]
    spec = pieces.merged(("spec",), only(under, known), only(over, known)) or {}
    others = [c for c in under.each("containers") if c.text("name") != name]
    base = next((c for c in under.each("containers") if c.text("name") == name), None)
    first = _container(pieces, base or Place(own.of, own.path, None), own, name)
    if nodes is not None:
        _with_gpus(first, nodes.head if name == HEAD else nodes.worker)
    more = others + (list(over.each("containers")) if name == HEAD else [])
    rest = [pieces.at(("spec", "containers", n), c) for n, c in enumerate(more, 1)]
    whole = {**spec, "containers": [first, *rest]}
    return pieces.place({"metadata": _labels(thing, over), "spec": whole})


def _container(pieces: Pieces, base: Place, own: Place, name: str) -> dict[str, Any]:
    """The runtime's container, with the arguments of the predictor behind its own."""
    at = ("spec", "containers", 0)
    over = only(own, [f for f in fields()["Container"] if f not in ("args", "name")])
    held = dict(pieces.merged(at, only(base, fields()["Container"]), over) or {})
    if not held:
        pieces.at(at, own)
    told = [(w.value, w) for w in (*base.each("args"), *own.each("args"))]
    words = list(stored(told, own.at("storageUri")))
    known = base and not is_hugging_face(base)
    if not known and not held.get("command") and is_vllm(own):
        held["command"] = ["vllm", "serve"]
        words = [(w, p) for w, p in served(words)]
        pieces.at((*at, "command"), own.at("args") or own)
    if words:
        held["args"] = pieces.each((*at, "args"), words)
    pieces.at((*at, "name"), base.at("name") if base else own)
    return {**held, "name": name}


def _with_gpus(container: dict[str, Any], gpus: int | None) -> None:
    """As many as KServe gives it: the limits of the object stay where they are written."""
    if gpus is None:
        return
    held = dict(container.get("resources") or {})
    name = "nvidia.com/gpu"
    both = {k: {**(held.get(k) or {}), name: gpus} for k in ("limits", "requests")}
    container["resources"] = {**held, **both}


def _labels(thing: Thing, place: Place) -> dict[str, Any]:
    meta = thing.place.at("metadata")
    both = {
        k: {**(meta.at(k).value or {}), **(place.at(k).value or {})}
        for k in ("labels", "annotations")
    }
    own = {"serving.kserve.io/inferenceservice": thing.name, "component": "predictor"}
    return {**both, "labels": {**both["labels"], **own}}


def _env(thing: Thing) -> Mapping[str, str]:
    return {"INFERENCE_SERVICE_NAME": thing.name}


def _runtime(thing: Thing, name: str, others: Others) -> Thing | None:
    found = others.named.get(name, ()) if name else ()
    return next((t for t in found if _is_near(thing, t)), None)


def _is_near(service: Thing, other: Thing) -> bool:
    """Whether a runtime may be used there: what has no namespace goes where it is applied."""
    if other.kind not in RUNTIMES or service.kind != "InferenceService":
        return False
    same = not service.namespace or other.namespace in ("", service.namespace)
    return same or other.kind == "ClusterServingRuntime"
