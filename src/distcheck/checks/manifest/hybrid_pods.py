"""Pods that each have a front-end for their own copies: what they use of their own GPUs."""

from collections.abc import Iterator

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.container import Asks, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.hidden import hidden_before_engine
from distcheck.checks.manifest.listening import is_loose

_UNREAD = frozenset({"tp", "pp", "dp", "dp_local", "arguments"})
_LOCAL = ("--data-parallel-size-local", "-dpl", "dataLocal")


def idle_in_pods(group: Group) -> Iterator[Finding]:
    """GPUs that the local copies of vLLM's hybrid load balancing leave idle, once a template."""
    told: set[int] = set()
    for pod in group.each_pod:
        template, engine, asks = pod.member.template, pod.engine, pod.engine.asks
        if asks is None or id(template) in told or not _alone(engine, asks):
            continue
        uses = (asks.tp or 1) * (asks.pp or 1) * (asks.dp_local or 1)
        beside = any(c.gpus for c in template.containers if c.name != engine.name)
        if uses < engine.gpus and not beside:
            told.add(id(template))
            idle = engine.gpus - uses
            idles = "one stands idle" if idle == 1 else f"{idle} stand idle"
            says = f"each pod of {template.what} starts {counted(uses, 'rank')}"
            says = f"{says}{_made_of(asks)}, and has {counted(engine.gpus, 'GPU')}: {idles}"
            unseen = hidden_before_engine(engine)
            yield Finding(engine.spot_of(*_LOCAL), says, _fix(asks, engine), "warning", unseen)


def _alone(engine: Container, asks: Asks) -> bool:
    """Whether it is one vLLM with copies of its own, all of whose sizes are read."""
    plain = asks.engine == "vllm" and asks.dp_hybrid_lb and asks.executor in (None, "mp")
    sizes = asks.dp_local and not _UNREAD & set(asks.unread) and (asks.nnodes or 1) == 1
    loose = any(is_loose(c.words) or "--config" in c.words for c in engine.commands)
    whole = engine.value("CUDA_VISIBLE_DEVICES") is None and engine.servers == 1
    return bool(plain and sizes) and whole and not loose


def _made_of(asks: Asks) -> str:
    sizes = (("TP", asks.tp), ("PP", asks.pp))
    parts = [f"{k}={v}" for k, v in sizes if v and v > 1]
    return f" ({counted(asks.dp_local or 1, 'copy')} of {' x '.join(parts)})" if parts else ""


def _fix(asks: Asks, engine: Container) -> str:
    """As many copies as the pod has room for."""
    each = (asks.tp or 1) * (asks.pp or 1)
    uses = each * (asks.dp_local or 1)
    fewer = f"give each pod {counted(uses, 'GPU')}"
    if engine.gpus % each:
        return f"{fewer[0].upper()}{fewer[1:]}."
    more = f"Write `--data-parallel-size-local {engine.gpus // each}`, with as many more in all"
    return f"{more}, or {fewer}."
