"""NCCL006."""

from collections.abc import Callable, Iterable, Sequence

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.facts import ras_motion as motion
from distcheck.checks.facts.group_pods import GroupPods
from distcheck.checks.facts.hang_sign import Sign
from distcheck.checks.facts.hang_signs import HangSigns
from distcheck.checks.facts.ras_view import Communicator, Named, RasView
from distcheck.checks.facts.small_group import SmallGroup
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import few
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned

_CITED = 4
_SLOW = 120
"""Seconds for which a rank may lag while an engine compiles, before that is a hang."""
_SERVING = 8
"""Seconds for which a rank of a serving engine may lag, as one does that compiles a kernel."""
_REMEDIES = {
    "rank_dead": "Read the end of that pod's log and the node's kernel log (Xid, out of memory),"
    " then start the whole group again: a rank does not come back alone.",
    "rank_missing": "Read the log of the pod that lacks a rank, then start the whole group again:"
    " a rank does not come back alone.",
    "rank_stuck": "Look at what that process does (`py-spy dump --pid`), at its GPU (Xid in the"
    " kernel log), and at its links; then start the whole group again.",
    "comm_error": "Look at NCCL004 and at the log of that rank for what failed first, then start"
    " the group again.",
    "init_stuck": "Allow all TCP ports between the group's pods (NCCL picks its own), set"
    " NCCL_SOCKET_IFNAME to the pods' interface, and read the lines with NCCL_DEBUG=INFO.",
    "rendezvous_waits": "See that every pod of the group runs its ranks and reaches the leader's"
    " address and master port (NET001, NET002); give all the same world size.",
    "rank_spinning": "Send one short request: if it does not end, see what each rank does"
    " (`py-spy dump --pid`) and start the whole group again; if it ends, nothing hangs.",
    "engine_dead": "Restart the group, and point the livenessProbe at /health, which answers 503"
    " once the engine is dead.",
}


@check("NCCL006", weight="supporting", remedies=_REMEDIES)
def no_rank_stuck(
    ras: RasView | Missing, signs: HangSigns, small: SmallGroup, group: GroupPods
) -> Verdict:
    """No rank is missing or stuck (NCCL RAS).

    Proves:
        NCCL's own RAS (2.24 and newer) answers for every rank of the group: none is lacking in
        any communicator, none has failed, and those of one communicator called each collective
        equally often, or the ones that were behind went on between two looks. It does not
        prove that the next collective succeeds, nor that the present one ends: ranks that all
        launched it and wait on their GPUs have equal counts. Sends and receives are not
        counted by RAS. GPUs that are busy while every counter between nodes stands still are a
        warning alone: of a group on one node, or without two looks ten seconds apart, they say
        nothing.

    Causes:
        rank_dead: a rank's process is gone or has not answered NCCL's RAS for a minute
        rank_missing: a rank is not there, does not answer, or left what others still use
        rank_stuck: a rank stays behind the others' collectives, or one of them timed out
        comm_error: NCCL reports an error of a communicator, or it was aborted
        init_stuck: ranks began to set up NCCL long ago and have not completed it
        rendezvous_waits: ranks wait for others that never come
        rank_spinning: the ranks' GPUs are busy, and nothing moves between their nodes
        engine_dead: the engine has ended, while its API process and its pod stay

    Remedy:
        Restart the whole group: ranks of one world live and die together. Before that, read
        the log of the rank that is named, and the kernel log of its node. RAS is asked where
        the agent may look from inside pods, and NCCL_RAS_ENABLE is not 0.
    """
    steps: tuple[Callable[[RasView], Verdict | None], ...]
    steps = (_dead, _broken, _silent, _left, _init)
    if isinstance(ras, RasView):
        found = next((v for step in steps if (v := step(ras)) is not None), None)
        found = found or _stuck(ras, signs, group)
        if found is not None:
            return found
    for sign in signs.signs[:1]:
        return _signed(sign, group)
    if small.lone:
        return skipped(small.no_communicator, small.lone)
    if isinstance(ras, Missing):
        return unknown(f"no sign of a hang, and RAS was not seen: {ras.reason}")
    return _undecided(ras) or _pass(ras)


def _signed(sign: Sign, group: GroupPods) -> Verdict:
    remedy = _REMEDIES[sign.cause]
    if sign.cause == "rendezvous_waits" and group.namespace:
        pods = list(dict.fromkeys(sign.subjects))[:1]
        remedy = "".join(f"{group.last_lines(p)} shows what {p} does. " for p in pods) + remedy
    tell = failed if sign.sure else warned
    return tell(sign.says, sign.cause, sign.cites, dict.fromkeys(sign.subjects), remedy)


def _fail(cause: str, says: str, cites: Iterable[Cite], subjects: Iterable[str] = ()) -> Verdict:
    return failed(says, cause, cites, dict.fromkeys(subjects), _REMEDIES[cause])


def _named(ranks: Sequence[Named]) -> str:
    return few([r.name for r in ranks])


def _pods(ranks: Iterable[Named]) -> list[str]:
    return [r.pod for r in ranks if r.pod]


def _of(one: Communicator) -> str:
    return f" (communicator {one.now.hash} of {one.now.size})"


def _dead(ras: RasView) -> Verdict | None:
    """RAS gives a process up after a minute, and never takes it back."""
    for one in ras.communicators:
        dead = [r for r in one.ranks if r.rank.dead]
        if dead:
            says = f"{_named(dead)} {several(len(dead), 'is')} dead for NCCL's RAS"
            return _lacks(ras, "rank_dead", f"{says}{_of(one)}", one, dead)
    lost = [where for process, where in ras.lost if process.dead]
    short = any(c.missing for c in ras.communicators)
    if lost and short:
        says = f"{counted(len(lost), 'rank')} dead for NCCL's RAS: {few(lost)}"
        return _fail("rank_dead", says, ras.cites, [w.partition(" on ")[0] for w in lost])
    return None


def _broken(ras: RasView) -> Verdict | None:
    for one in ras.communicators:
        ranks = motion.broken(one)
        if ranks or "ERROR" in one.now.errors or one.now.status == "ABORT":
            first = ranks[0].rank if ranks else None
            why = (first.error or first.init or "aborted") if first else "an error"
            says = f"NCCL reports {why!r}{_of(one)}" + (f": {_named(ranks)}" if ranks else "")
            return _fail("comm_error", says, [one.cite], _pods(ranks))
    return None


def _silent(ras: RasView) -> Verdict | None:
    """A process that was silent in one look may be slow; in two it is gone."""
    for one in ras.communicators:
        silent = motion.gone(one, silent=True)
        if not silent:
            continue
        again = [r for r in silent if r.rank.rank in motion.gone_before(one)]
        says = f"{_named(again or silent)} {several(len(again or silent), 'does')} not answer"
        if again:
            says = f"{says}, now and {one.seconds} s before{_of(one)}"
            return _lacks(ras, "rank_missing", says, one, again)
        says = f"{says} NCCL's RAS in one look{_of(one)}"
        return warned(says, "rank_missing", [one.cite], _pods(silent), _REMEDIES["rank_missing"])
    return None


def _left(ras: RasView) -> Verdict | None:
    """Ranks that answer, and are no members of what others still hold."""
    for one in ras.communicators:
        again = [
            r for r in motion.gone(one, silent=False) if r.rank.rank in motion.gone_before(one)
        ]
        if again:
            says = f"{_named(again)} left what the others still hold"
            says = f"{says}, now and {one.seconds} s before{_of(one)}"
            return _lacks(ras, "rank_missing", says, one, again)
        if leaves := motion.leaving(one):
            says = f"{_named(leaves)} {several(len(leaves), 'is')} leaving what the others hold"
            says = f"{says}, now and {one.seconds} s before{_of(one)}"
            return _lacks(ras, "rank_missing", says, one, leaves)
    return None


def _lacks(
    ras: RasView, cause: str, says: str, one: Communicator, ranks: Sequence[Named]
) -> Verdict:
    """A loss; only a warning where it is of nobody's pod, and the group's own world is whole."""
    if not _pods(ranks) and any(c is not one and _is_world(ras, c) for c in ras.communicators):
        says = f"{says}; the group's own {ras.wanted} ranks are all there"
        return warned(says, cause, [one.cite], (), _REMEDIES[cause])
    return _fail(cause, says, [one.cite], _pods(ranks))


def _is_world(ras: RasView, one: Communicator) -> bool:
    """Whether it holds all ranks of the group, each in one of its pods and alive."""
    alive = [r for r in one.ranks if r.pod and not (r.rank.missing or r.rank.dead)]
    return len(alive) == one.now.size == ras.wanted


def _init(ras: RasView) -> Verdict | None:
    for one in ras.communicators:
        if motion.is_starting(one) and motion.started_before(one) and one.seconds >= _SLOW:
            ranks = motion.starting(one)
            who = _named(ranks) if ranks else "its ranks"
            says = f"{who} have not set it up in {one.seconds} s{_of(one)}"
            return _fail("init_stuck", says, [one.cite], _pods(ranks))
    return None


def _stuck(ras: RasView, signs: HangSigns, group: GroupPods) -> Verdict | None:
    """Before an engine serves, a rank may compile for a while that the others wait for."""
    for one in ras.communicators:
        ranks = motion.stuck(one)
        if one.graphs or (not ranks and not motion.stands(one)):
            continue
        who = f"{_named(ranks)} {several(len(ranks), 'is')} behind" if ranks else "ranks differ"
        at = motion.gap(one, ranks[0]) if ranks else "by RAS's text"
        says = f"{who}: {at}, no call in {one.seconds} s{_of(one)}"
        cites = [*(_counts(one, r) for r in ranks[:_CITED]), one.cite]
        pods, remedy = dict.fromkeys(_pods(ranks)), _look_at(ranks, group)
        if one.seconds >= (_SERVING if signs.started else _SLOW):
            return failed(says, "rank_stuck", cites, pods, remedy)
        why = f"{says}{'; look again' if signs.started else '; the engine is still starting'}"
        return warned(why, "rank_stuck", cites, pods, remedy)
    return None


def _counts(one: Communicator, rank: Named) -> Cite:
    what = f"rank {rank.rank.rank}, pid {rank.rank.pid} in its container: {motion.gap(one, rank)}"
    return Cite(what, one.cite.source, one.cite.seen_at)


def _look_at(ranks: Sequence[Named], group: GroupPods) -> str:
    """With the command for the first rank whose pod and process are known."""
    known = next((r for r in ranks if r.pod and r.rank.pid), None)
    general = _REMEDIES["rank_stuck"]
    if known is None or not group.namespace:
        return general
    command = group.run(known.pod, f"py-spy dump --pid {known.rank.pid}")
    return general.replace("`py-spy dump --pid`", command)


def _undecided(ras: RasView) -> Verdict | None:
    """One look at ranks that differ proves nothing: collectives outrun the question."""
    for one in ras.communicators:
        if motion.is_starting(one):
            return unknown(f"ranks still set up NCCL{_of(one)}", [one.cite])
        if one.missing:
            lacks = f"{counted(one.missing, 'rank')} not in RAS's answer"
            return unknown(f"{lacks}{_of(one)}: not seen twice", [one.cite])
        if why := _differ(one):
            return unknown(f"{why}{_of(one)}", [one.cite])
    if ras.wanted is None:
        return unknown("how many ranks there should be is not known", ras.cites)
    if ras.processes < ras.wanted:
        says = f"RAS answers for {ras.processes} of {ras.wanted} ranks"
        return unknown(says, ras.cites)
    return None


def _differ(one: Communicator) -> str:
    """Why the counts of a communicator do not tell yet; empty where they do."""
    uneven = motion.is_uneven(one) or one.now.errors == "MISMATCH"
    if uneven and one.graphs:
        return "ranks differ, and this NCCL counts calls of CUDA graphs on some of them only"
    if uneven and (one.again is None or motion.fresh(one)):
        return "ranks differ in one look; ask again"
    return "RAS tells no counts of some ranks" if motion.uncounted(one) else ""


def _pass(ras: RasView) -> Verdict:
    many = sum(c.now.alike for c in ras.communicators)
    moved = [c for c in ras.communicators if motion.is_uneven(c)]
    how = "those behind went on between two looks" if moved else "as many calls on each"
    sizes = sorted({c.now.size for c in ras.communicators}, reverse=True)
    of = f"{counted(many, 'communicator')} of {' and '.join(map(str, sizes[:3]))}"
    says = f"RAS answers for all {ras.wanted} ranks in {of}: {how}"
    cites = [*ras.cites, *(c.cite for c in moved)]
    return passed(says, cites[: 2 * _CITED])
