"""SHM002."""

from collections.abc import Callable, Sequence

from distcheck.checks.check import check
from distcheck.checks.facts.shm_use import PodUse, ShmUse
from distcheck.checks.facts.shm_words import few_names, size
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.names import names
from distcheck.checks.verdict import Verdict, failed, passed, warned

_FULL = 1 << 16
_MUCH, _ALMOST = 10, 20
_DAY = 86_400
_HARMLESS = 16 << 20


@check("SHM002", weight="supporting")
def not_filling(use: ShmUse) -> Verdict:
    """/dev/shm is not filling up or full of leaked segments.

    Proves:
        What dead ranks left in /dev/shm of every pod leaves room for the ranks, now and at their
        next start, and the level did not go on rising while the agent watched. A segment is
        leaked where it has a name of NCCL's or of Python's and no process of the pod maps it
        or has it open. Without an earlier look of the agent a rise is not seen.

    Causes:
        shm_leaked: segments of dead ranks take the room, as nobody removes them after a crash
        shm_filling: it is full, or its level goes on rising

    Remedy:
        Delete the pod: its /dev/shm goes with it, and outlives a restart of its containers.
        To clean without that, stop the ranks and remove `nccl-*` and `psm_*` from /dev/shm
        before they start again, as the first line of the container's command:
        `rm -f /dev/shm/nccl-* /dev/shm/psm_*`. Then look for why the ranks died: each crash
        leaves its segments. A level that rises with nobody dying is a program's own leak.
    """
    for judge in (_no_room, _full, _next_start, _much, _rising):
        verdict = judge(use.pods)
        if verdict is not None:
            return verdict
    return passed(_room(use.pods), [p.cite for p in use.pods], [p.shm.pod for p in use.pods])


def _no_room(pods: Sequence[PodUse]) -> Verdict | None:
    """Ranks that have yet to start do not find what they need."""
    found = [p for p in pods if p.free < p.wanted <= p.size]
    if not found:
        return None
    one = min(found, key=lambda p: p.free)
    by = _leaks(one) if one.leaked else f"{size(one.used)} of {size(one.size)} are used"
    says = f"/dev/shm of {one.shm.pod}: {by}; {size(one.free)} are free, and the ranks need"
    if not one.sure:
        unsure = f"{says} {one.shm.need.least_says}, unless they have it already"
        return _said(warned, unsure, found)
    return _said(failed, f"{says} {one.shm.need.least_says}", found)


def _full(pods: Sequence[PodUse]) -> Verdict | None:
    found = [p for p in pods if p.free < _FULL]
    if not found:
        return None
    by = f": {_leaks(found[0])}" if found[0].leaked else ""
    says = f"/dev/shm of {names(p.shm.pod for p in found)} is full ({size(found[0].size)}){by}"
    return _said(failed, f"{says}; the next page that a rank writes there ends it", found)


def _next_start(pods: Sequence[PodUse]) -> Verdict | None:
    """What is leaked stays when the ranks start again."""
    found = [p for p in pods if p.leaked and p.size - p.leaked_bytes < p.shm.need.least <= p.size]
    if not found:
        return None
    left = f"leave {size(found[0].size - found[0].leaked_bytes)} for the next start"
    says = f"/dev/shm of {found[0].shm.pod}: {_leaks(found[0])}, and {left}, which needs"
    return _said(warned, f"{says} {found[0].shm.need.least_says}", found)


def _much(pods: Sequence[PodUse]) -> Verdict | None:
    found = [p for p in pods if p.leaked_bytes * _MUCH >= p.size and p.leaked_bytes >= _HARMLESS]
    if not found:
        return None
    one = max(found, key=lambda p: p.leaked_bytes)
    says = f"/dev/shm of {one.shm.pod}: {_leaks(one)}; {size(one.free)} of {size(one.size)} are"
    return _said(warned, f"{says} still free", found)


def _rising(pods: Sequence[PodUse]) -> Verdict | None:
    found = [p for p in pods if p.rise is not None and p.rise.left < _DAY]
    if not found:
        return None
    one = min(found, key=lambda p: p.rise.left if p.rise else _DAY)
    if one.rise is None:
        return None
    says = f"/dev/shm of {one.shm.pod} rose by {size(one.rise.bytes)} in {_time(one.rise.seconds)}"
    says += f" to {size(one.used)} of {size(one.size)}; at that pace it is full"
    return _said(warned, f"{says} in {_time(one.rise.left)}", found, "shm_filling")


def _said(
    verdict: Callable[..., Verdict], says: str, found: Sequence[PodUse], cause: str = ""
) -> Verdict:
    told = cause or ("shm_leaked" if found[0].leaked else "shm_filling")
    return verdict(says, told, [p.cite for p in found], [p.shm.pod for p in found])


def _leaks(one: PodUse) -> str:
    files = counted(one.leaked, "segment")
    shown = f" ({few_names([one.names])})" if one.names else ""
    verb = "takes" if one.leaked == 1 else "take"
    return f"{files} of dead ranks{shown} {verb} {size(one.leaked_bytes)}"


def _room(pods: Sequence[PodUse]) -> str:
    least = min(pods, key=lambda p: p.free)
    says = f"{size(least.used)} of {size(least.size)} are used in {least.shm.pod}"
    if least.free * _ALMOST < least.size:
        says += ", so that it is almost full"
    leaked = [p for p in pods if p.leaked]
    if not leaked:
        return f"no leaked segment; {says}"
    return f"{says}; in {leaked[0].shm.pod} {_leaks(leaked[0])}, which does no harm yet"


def _time(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
