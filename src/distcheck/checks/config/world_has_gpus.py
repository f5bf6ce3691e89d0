"""CONF001: the parallel sizes against the GPUs of the group."""

from collections.abc import Iterator

from distcheck.checks.evidence.group import Intent
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.container import Asks, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.hybrid_pods import idle_in_pods
from distcheck.checks.manifest.nim_chart import by_default, sized, unseen_default
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.standing_alone import stands_alone, waits_for
from distcheck.pattern import pattern

FLAGS = (
    "--tensor-parallel-size", "--tensor_parallel_size", "-tp", "--tp-size", "--tp",
    "tensor_parallel_size", "NIM_TENSOR_PARALLEL_SIZE", "--pipeline-parallel-size",
    "--pipeline_parallel_size", "-pp", "--pp-size", "--pp", "--data-parallel-size", "--dp",
    "tensor-parallel-size", "TENSOR_PARALLEL",
)  # fmt: skip


SHARED = "whether these are whole GPUs, or shares of one (time-slicing, MPS)"


@rule("CONF001", level="error", others=("warning",))
def world_has_gpus(group: Group) -> Iterator[Finding]:
    """TP x PP x DP is the number of GPUs of the group.

    What:
        The engine is asked for another number of ranks than its pods have GPUs; a size that is
        not told is 1. With hybrid load balancing each pod's local copies are counted.
    Why:
        Every rank needs a GPU of its own. With too few the engine waits for GPUs that never
        come, or ends with an error; with too many the rest stands idle and is paid for.
    Fix:
        Make tensor-parallel size x pipeline-parallel size (x data-parallel size) equal to
        pods x GPUs of a pod.
    Fails:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "8"]
                resources: {limits: {nvidia.com/gpu: 4}}
    Passes:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "8"]
                resources: {limits: {nvidia.com/gpu: 8}}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c, "vllm serve /m --tensor-parallel-size $TP"]
            env: [{name: TP, valueFrom: {configMapKeyRef: {name: c, key: tp}}}]
            resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        vLLM docs/serving/parallelism_scaling.md; SHARD002 proves it on the live group.
    """
    if short := list(_short_containers(group)):
        yield from short
        return
    yield from idle_in_pods(group)
    wanted, gpus, intent = _wanted(group), group.gpus, group.intent
    if wanted is None or gpus is None or wanted == gpus:
        return
    if not gpus:
        yield from _none_made(group, wanted)
        return
    if wanted < gpus and intent.tp is None and not _one_rank_wide(group):
        return
    product = _product(intent)
    has = _has(group, gpus)
    if wanted > gpus:
        says = f"{product} needs {counted(wanted, 'GPU')}, and {has}"
        spot, unseen = _spot(group, wanted), _open(group)
        yield Finding(spot, says, _more(group, wanted, gpus), unseen=unseen)
    elif not group.is_whole or _others_use_them(group):
        yield from _two_copies(group, product)
    elif _each_alone(group, wanted):
        says = f"{product} fills each pod of {group.name}, and nothing joins them: each serves a"
        fix = f"For one copy, join the pods (CONF035 has how) and make TP x PP x DP {gpus}. For a"
        fix = f"{fix} copy in each pod, {_ALONE.get(group.leader.template.kind, _APART)}."
        yield Finding(_spot(group), f"{says} whole copy", fix, level="warning")
    else:
        idle = f"{gpus - wanted} stand idle" if gpus - wanted > 1 else "one stands idle"
        says = f"{product} uses {counted(wanted, 'GPU')}, and {has}: {idle}"
        fix = f"Make TP x PP x DP {gpus}, or give the group {counted(wanted, 'GPU')} only."
        fix = _pods(group, wanted) or fix
        unseen = SHARED if wanted == 1 else _elastic(group)
        yield Finding(_spot(group, wanted), says, fix, level="warning", unseen=unseen)


def _elastic(group: Group) -> str:
    """What may use the rest later: vLLM and SGLang add copies while they serve."""
    elastic = any(c.surely_has("--enable-elastic-ep", "--max-ep-size") for _, c in group.engines)
    return "the copies that are added while it serves" if elastic else ""


def _none_made(group: Group, wanted: int) -> Iterator[Finding]:
    """Groups of a RayCluster that has no autoscaler, with no replica of those that have GPUs."""
    having = [m.template for m in group.members if m.template.gpus]
    if not having or not having[0].of_ray:
        return  # CONF010 tells of pods that ask for none
    first = having[0]
    places = first.owner_place.at(*first.place.path[:-1])
    hosts = places.number("numOfHosts") or 1
    told = places.at("replicas")
    many = -(-wanted // (first.gpus * hosts))
    says = f"{_product(group.intent)} needs {counted(wanted, 'GPU')}, and {group.name} has none:"
    says = f"{says} its groups with GPUs have 0 replicas, and nothing scales them"
    fix = f"Write `replicas: {many}`, or set `enableInTreeAutoscaling: true`."
    yield Finding(told.spot if told else places.at("minReplicas").spot, says, fix)


def _more(group: Group, wanted: int, gpus: int) -> str:
    """What gives the group as many GPUs; of NIM's chart the value that counts its pods."""
    template, pods = group.leader.template, group.pods or 1
    if by_default(template):
        each = wanted // pods if wanted % pods == 0 else "N"
        return f"Write `resources: {{limits: {{nvidia.com/gpu: {each}}}}}`."
    given = f"Make TP x PP x DP {gpus}, or give the group {wanted} GPUs."
    return _pods(group, wanted) or given


def _pods(group: Group, wanted: int) -> str:
    """How NIM's chart is told of so many pods, where TP fits one: else TP is what is wrong."""
    fits = group.leader.template.gpus % (group.intent.tp or 1) == 0
    return sized(group.leader.template, wanted) if fits else ""


def _open(group: Group) -> str:
    """What may still give it more GPUs."""
    template = group.leader.template
    default = unseen_default(template.owner_place) if by_default(template) else ""
    return group.open or default


def _wanted(group: Group) -> int | None:
    """Ranks that it is asked for; None where they are not known, or are of two servers."""
    intent = group.intent
    unknown = [k for k in ("tp", "pp", "dp", "arguments") if k in intent.unread]
    usual = 1 if intent.engine in ("vllm", "sglang") and not intent.unread else None
    tp = intent.tp or usual
    if tp is None or unknown or intent.dp_balancer in ("external", "hybrid"):
        return None
    if group.claims_gpus:
        return None
    if any(_cuts_prompts(c) for _, c in group.engines):
        return None
    return None if _of_two_servers(group) else tp * (intent.pp or 1) * (intent.dp or 1)


def _cuts_prompts(engine: Container) -> bool:
    """Whether ranks share prompts, too: vLLM's world is TP x PP x PCP (vllm/config/parallel.py)."""
    told = (v for c in engine.commands for flag in _PCP for v in c.values(flag))
    return any(v != "1" for v in told)


_PCP = ("--prefill-context-parallel-size", "--prefill_context_parallel_size", "-pcp")
_APART = "make each a group of its own"
_ALONE = {"LeaderWorkerSet": "set `size: 1` and raise `replicas`"}


def _two_copies(group: Group, product: str) -> Iterator[Finding]:
    """A leader and a worker that serve the same model, each for itself: a router may know both."""
    every = [(m.template, e, e.asks) for m, e in group.engines if m.template.gpus]
    told = {(a.engine, a.model, a.tp, a.pp, a.dp) for _, _, a in every if a}
    whole = all(a and (a.tp or 1) * (a.pp or 1) == t.gpus for t, _, a in every)
    if group.leader.template.kind != "LeaderWorkerSet" or len(told) != 1 or not whole:
        return
    parted = any(_PARTED.search(v) for _, e, _ in every for v in _said(e))
    if len(every) > 1 and not parted and all(stands_alone(e) for _, e, _ in every):
        says = f"{product} fills each pod of {group.name}, and nothing joins them: each serves a"
        fix = f"For one copy, join the pods (CONF035 has how) and make TP x PP x DP {group.gpus}."
        unseen = "whether something shares requests between them"
        yield Finding(_spot(group), f"{says} whole copy", fix, unseen=unseen)


_PARTED = pattern(
    r"(?i)prefill|decode|disagg|kv[-_]?(?:transfer|role|connector)|lmcache|nixl|mooncake"
)


def _said(engine: Container) -> Iterator[str]:
    yield engine.name
    yield from (t.text for t in engine.texts)
    yield from (f"{v.name}={v.value}" for v in engine.env)


def _of_two_servers(group: Group) -> bool:
    """Whether the sizes are of two servers, one of which joins nothing: CONF035 tells of it."""
    every = [(m, e.asks, e) for m, e in group.engines if e.asks]
    if not any(m is not group.leader and stands_alone(e) for m, _, e in every):
        return False
    sizes = {(a.tp or 1, a.pp or 1, a.dp or 1) for _, a, _ in every}
    return len(sizes) > 1 and bool(waits_for(every[0][2]))


def _each_alone(group: Group, wanted: int) -> bool:
    """Whether every pod runs an engine for its own GPUs, that knows of no other pod."""
    serving = [(m.template, e) for m, e in group.engines if m.template.gpus]
    return (group.pods or 0) > 1 and all(
        t.gpus == wanted and e.asks and (e.asks.nnodes or 1) == 1 and not e.joins and not e.ray
        for t, e in serving
    )


def _product(asks: Asks | Intent) -> str:
    sizes = {"TP": asks.tp, "PP": asks.pp, "DP": asks.dp}
    return " x ".join(f"{k}={v}" for k, v in sizes.items() if v and (k == "TP" or v > 1))


def _short_containers(group: Group) -> Iterator[Finding]:
    """Engines of one pod that take the GPUs of its other containers for their own."""
    template = group.leader.template
    having = [c for c in template.containers if c.gpus]
    for container in having if group.pods == 1 and len(having) > 1 else ():
        asks = container.asks
        if asks is None or asks.unread or asks.executor == "ray" or (asks.nnodes or 1) > 1:
            continue
        wanted = (asks.tp or 1) * (asks.pp or 1) * (asks.dp_local or asks.dp or 1)
        if wanted > container.gpus:
            says = f"{_product(asks)} needs {counted(wanted, 'GPU')}, and container"
            says = f"{says} {container.name} has {container.gpus}: it sees none of the others'"
            yield Finding(container.spot_of(*FLAGS), says)


def _one_rank_wide(group: Group) -> bool:
    """Whether TP is 1 because stages or copies are told, and nothing else; else CONF007 tells."""
    intent, asked = group.intent, group.asked()
    if asked is None or max(intent.pp or 1, intent.dp or 1) == 1 or asked[1].nim:
        return False
    told = [w for c in asked[1].commands for w in c.words] + [t.text for t in asked[1].texts]
    return not any("--config" in t or "tensor" in t or "--tp" in t or t == "-tp" for t in told)


def _others_use_them(group: Group) -> bool:
    """Whether other engines run in the same pods, or each pod has one behind a router."""
    for member in group.members:
        having = [c for c in member.template.containers if c.gpus]
        if len(having) > 1 or any(c.servers > 1 or _shares_out(c) for c in having):
            return True
    first = group.leader.template
    serving = [e for m, e in group.engines if m.template.gpus]
    joined = any(e.joins or e.ray or not e.asks or (e.asks.nnodes or 1) > 1 for e in serving)
    own = not first.gpus or len({m.template.place.spot for m in group.members}) > 1
    return own and not first.of_ray and not joined


def _shares_out(container: Container) -> bool:
    """Whether its script gives each of several servers GPUs of its own."""
    return any("CUDA_VISIBLE_DEVICES=$" in t.text and "do\n" in t.text for t in container.texts)


_NIM = (("multiNode", "tensorParallelSize"), ("multiNode", "workers"),
    ("spec", "multiNode", "parallelism", "tensor"))  # fmt: skip


def _spot(group: Group, wanted: int = 0) -> Spot:
    """What sizes the group: NIM's variable, which wins over its fields, else the engine's flags.

    Of a NIM's values what counts its pods, where the fix is to write another number there.
    """
    owner = group.leader.template.owner_place
    if _pods(group, wanted) and (many := owner.at("multiNode")):
        off = many.at("enabled").value is False
        told = many.at("enabled" if off else "workers")
        return told.spot if told else many.key
    fields = tuple(owner.at(*path) for path in _NIM)
    names = (e.variable("NIM_TENSOR_PARALLEL_SIZE") for _, e in group.engines if e.nim)
    own = (*(v.place.at("value") for v in names if v and not v.given), *fields)
    return next((one.spot for one in own if one), None) or group.spot_of(*FLAGS)


def _has(group: Group, gpus: int) -> str:
    parts = [f"{m.pods} x {m.template.gpus}" for m in group.members if m.template.gpus]
    given = ", the chart's default" if by_default(group.leader.template) else ""
    shown = f" ({' + '.join(parts)}{given})" if group.pods != 1 else given
    return f"{group.name} has {gpus}{shown}"
