"""NET004."""

from distcheck.checks.check import check
from distcheck.checks.evidence import Missing
from distcheck.checks.facts.interconnect import Interconnect
from distcheck.checks.facts.rdma_use import RdmaUse
from distcheck.checks.facts.small_group import SmallGroup
from distcheck.checks.knowledge.plan_fabric import Fabric, carries, pp_across, tp_across
from distcheck.checks.verdict import Verdict, passed, skipped, unknown, warned

_WHAT = {"tp": "TP={tp} crosses nodes", "experts": "experts are spread over nodes"}


@check("NET004", weight="supporting")
def interconnect_fits(net: Interconnect, use: RdmaUse, small: SmallGroup) -> Verdict:
    """The interconnect fits the chosen parallelism.

    Proves:
        The links that NCCL may use on each node carry what has to cross nodes: 200 Gb/s or more
        for each GPU where tensor parallelism or experts cross, any RDMA where only pipeline
        stages do. Rates are those that the links say of themselves; what a switch between them
        carries, and what others send over them, is not seen.

    Causes:
        tp_across_slow: tensor parallelism crosses nodes, and each layer waits for the network
        experts_across_slow: experts are spread over nodes, and each of their layers waits for it

    Remedy:
        Keep tensor parallelism inside a node, over NVLink, and let pipeline stages cross:
        `distcheck plan --model PATH --interconnect RATE` compares the layouts. If the links
        should be faster, look at why they are not: RDMA001 and NCCL002.
    """
    alone = small.lone or small.one_pod
    if alone:
        return skipped(small.no_other_node, alone)
    if use.aside:
        return skipped(use.aside, use.cites)
    if net.crossing == "copies":
        return passed(f"{net.wanted}: each copy of the model fits in a node", net.cites)
    if net.crossing == "pp":
        return _stages(net)
    return _each_layer(net)


def _stages(net: Interconnect) -> Verdict:
    over = "TCP sockets" if net.sockets else "any network"
    says = f"{net.wanted}: only pipeline stages cross nodes, which {over} can carry"
    return passed(says, net.cites)


def _each_layer(net: Interconnect) -> Verdict:
    what = _WHAT[net.crossing].format(tp=net.tp)
    cause = f"{net.crossing}_across_slow"
    if net.sockets:
        says = f"{what} over TCP sockets (NCCL002): one node would answer sooner than two"
        instead = _instead(net, None)
        mend = f"Mend what NCCL002 names first. {instead}" if instead else None
        return warned(says, cause, net.cites, remedy=mend)
    if isinstance(net.fabric, Missing):
        return unknown(f"{what}, and {net.fabric.reason}", net.cites)
    if carries(net.fabric) in ("pp", "pp_only"):
        says = f"{what}, with {net.fabric.words} for each GPU: each layer waits for it"
        says = f"{says}, and fewer nodes may answer sooner"
        return warned(says, cause, net.cites, remedy=_instead(net, net.fabric))
    return passed(f"{what}: {tp_across(net.fabric)}", net.cites)


def _instead(net: Interconnect, fabric: Fabric | None) -> str | None:
    """The layout to take instead; None where tensor parallelism is not what crosses."""
    if net.crossing != "tp" or net.tp % net.per_node:
        return None
    stages = net.pp * net.tp // net.per_node
    flags = f"--tensor-parallel-size {net.per_node} --pipeline-parallel-size {stages}"
    return f"Run with `{flags}`: {pp_across(net.per_node, fabric)}."
