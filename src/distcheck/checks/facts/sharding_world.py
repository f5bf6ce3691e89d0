"""Into how many parts the ranks' worlds cut the model: the witness that memory cannot fool."""

from typing import Self

from distcheck.checks.evidence import Cite, Evidence, Missing
from distcheck.checks.facts.engine_worlds import EngineWorlds
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.nccl_worlds import NcclWorlds
from distcheck.checks.facts.sharding_process import RunningRanks
from distcheck.checks.facts.wanted_world import WantedWorld
from distcheck.checks.facts.world_witness import engine_testimony, nccl_testimony


class WorldWitness(Fact, frozen=True, kw_only=True):
    """Whether whole worlds of the wanted size were seen, and nothing that speaks against them."""

    as_wanted: bool
    otherwise: bool
    says: str
    cites: tuple[Cite, ...] = ()
    worlds: int = 0

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From the engine's rank lines and NCCL's communicators, as SHARD002 judges them."""
        wanted = folded(WantedWorld, evidence)
        if isinstance(wanted, Missing):
            return wanted
        told = (
            engine_testimony(folded(EngineWorlds, evidence), wanted),
            nccl_testimony(folded(NcclWorlds, evidence), wanted, RunningRanks.fold(evidence)),
        )
        opinions = {t.opinion for t in told}
        speaks = [t for t in told if t.opinion in ("as wanted", "otherwise")]
        return cls(
            as_wanted="as wanted" in opinions and "otherwise" not in opinions,
            otherwise="otherwise" in opinions,
            says=", and ".join(t.says for t in speaks) or "; ".join(t.says for t in told),
            cites=tuple(c for t in speaks for c in t.cites),
            worlds=max((t.worlds for t in speaks), default=0),
        )
