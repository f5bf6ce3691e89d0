"""The world that the group is meant to be."""

from distcheck.checks.evidence import Cite, Evidence, Missing, ModelConfig
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.running_layout import OtherServers, running_otherwise


class WantedWorld(Fact, frozen=True, kw_only=True):
    """TP x PP ranks for each of `dp` copies, as specs and command lines ask.

    `mixture`: the model has experts, so that ranks of all copies are one world: the experts
    are spread over them (vLLM, `data_parallel_size` in parallel_state.py). A dense model's
    copies are worlds of their own since vLLM 0.14. None where its config.json was not seen.
    `servers` are those that run another layout.
    """

    tp: int
    pp: int
    dp: int
    cite: Cite
    mixture: bool | None = None
    servers: OtherServers = OtherServers()

    @property
    def size(self) -> int:
        """Ranks of one copy."""
        return self.tp * self.pp

    @property
    def whole(self) -> int:
        """Ranks of all copies: the one world of a mixture-of-experts model with DP."""
        return self.size * self.dp

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes that its worlds may have: of one copy, or of all."""
        return (self.whole,) if self.mixture else (self.size, self.whole)

    @property
    def asks(self) -> str:
        """`one of 16`, or `2 of 8`."""
        one = self.dp == 1 or self.mixture
        shared = ", as the copies share their experts" if self.mixture and self.dp > 1 else ""
        return f"one of {self.whole}{shared}" if one else f"{self.dp} of {self.size}"

    def __str__(self) -> str:
        """For messages: `TP=8 x PP=2`."""
        parts = [f"TP={self.tp}"]
        parts += [f"PP={self.pp}"] * (self.pp > 1) + [f"DP={self.dp}"] * (self.dp > 1)
        return " x ".join(parts)

    @classmethod
    def fold(cls, evidence: Evidence) -> "WantedWorld | Missing":
        """From the intent; Missing where nothing says how many ranks there should be."""
        intent = evidence.intent
        if intent.tp is None:
            return Missing("no command line or spec says how many ranks the engine should have")
        tp, pp, dp = intent.tp, intent.pp or 1, intent.dp or 1
        if min(tp, pp, dp) < 1:
            return Missing(f"TP={tp} x PP={pp} x DP={dp} is no layout")
        what = f"TP={tp} x PP={pp} x DP={dp} is asked for"
        cite = Cite(what, intent.sources.get("tp", "intent"))
        servers, mixture = running_otherwise(evidence), _mixture(evidence)
        gaps = servers.gaps
        return cls(tp=tp, pp=pp, dp=dp, cite=cite, mixture=mixture, servers=servers, gaps=gaps)


_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""Names of their number, as vLLM looks for it (config/model.py, `get_num_experts`)."""


def _mixture(evidence: Evidence) -> bool | None:
    looks = (evidence.look(p).model for p in evidence.pods)
    model = next((m for m in looks if isinstance(m, ModelConfig)), None)
    if model is None:
        return evidence.intent.ep or None
    inner = model.config.get("text_config")
    every = (model.config, inner if isinstance(inner, dict) else {})
    return any(_some(shape.get(name)) for shape in every for name in _EXPERTS)


def _some(count: object) -> bool:
    """A number of experts; some models have one for each layer."""
    if isinstance(count, list):
        return any(_some(one) for one in count if not isinstance(one, list))
    return isinstance(count, int) and count > 1
