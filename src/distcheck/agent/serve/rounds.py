"""One round after the other: find the groups, verify each, keep the verdicts."""

import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from distcheck import __version__
from distcheck.agent import clock
from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.finding.group import Group
from distcheck.agent.own_bugs import for_a_log
from distcheck.agent.serve.discover import Serving, discover
from distcheck.agent.serve.journal import Journal
from distcheck.agent.serve.verdicts import Kept, Verdicts, lives_of
from distcheck.checks.evidence import Evidence, NodeLook
from distcheck.checks.judging import Judged

_STUCK_ROUNDS, _STUCK_S = 3, 600.0
"""After this many intervals and seconds without a verdict, rounds are stuck."""

_SOONEST_S, _NAP_S = 10.0, 0.5
_UNLISTED = "serving groups cannot be listed"
Gather = Callable[[Group], Evidence]
Judge = Callable[[Evidence], Judged]


class Duty(Struct, frozen=True):
    """What to verify, how often (seconds), and how many groups at once."""

    namespaces: tuple[str, ...] = ()
    interval: float = 60.0
    at_once: int = 4


class Rounds:
    """Verifies every serving group again and again; one that cannot be seen becomes unknown."""

    def __init__(self, api: Api, duty: Duty, gather: Gather, judge: Judge) -> None:
        self.api, self._duty, self.interval = api, duty, duty.interval
        self._gather, self._judge = gather, judge
        self.verdicts, self._journal = Verdicts(duty.interval), Journal()
        self.over, self._early = threading.Event(), threading.Event()
        self._moved = time.monotonic()
        self._worker = threading.Thread(target=self.run, daemon=True, name="rounds")

    @property
    def alive(self) -> bool:
        """Whether rounds go on: none that hangs keeps us from being started again."""
        idle = time.monotonic() - self._moved
        return self._worker.is_alive() and idle < _STUCK_ROUNDS * self._duty.interval + _STUCK_S

    def start(self) -> None:
        """Go on in a thread of its own."""
        self._worker.start()

    def run(self) -> None:
        """Until `over` is set; a round that takes longer than the interval is followed at once."""
        while not self.over.is_set():
            start = time.monotonic()
            self._early.clear()
            self.once()
            self._rest(start)

    def soon(self) -> None:
        """Begin the next round early, but not sooner than ten seconds after the last began."""
        self._early.set()

    def _rest(self, start: float) -> None:
        interval = self._duty.interval
        while not self.over.is_set():
            early = min(_SOONEST_S, interval) if self._early.is_set() else interval
            left = start + early - time.monotonic()
            if left <= 0:
                return
            self.over.wait(min(left, _NAP_S))

    def once(self) -> None:
        """One round. Never raises: what went wrong is kept as `verdicts.trouble`."""
        verdicts = self.verdicts
        self._moved = time.monotonic()
        try:
            verdicts.discovery = discover(self.api, self._duty.namespaces)
            verdicts.listed = True
        except Exception as error:  # noqa: BLE001 - a cluster must not be able to end the process
            verdicts.listed = False
            known = isinstance(error, ClusterError)
            verdicts.trouble = f"{_UNLISTED}: {error}" if known else _bug(_UNLISTED)
            self._journal.listing(verdicts.trouble)
            return
        self._journal.listing("")
        groups = verdicts.discovery.groups
        try:
            with ThreadPoolExecutor(self._duty.at_once) as pool:
                list(pool.map(self._verify, groups))
        except Exception:  # noqa: BLE001 - without threads or memory; the next round may have them
            verdicts.trouble = _bug("not every group could be verified")
            return
        if not self.over.is_set():
            unread = (a.key for a in verdicts.discovery.apart if a.unread)
            verdicts.forget_others((g.key for g in groups), unread)
            verdicts.trouble = ""
            verdicts.rounds += 1
            self._journal.groups(verdicts.all(time.monotonic()))

    def _verify(self, serving: Serving) -> None:
        if self.over.is_set():
            return
        start, before = time.monotonic(), self.verdicts.last_success(serving.key)
        judged, seen = self._judged(serving.group)
        now = time.monotonic()
        kept = Kept(
            judged.report,
            judged_at=now,
            succeeded_at=time.time() if seen else before,
            seconds=now - start,
            seen=seen,
            crashed=bool(judged.bugs),
            members=tuple(p.name for p in serving.group.pods),
            lives=lives_of(serving.group.pods),
            owner=serving.owner,
        )
        self.verdicts.keep(serving.key, kept)
        self._journal.verdict(serving.key, judged.report)
        self._moved = time.monotonic()

    def _judged(self, group: Group) -> tuple[Judged, bool]:
        """The verdict, and whether evidence could be gathered for it."""
        try:
            judged, seen = self._judge(self._gather(group)), True
        except ClusterError as error:
            judged, seen = self._judge(_unseen(group, str(error))), False
        except Exception:  # noqa: BLE001 - one group must not end the verification of the others
            why = _bug(f"internal error while {group.target.name} was verified")
            judged, seen = self._judge(_unseen(group, why)), False
        for bug in judged.bugs:
            sys.stderr.write(for_a_log(bug))
        return judged, seen


def _unseen(group: Group, why: str) -> Evidence:
    """The group with nothing seen of it, and the one reason."""
    now = clock.now()
    nodes = dict.fromkeys(p.node for p in group.pods if p.node)
    looks = tuple(NodeLook.unseen(n, now, why) for n in nodes)
    notes = (why, *group.notes)
    return Evidence(__version__, now, group.target, group.intent, group.pods, looks, notes=notes)


def _bug(says: str) -> str:
    told = for_a_log(traceback.format_exc())
    sys.stderr.write(told)
    return f"{says}: {told.splitlines()[-1]}"
