"""SHARD002."""

from distcheck.checks.check import check
from distcheck.checks.evidence import Missing
from distcheck.checks.facts.engine_start import EngineStart
from distcheck.checks.facts.engine_worlds import EngineWorlds
from distcheck.checks.facts.group_pods import GroupPods
from distcheck.checks.facts.nccl_worlds import NcclWorlds
from distcheck.checks.facts.sharding_process import RunningRanks
from distcheck.checks.facts.sharding_remedies import mixed_starts, one_engine, other_layout
from distcheck.checks.facts.wanted_world import WantedWorld
from distcheck.checks.facts.world_witness import Testimony, engine_testimony, nccl_testimony
from distcheck.checks.verdict import Verdict, failed, passed, unknown


@check("SHARD002")
def one_world(
    wanted: WantedWorld,
    start: EngineStart,
    engine: EngineWorlds | Missing,
    nccl: NcclWorlds | Missing,
    running: RunningRanks,
    group: GroupPods,
) -> Verdict:
    """The group is one world: communicators and engine agree on TP x PP (x DP) ranks.

    Proves:
        Every rank that is asked for was seen in one world of that size, by the engine's rank
        lines, by NCCL's communicators, or by both, and neither speaks against it. With DP of
        a dense model, that there is one such world a copy, or one of all; with DP of a model
        with experts, which its copies share, that there is one of all. It does not prove that
        the ranks still answer each other.

    Causes:
        world_split: the ranks form worlds of another size, number or layout than asked for
        witnesses_disagree: the engine's lines and NCCL's communicators tell different worlds

    Remedy:
        Look for more than one engine in the group: each pod that runs its own `vllm serve`
        is a world of its own. Only the leader starts the engine; workers run `ray start
        --address=...` or `vllm serve --headless`. Where the witnesses disagree, logs of an
        earlier start may still be there: restart the group, or remove them.
    """
    told = (engine_testimony(engine, wanted), nccl_testimony(nccl, wanted, running))
    opinions = {t.opinion for t in told}
    cites = (*(c for t in told for c in t.cites), *start.cites, wanted.cite)
    subjects = dict.fromkeys(s for t in told for s in t.subjects)
    if opinions & {"as wanted", "in part"} and "otherwise" in opinions:
        says = f"the witnesses disagree: {_both(told)}; {wanted} asks for {wanted.asks}"
        return failed(says, "witnesses_disagree", cites, subjects, mixed_starts(group, group.nodes))
    if "otherwise" in opinions:
        says = f"{_of(told, 'otherwise')}, where {wanted} asks for {wanted.asks}"
        return failed(says, "world_split", cites, subjects, _remedy(engine, wanted, group))
    if "as wanted" in opinions and (other := wanted.servers).says:
        return unknown(f"{other.says}; yet {_of(told, 'as wanted')}", (*other.cites, *cites))
    if "as wanted" in opinions:
        return passed(f"{_of(told, 'as wanted')}, as {wanted} asks", cites, subjects)
    return unknown(_both(told), cites)


def _remedy(engine: EngineWorlds | Missing, wanted: WantedWorld, group: GroupPods) -> str | None:
    """For pods that are worlds of their own; the page's where it is not that plain."""
    if isinstance(engine, Missing) or not engine.worlds:
        return None
    homes = [one.pods for one in engine.worlds]
    every = [pod for pods in homes for pod in pods]
    if len(homes) > 1 and all(len(pods) == 1 for pods in homes):
        return one_engine(group, every, wanted)
    return other_layout(group, every, wanted)


def _of(told: tuple[Testimony, ...], opinion: str) -> str:
    return ", and ".join(t.says for t in told if t.opinion == opinion)


def _both(told: tuple[Testimony, ...]) -> str:
    return "; ".join(dict.fromkeys(part for t in told for part in t.says.split("; ")))
