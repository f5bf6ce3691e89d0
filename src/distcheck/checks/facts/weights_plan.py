"""What each rank should hold, computed from the model and the layout that is asked for."""

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing, ModelConfig, VllmLog
from distcheck.checks.facts.fact import Fact
from distcheck.checks.knowledge.weights import GIB, Layout, stage_weights

_DEGREES = (1, 2, 4, 8, 16, 32, 64, 128)


class Expected(Struct, frozen=True):
    """GiB that one rank of each pipeline stage holds under TP x PP."""

    tp: int
    pp: int
    stages: tuple[float, ...]

    @property
    def degree(self) -> int:
        """Into how many parts one copy is cut."""
        return self.tp * self.pp


class WeightsPlan(Fact, frozen=True, kw_only=True):
    """What each rank should hold: under the layout asked for, and under the others."""

    wanted: Expected
    others: tuple[Expected, ...]
    cites: tuple[Cite, ...]

    @property
    def layouts(self) -> tuple[Expected, ...]:
        """All of them, the wanted one first."""
        return (self.wanted, *self.others)

    @classmethod
    def fold(cls, evidence: Evidence) -> "WeightsPlan | Missing":
        """From the intent and the model's `config.json`; Missing where either is not known."""
        intent = evidence.intent
        if intent.tp is None:
            return Missing("no command line or spec says into how many parts the model is cut")
        looks = [evidence.look(p).model for p in evidence.pods]
        models = [m for m in looks if isinstance(m, ModelConfig)]
        model = models[0] if models else None
        if model is None:
            reasons = dict.fromkeys(m.reason for m in looks if isinstance(m, Missing))
            return Missing("; ".join(reasons) or "the model's config.json was not seen")
        tp, pp = intent.tp, intent.pp or 1
        wanted = _expected(evidence, model, tp, pp)
        if isinstance(wanted, Missing):
            return wanted
        cut = {(d, p): None for p in (1, pp) for d in _DEGREES if (d, p) != (tp, pp)}
        others = [_expected(evidence, model, *one) for one in cut]
        differ = any(m.config != model.config for m in models)
        return cls(
            gaps=("config.json differs between pods: which one is served",) if differ else (),
            wanted=wanted,
            others=tuple(e for e in others if isinstance(e, Expected)),
            cites=(
                Cite(f"TP={tp} x PP={pp} is asked for", intent.sources.get("tp", "intent")),
                Cite(f"{_gib(wanted)} GiB of weights a rank, computed", model.path),
            ),
        )


def _gib(wanted: Expected) -> str:
    return " or ".join(dict.fromkeys(f"{g:.4f}" for g in wanted.stages))


def _expected(evidence: Evidence, model: ModelConfig, tp: int, pp: int) -> Expected | Missing:
    logs = [v for p in evidence.pods if isinstance(v := evidence.look(p).vllm, VllmLog)]
    intent = evidence.intent
    found = stage_weights(
        model.config,
        Layout(tp, pp, intent.dp or 1, intent.ep or any(log.ep for log in logs)),
        version=next((log.version for log in logs if log.version), None),
        dtype=next((log.dtype for log in logs if log.dtype), None),
        quantisation=next((log.quantization for log in logs if log.quantization), None),
    )
    if isinstance(found, Missing):
        return found
    return Expected(tp, pp, tuple(size / GIB for size in found))
