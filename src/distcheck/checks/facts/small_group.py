"""Groups in which no rank has another one to talk to, or none beyond its own pod."""

from typing import Self

from distcheck.checks.evidence import Cite, Evidence, Missing
from distcheck.checks.facts.engine_worlds import EngineWorlds
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.wanted_world import WantedWorld


class SmallGroup(Fact, frozen=True, kw_only=True):
    """What shows that the group is small; empty where nothing does.

    `lone`: every rank is a world of its own, which has no communicator. `one_pod`: one pod has
    all GPUs that are asked for. It says nothing about the ranks themselves: it has no gaps.
    """

    lone: tuple[Cite, ...] = ()
    one_pod: tuple[Cite, ...] = ()

    @property
    def no_communicator(self) -> str:
        """The reason in words, where `lone` holds."""
        return "a world of one rank has no communicator"

    @property
    def no_other_node(self) -> str:
        """The reason in words, where `lone` or `one_pod` holds."""
        return self.no_communicator if self.lone else "the group is one pod: no rank is elsewhere"

    @classmethod
    def fold(cls, evidence: Evidence) -> Self:
        """From the pods of the group, and the worlds that its engine's lines show."""
        alone = only_pod(evidence)
        return cls(lone=tuple(_lone(evidence)), one_pod=(alone,) if alone else ())


def only_pod(evidence: Evidence) -> Cite | None:
    """What shows that one pod is the whole group: it has all GPUs that are asked for."""
    if len(evidence.pods) != 1:
        return None
    pod, wanted = evidence.pods[0], evidence.intent.gpus_wanted
    if wanted > pod.gpus or (evidence.intent.nodes or 1) > 1:
        return None
    gpus = wanted or pod.gpus
    all_of_them = "the one GPU that is" if gpus == 1 else f"all {gpus} GPUs that are"
    what = f"{pod.name} is the only pod and has {all_of_them} asked for"
    return Cite(what, f"pods of {evidence.target.name}")


def _lone(evidence: Evidence) -> tuple[Cite, ...]:
    """By the engine's lines; where there are none, one GPU in one pod has room for one rank."""
    wanted, engine = folded(WantedWorld, evidence), folded(EngineWorlds, evidence)
    if isinstance(wanted, Missing) or wanted.gaps or wanted.size != 1:
        return ()
    worlds = engine.worlds if isinstance(engine, EngineWorlds) else ()
    if not worlds:
        alone = only_pod(evidence)
        return (wanted.cite, alone) if alone and evidence.pods[0].gpus == wanted.whole == 1 else ()
    whole = all(w.size == 1 and w.complete and w.met for w in worlds)
    if not whole or len(worlds) != wanted.dp or (isinstance(engine, EngineWorlds) and engine.gaps):
        return ()
    return (*(r.cite for w in worlds for r in w.ranks), wanted.cite)
