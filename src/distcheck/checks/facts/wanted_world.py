"""The world that the group is meant to be."""

from distcheck.checks.evidence import Cite, Evidence, Missing
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.running_layout import running_otherwise


class WantedWorld(Fact, frozen=True, kw_only=True):
    """TP x PP ranks for each of `dp` copies, as specs and command lines ask."""

    tp: int
    pp: int
    dp: int
    cite: Cite

    @property
    def size(self) -> int:
        """Ranks of one copy."""
        return self.tp * self.pp

    @property
    def whole(self) -> int:
        """Ranks of all copies: the one world of a mixture-of-experts model with DP."""
        return self.size * self.dp

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
        gaps = tuple(running_otherwise(evidence))
        return cls(tp=tp, pp=pp, dp=dp, cite=cite, gaps=gaps)
