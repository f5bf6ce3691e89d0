"""SHARD003."""

from distcheck.checks.check import check
from distcheck.checks.facts.group_pods import GroupPods
from distcheck.checks.facts.sharding_balance import Balances
from distcheck.checks.facts.sharding_remedies import odd_rank
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import in_turn
from distcheck.checks.verdict import Verdict, passed, warned


@check("SHARD003", weight="supporting")
def balanced_memory(seen: Balances, group: GroupPods) -> Verdict:
    """Memory is balanced over the ranks.

    Proves:
        By NVML every rank holds what the plan predicts for its place: as much as the others of
        its pipeline stage, which have the same weights and the same cache. Stages differ from
        each other and are not compared. One GPU of each node may hold more, by the contexts
        that the node's other ranks leave there. It does not prove that the weights are cut:
        copies are balanced too (SHARD001).

    Causes:
        unbalanced: a rank holds more, or less, than others with the same part of the model

    Remedy:
        See what runs on the GPUs that are named: a second engine, a rank that was restarted
        alone, a model loaded by hand, or a rank that has not finished loading. Experts that
        are moved by load (EPLB) differ by whole experts.
    """
    odd = [r for r in seen.ranks if r.odd]
    if odd:
        one = max(odd, key=lambda r: abs(r.used - r.predicted))
        says = f"{len(odd)} of {counted(len(seen.ranks), 'rank')} {several(len(odd), 'holds')} what"
        says += f" {several(len(odd), 'its')} place does not explain: {one.pod}"
        says += f" holds {one.used:.2f} GiB on {one.uuid}, where ranks of stage {one.stage}"
        says += f" hold {one.predicted:.2f} GiB"
        cites = (*(r.cite for r in odd), *seen.cites)
        remedy = odd_rank(group, one.pod, one.uuid)
        return warned(says, "unbalanced", cites, dict.fromkeys(r.uuid for r in odd), remedy)
    most = max((abs(r.used - r.predicted) for r in seen.ranks), default=0.0)
    stages = len({r.stage for r in seen.ranks})
    count = len(seen.ranks)
    says = f"each of {count} ranks is" if count != 1 else "the one rank is"
    says += f" within {max(most, 0.01):.2f} GiB of what its place predicts"
    says += f", in {stages} stages" * (stages > 1)
    every = in_turn(seen.ranks, lambda r: r.pod)
    return passed(says, (*(r.cite for r in every), *seen.cites))
