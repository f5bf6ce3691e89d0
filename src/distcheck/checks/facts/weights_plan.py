"""What each rank should hold, computed from the model and the layout that is asked for."""

from collections.abc import Iterator

from msgspec import structs

from distcheck.checks.evidence import (
    Cite,
    EngineArguments,
    Evidence,
    Missing,
    ModelConfig,
    VllmLog,
)
from distcheck.checks.evidence.serving import EngineHttp
from distcheck.checks.facts.engine_gone import is_deserted
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.running_layout import OtherServers, running_otherwise
from distcheck.checks.facts.sharding_allowances import (
    Allowances,
    allowances_of,
    flag_of,
    quantisation_of,
)
from distcheck.checks.facts.sharding_held import HeldMemory
from distcheck.checks.facts.sharding_layouts import Expected, candidates
from distcheck.checks.facts.sharding_process import layer_partition
from distcheck.checks.facts.sharding_sizes import loaded_smaller, sized
from distcheck.checks.knowledge.names import names
from distcheck.checks.knowledge.weights import Engine, Layout, stored_in, with_quant_file

__all__ = ["Expected", "WeightsPlan"]
_DIGITS = 6


class WeightsPlan(Fact, frozen=True, kw_only=True):
    """What each rank should hold: under the layout asked for, and under the others.

    `copies` are those that are asked for (data parallel), `one` is GiB of one copy on one
    GPU. No layout of `others` that needs more than `most` GPUs can explain what was seen
    where only bounds are known. `servers` are those that run another layout.
    """

    wanted: Expected
    others: tuple[Expected, ...]
    cites: tuple[Cite, ...]
    allowed: Allowances = Allowances()
    copies: int = 1
    one: float | None = None
    most: int = 0
    servers: OtherServers = OtherServers()

    @property
    def layouts(self) -> tuple[Expected, ...]:
        """All of them, the wanted one first."""
        return (self.wanted, *self.others)

    def is_wanted(self, layout: Expected) -> bool:
        """Whether it is the cut that is asked for, in whatever type it was loaded."""
        want = self.wanted
        return (layout.tp, layout.pp, layout.dp) == (want.tp, want.pp, want.dp)

    def by_line(self, gib: float, stage: int | None) -> tuple[Expected, ...]:
        """Every layout whose rank of `stage` prints `gib`.

        Where the wanted one does, none that needs more GPUs than the group has is beside it.
        """
        fits = tuple(e for e in self.layouts if self._possible(e) and e.fits(gib, stage))
        if not any(self.is_wanted(e) for e in fits):
            return fits
        return tuple(e for e in fits if e.degree <= self.most)

    def by_memory(self, held: HeldMemory) -> tuple[Expected, ...]:
        """Every layout whose rank may hold what NVML shows, as far as the group has GPUs for it."""
        return tuple(e for e in self.layouts if e.degree <= self.most and held.fits(e))

    def _possible(self, layout: Expected) -> bool:
        return not layout.bounded or layout.degree <= self.most

    @classmethod
    def fold(cls, evidence: Evidence) -> "WeightsPlan | Missing":
        """From the intent and the model's `config.json`; Missing where either is not known."""
        intent = evidence.intent
        if intent.tp is None:
            return Missing("no command line or spec says into how many parts the model is cut")
        found = _model(evidence)
        if isinstance(found, Missing):
            return found
        model, gaps = found
        allowed = allowances_of(evidence)
        engine, heard = engine_of(evidence, allowed)
        asked = Layout(intent.tp, intent.pp or 1, intent.dp or 1, _ep(evidence))
        wanted = sized(model, asked, engine, allowed)
        if isinstance(wanted, Missing):
            return wanted
        layouts = candidates(asked, wanted)
        others = [sized(model, one, engine, allowed) for one in layouts]
        if not heard and stored_in(model.config) is None:
            others += loaded_smaller(model, (asked, *layouts), engine, allowed)
        one = sized(model, Layout(1), engine, allowed)
        servers = running_otherwise(evidence)
        return cls(
            gaps=(*gaps, *_absent(evidence), *servers.gaps),
            servers=servers,
            wanted=wanted,
            others=tuple(e for e in others if isinstance(e, Expected)),
            cites=_cites(evidence, model, wanted),
            allowed=allowed,
            copies=asked.dp if wanted.dp == 1 else 1,
            one=one.stages[0][0][0] if isinstance(one, Expected) else None,
            most=max(evidence.intent.gpus_wanted, sum(p.gpus for p in evidence.pods)),
        )


def _model(evidence: Evidence) -> tuple[ModelConfig, tuple[str, ...]] | Missing:
    looks = [evidence.look(p).model for p in evidence.pods]
    models = [m for m in looks if isinstance(m, ModelConfig)]
    if not models:
        reasons = dict.fromkeys(_unnamed(evidence))
        said = "; ".join(reasons) or "the model's config.json was not seen"
        over = all(is_deserted(evidence, p) for p in evidence.pods)
        hint = "" if over else " (--model PATH gives the model's config.json)"
        return Missing(f"{said}{hint}")
    differ = any(m.config != models[0].config for m in models)
    model = structs.replace(
        models[0], config=with_quant_file(models[0].config, models[0].quant_file)
    )
    return model, ("config.json differs between pods: which one is served",) if differ else ()


def _unnamed(evidence: Evidence) -> Iterator[str]:
    """Why no pod tells its model: where nothing runs any more, that is why."""
    lost = [p for p in evidence.pods if is_deserted(evidence, p)]
    if lost:
        yield f"no engine runs in {names(p.name for p in lost)} that names its model"
    looks = (evidence.look(p).model for p in evidence.pods if p not in lost)
    yield from (m.reason for m in looks if isinstance(m, Missing))


def engine_of(evidence: Evidence, allowed: Allowances) -> tuple[Engine, bool]:
    """What the engine adds to the model's files, and whether its quantisation is known."""
    looks = [evidence.look(p) for p in evidence.pods]
    logs = [v for look in looks if isinstance(v := look.vllm, VllmLog)]
    http = [h for look in looks if isinstance(h := look.engine_http, EngineHttp)]
    versions = [*(log.version for log in logs), *(h.version for h in http)]
    quantisation, heard = quantisation_of(evidence, allowed)
    told = [a for look in looks if isinstance(a := look.arguments, EngineArguments)]
    dtypes = [*(log.dtype for log in logs), flag_of(told, "--dtype")]
    extra = flag_of(told, "--num-redundant-experts") or ""
    engine = Engine(
        version=next((v for v in versions if v), None),
        dtype=next((d for d in dtypes if d), None),
        quantisation=quantisation,
        layer_partition=layer_partition(evidence),
        redundant_experts=int(extra) if extra.isdigit() and len(extra) < _DIGITS else 0,
    )
    return engine, heard


def _ep(evidence: Evidence) -> bool:
    looks = [evidence.look(p).vllm for p in evidence.pods]
    return evidence.intent.ep or any(v.ep for v in looks if isinstance(v, VllmLog))


def _absent(evidence: Evidence) -> tuple[str, ...]:
    """GPUs that are asked for and that no known pod has."""
    asked, gpus = evidence.intent.gpus_wanted, sum(p.gpus for p in evidence.pods)
    if gpus >= asked:
        return () if gpus else ("how many GPUs the group has",)
    return (f"{asked - gpus} GPUs that are asked for and that no pod of the group has",)


def _cites(evidence: Evidence, model: ModelConfig, wanted: Expected) -> tuple[Cite, ...]:
    sizes = " or ".join(
        dict.fromkeys(f"{s:.4f}" for stage in wanted.stages for r in stage for s in r)
    )
    what = f"TP={wanted.tp} x PP={wanted.pp} is asked for"
    return (
        Cite(what, evidence.intent.sources.get("tp", "intent")),
        Cite(f"{sizes} GiB of weights a rank, computed", model.path),
    )
