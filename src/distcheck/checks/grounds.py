"""What a rule for manifests must have seen before finding nothing is a pass.

On paper silence is enough. In a report a rule says that something is right, so it needs something
that it is about: a known model, an address that is joined, a second pod. Each rule is listed here.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from distcheck.checks.knowledge.known_models import known_model
from distcheck.checks.knowledge.model_lengths import length_of
from distcheck.checks.knowledge.quantised_blocks import cut_of
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.template import Template


class Aside(Struct, frozen=True):
    """Why a rule that found nothing says nothing; `is_open` where it could not look.

    Else what the rule is about is not here.
    """

    says: str
    is_open: bool = False


Ground = Callable[[Bundle], Aside | None]


def aside(rule: str, bundle: Bundle) -> Aside | None:
    """Why silence of `rule` proves nothing; None where it is a pass."""
    if not bundle.judged:
        return Aside("nothing here has GPUs or runs an engine that is known", is_open=True)
    tries = GROUNDS.get(rule, (_never,))
    return next((told for ground in tries if (told := ground(bundle)) is not None), None)


def _never(_bundle: Bundle) -> Aside:
    return Aside("what this rule must see to pass is not said", is_open=True)


def _read(bundle: Bundle) -> Aside | None:
    """Every engine's command line; KubeRay starts Ray itself, mpirun the ranks of workers."""
    made = ("Ray", "MPIJob")
    own = (t for t in bundle.templates if not t.kind.startswith(made))
    for one in (t.engine for t in own if t.engine is not None):
        if not (one.nim or one.asks or one.ray or one.joins):
            return Aside(f"what container {one.name} starts is not in its manifest", is_open=True)
    return None


def _several(bundle: Bundle) -> Aside | None:
    groups = bundle.groups
    if any(g.pods is None or g.pods > 1 for g in groups):
        return None
    why = next((g.open for g in groups if not g.is_whole), "" if groups else "no group was found")
    return Aside(why or "a group of one pod", is_open=bool(why))


def _sized(bundle: Bundle) -> Aside | None:
    """Ranks and GPUs, both known, and as many."""
    for group in bundle.groups:
        intent = group.intent
        tp = intent.tp or (1 if intent.engine in ("vllm", "sglang") else None)
        why = _uncounted(group)
        if not why and (tp is None or intent.dp_balancer in ("external", "hybrid")):
            why = f"how many ranks {group.name} starts is not known"
        if not why and (tp or 0) * (intent.pp or 1) * (intent.dp or 1) != group.gpus:
            why = group.open or f"{group.name} has {group.gpus} GPUs, and no TP is given"
        if why:
            return Aside(why, is_open=True)
    return _several(bundle) if not bundle.groups else None


def _uncounted(group: Group) -> str:
    missing = next(iter(group.intent.unread.values()), "")
    none = "" if group.gpus else f"how many GPUs {group.name} has is not known"
    return missing or none


def _model(bundle: Bundle) -> Aside | None:
    for group in bundle.groups if bundle.config is None else ():
        name = group.intent.model
        found = known_model(name or "")
        if found is None:
            says = f"what model {name} is is not known" if name else "no model is named"
            return Aside(says, is_open=True)
    return None


def _lengths(bundle: Bundle) -> Aside | None:
    """A model whose length is known, and a context that is asked for."""
    vllm = [c for c in _engines(bundle) if c.asks and c.asks.engine == "vllm"]
    if not any("--max-model-len" in w.replace("_", "-") for c in vllm for w in (*c.words, *c.argv)):
        return Aside("no --max-model-len is given")
    lost = next((c.asks.model for c in vllm if c.asks and not length_of(c.asks.model or "")), "")
    return Aside(f"how long {lost}'s context is is not known", is_open=True) if lost else None


def _nodes(bundle: Bundle) -> Aside | None:
    """Two command lines of one engine that can be compared."""
    told = [c.asks for c in _engines(bundle) if c.asks]
    if lost := next((why for a in told for why in a.unread.values()), ""):
        return Aside(lost, is_open=True)
    return None if len(told) > 1 else Aside("no two nodes have a command line of their own")


def _blocks(bundle: Bundle) -> Aside | None:
    known = any(cut_of(g.intent.model or "") for g in bundle.groups)
    return None if known else Aside("no model that is known to be stored in blocks is here")


def _weighed(bundle: Bundle) -> Aside | None:
    for group in bundle.groups if bundle.config is None else ():
        found = known_model(group.intent.model or "")
        if found is None or found.least_bytes is None:
            return Aside(f"how large {group.intent.model} is is not known", is_open=True)
        if why := _uncounted(group):
            return Aside(why, is_open=True)
    return None


def _vllm_or_sglang(bundle: Bundle) -> Aside | None:
    known = any(c.asks and c.asks.engine in ("vllm", "sglang") for c in _engines(bundle))
    return None if known else Aside("of vLLM and SGLang only")


def _copies(bundle: Bundle) -> Aside | None:
    several = any(g.intent.engine == "vllm" and (g.intent.dp or 1) > 1 for g in bundle.groups)
    return None if several else Aside("no vLLM with several copies is here")


def _sglang(bundle: Bundle) -> Aside | None:
    known = any(c.asks and c.asks.engine == "sglang" for c in _engines(bundle))
    return None if known else Aside("no SGLang is here")


def _nnodes(bundle: Bundle) -> Aside | None:
    told = any(c.asks and c.asks.nnodes is not None for c in _engines(bundle))
    return None if told else Aside("no --nnodes is given")


def _joined(bundle: Bundle) -> Aside | None:
    """An address that is joined, all of which can be read."""
    joins = [j for c in _containers(bundle) for j in c.joins]
    if not joins:
        return Aside("no address that pods join is written here")
    lost = next((j.host for j in joins if not j.is_read), None)
    return None if lost is None else Aside(f"what {lost} becomes is not known", is_open=True)


def _ray(bundle: Bundle) -> Aside | None:
    kinds = any(t.kind.startswith("Ray") for t in bundle.templates)
    asked = (c for c in _containers(bundle) if c.ray or (c.asks and c.asks.executor == "ray"))
    joined = any(c.joins_ray for c in _containers(bundle))
    named = any("ray" in c.words for c in _containers(bundle))
    there = kinds or joined or named or any(asked)
    return None if there else Aside("nothing here starts Ray")


def _nim(bundle: Bundle) -> Aside | None:
    there = any(c.nim for c in _containers(bundle))
    kinds = any(t.kind.startswith("NIM") for t in bundle.templates)
    return None if there or kinds else Aside("no NIM is here")


def _mpi(bundle: Bundle) -> Aside | None:
    kinds = any(t.kind == "MPIJob" for t in bundle.templates)
    started = any(w.startswith("mpi") for c in _containers(bundle) for w in c.words)
    asked = any(c.asks and c.asks.ranks for c in _engines(bundle))
    return None if kinds or started or asked else Aside("nothing here starts ranks with MPI")


def _launched(bundle: Bundle) -> Aside | None:
    words = {w.rpartition("/")[2] for c in _containers(bundle) for w in c.words}
    there = words & {"torchrun", "lmdeploy", "--num-shard"}
    return None if there else Aside("no launcher of ranks is here")


def _tensorrt(bundle: Bundle) -> Aside | None:
    asked = any(c.asks and c.asks.engine == "triton-trtllm" for c in _containers(bundle))
    words = (w for c in _containers(bundle) for w in (c.image, *c.words))
    named = any("trtllm" in w or "triton" in w for w in words)
    return None if asked or named else Aside("no TensorRT-LLM is here")


def _services(bundle: Bundle) -> Aside | None:
    return None if bundle.services else Aside("no Service is beside it")


def _maps(bundle: Bundle) -> Aside | None:
    """Each ConfigMap that the pods take files or variables from: of a live group few are read."""
    seen = {(t.namespace, t.name) for t in bundle.of_kind("ConfigMap")}
    wanted = {(t.namespace, n) for t in bundle.templates if t.serves for n in _map_names(t)}
    if lost := sorted(name for space, name in wanted if (space, name) not in seen):
        return Aside(f"ConfigMap {lost[0]} was not read", is_open=True)
    return None if wanted else Aside("nothing here is taken from a ConfigMap by its keys")


def _map_names(template: Template) -> Iterator[str]:
    for volume in template.volumes.values():
        parts = [volume, *volume.each("projected", "sources")]
        yield from (n for p in parts if (n := p.at("configMap").text("name")))
    for container in template.every:
        named = (e.at("valueFrom", "configMapKeyRef") for e in container.place.each("env"))
        yield from (n for e in named if (n := e.text("name")))


def _claims(bundle: Bundle) -> Aside | None:
    held = any(bundle.of_kind("PersistentVolumeClaim"))
    made = any(t.owner_place.at("spec", "volumeClaimTemplates") for t in bundle.templates)
    return None if held or made else Aside("no claim that several pods mount is here")


def _probes(bundle: Bundle) -> Aside | None:
    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    there = any(c.place.at(k) for c in _containers(bundle) for k in kinds)
    return None if there else Aside("no probe is here")


def _asked(bundle: Bundle) -> Aside | None:
    if bundle.services or any(bundle.of_kind("RayService")):
        return None
    return _probes(bundle) and Aside("no probe and no Service is here")


def _variables(*starts: str) -> Ground:
    def ground(bundle: Bundle) -> Aside | None:
        names = {v.name for c in _containers(bundle) for v in c.env}
        names |= {n for c in _containers(bundle) for one in c.commands for n in one.variables}
        there = any(n.startswith(starts) for n in names)
        return None if there else Aside(f"no {starts[0]} is set here")

    return ground


def _rdma(bundle: Bundle) -> Aside | None:
    given = any(c.rdma for c in _containers(bundle))
    return None if given else _variables("NCCL_NET", "NCCL_IB_", "FI_")(bundle)


def _lws(bundle: Bundle) -> Aside | None:
    there = any(bundle.of_kind("LeaderWorkerSet"))
    return None if there else Aside("no LeaderWorkerSet is here")


def _engines(bundle: Bundle) -> Iterator[Container]:
    """The containers that hold ranks."""
    yield from (t.engine for t in bundle.templates if t.engine is not None)


def _containers(bundle: Bundle) -> Iterator[Container]:
    yield from (c for t in bundle.templates for c in t.every)


_SPEC: tuple[Ground, ...] = ()
"""Of a pod's or object's fields alone, all of which are seen."""
GROUNDS: dict[str, tuple[Ground, ...]] = {
    "CONF001": (_read, _sized), "CONF002": (_read, _nnodes), "CONF003": (_read, _ray),
    "CONF004": (_read, _ray), "CONF005": (_read, _vllm_or_sglang, _model),
    "CONF006": (_read, _vllm_or_sglang, _weighed), "CONF007": (_read,),
    "CONF008": (_read, _several, _nnodes), "CONF009": (_nim,), "CONF010": (_read,),
    "CONF011": (_read, _ray), "CONF018": (_read, _mpi), "CONF019": (_read, _ray),
    "CONF020": (_read, _joined), "CONF021": (_read, _several, _joined),
    "CONF022": (_read, _several, _ray), "CONF023": (_several,), "CONF024": (_services,),
    "CONF025": (_read, _several, _services), "CONF026": (_read, _several),
    "CONF027": (_services,), "CONF028": (_services,), "CONF029": (_several,),
    "CONF030": (_services,), "CONF031": (_read, _several), "CONF032": (_read, _ray),
    "CONF033": (_read, _ray), "CONF034": (_read, _several), "CONF035": (_read, _several),
    "CONF037": (_read, _joined),
    "CONF038": (_read, _joined), "CONF039": (_read, _several), "CONF040": (_rdma,),
    "CONF041": (_variables("NCCL_SOCKET_IFNAME"),), "CONF042": (_variables("NCCL_"),),
    "CONF043": (_rdma,), "CONF044": _SPEC, "CONF045": (_several,),
    "CONF046": (_variables("NCCL_"),), "CONF047": (_variables("NCCL_"),), "CONF048": _SPEC,
    "CONF060": _SPEC, "CONF061": _SPEC, "CONF062": _SPEC, "CONF063": _SPEC, "CONF064": _SPEC,
    "CONF065": _SPEC, "CONF070": _SPEC, "CONF071": _SPEC, "CONF072": _SPEC, "CONF073": _SPEC,
    "CONF074": _SPEC, "CONF075": _SPEC, "CONF076": _SPEC, "CONF077": _SPEC, "CONF078": _SPEC,
    "CONF079": _SPEC, "CONF080": (_probes, _read), "CONF081": (_probes, _read),
    "CONF082": (_services,), "CONF083": _SPEC, "CONF084": (_read, _several),
    "CONF085": (_read,), "CONF086": (_read,),
    "CONF088": (_lws,), "CONF089": _SPEC, "CONF090": (_several, _claims), "CONF091": _SPEC,
    "CONF092": _SPEC, "CONF093": _SPEC, "CONF094": (_several,), "CONF095": (_several,),
    "CONF096": _SPEC, "CONF097": _SPEC, "CONF098": _SPEC, "CONF099": _SPEC,
    "CONF100": _SPEC, "CONF101": (_maps,), "CONF104": (_ray,),
    "CONF110": (_nim,), "CONF058": (_read, _ray),
    "CONF111": (_read, _ray), "CONF112": (_read, _ray), "CONF113": (_read, _tensorrt),
    "CONF114": (_several,), "CONF115": (_read,), "CONF116": (_read,),
    "CONF016": (_read, _lengths), "CONF017": (_read, _several, _nodes),
    "CONF049": (_variables("GLOO_SOCKET_IFNAME"),), "CONF066": _SPEC,
    "CONF051": (_several,), "CONF107": (_read, _vllm_or_sglang),
    "CONF102": _SPEC, "CONF109": (_read, _several),
    "CONF117": (_read, _vllm_or_sglang), "CONF103": _SPEC, "CONF119": (_mpi,),
    "CONF118": (_read, _several, _services),
    "CONF012": (_read, _vllm_or_sglang, _blocks),
    "CONF013": (_launched,), "CONF014": (_read, _sglang), "CONF015": (_read, _several, _copies),
    "CONF036": (_read, _asked), "CONF087": _SPEC,
    "CONF120": (_read, _several),
    "CONF121": (_several,), "CONF050": _SPEC, "CONF054": (_mpi,), "CONF055": (_read, _several),
    "CONF056": (_read, _several), "CONF057": (_read, _vllm_or_sglang, _model),
    "CONF105": _SPEC, "CONF106": (_nim,), "CONF108": _SPEC,
}  # fmt: skip
