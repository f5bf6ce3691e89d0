"""Whether a pipeline may go on: the verdict on the pods that are there now, or why there is none.

What `serve` keeps may be of pods that a rollout has replaced since. So each question asks the
API server whether the pods are still those, and no change is on its way.
"""

import time
from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct, structs

from distcheck.agent.cluster.api import Api
from distcheck.agent.serve.discover import Key
from distcheck.agent.serve.rounds import Rounds
from distcheck.agent.serve.running import Running
from distcheck.agent.serve.verdicts import STALE_ROUNDS, Kept
from distcheck.checks.awaited import starting
from distcheck.checks.verdict import Outcome

_KNOWN = 8
_CRASHED = "a check of distcheck itself crashed on this group; the log of serve has the traceback"


Result = Literal["pass", "fail", "unknown"]


class Terms(Struct, frozen=True):
    """What the caller wants: `max_age` in seconds, None is three of `serve`'s intervals.

    `strict`: a warning is no pass. `inconclusive`: what an unknown of pods that are looked at
    and at rest counts as.
    """

    strict: bool = False
    inconclusive: Literal["fail", "pass"] = "fail"
    max_age: float | None = None


class Answer(Struct, frozen=True):
    """`passed` is the answer; `verdict` is unknown where the one that is kept does not count.

    `result` folds the caller's terms in: a warning fails where they are strict. `known` is
    whether there is such a group. `age_seconds` and `observed_at` are of the verdict that is
    kept; None where there is none.
    """

    passed: bool
    verdict: Outcome
    says: str
    result: Result = "unknown"
    known: bool = True
    observed_at: str | None = None
    age_seconds: float | None = None
    pods: tuple[str, ...] = ()


class Gate:
    """Answers for every group that the rounds verify. Safe to use from several threads."""

    def __init__(
        self, rounds: Rounds, api: Api, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rounds, self._clock = rounds, clock
        self.running = Running(api)

    def ask(self, namespace: str, workload: str, terms: Terms) -> Answer:
        """Whether the group of `workload` passes now, or all groups that it has made.

        Where what is kept does not count, the next round begins early.
        """
        each = self._each(namespace, workload, terms)
        if not each:
            self._rounds.soon()
            return Answer(False, "unknown", self._unknown_group(namespace, workload), known=False)
        worst = min(each, key=lambda key: _rank(each[key]))
        if len(each) == 1:
            return each[worst]
        passed = sum(one.passed for one in each.values())
        says = f"{passed} of {len(each)} groups pass; {worst[1]}: {each[worst].says}"
        pods = tuple(pod for one in each.values() for pod in one.pods)
        return structs.replace(each[worst], says=says, pods=pods)

    def _each(self, namespace: str, workload: str, terms: Terms) -> Mapping[Key, Answer]:
        """The answer for each group of `workload`, and for each replica that is in none."""
        verdicts = self._rounds.verdicts
        found = verdicts.every(namespace, workload)
        now = self._clock()
        old = {key: self._too_old(now - kept.judged_at, terms) for key, kept in found.items()}
        young = {key: kept for key, kept in found.items() if not old[key]}
        changed = self.running.changes(namespace, young) if young else {}
        each = {k: self._of_group(v, terms, old[k] or changed[k]) for k, v in found.items()}
        unseen = verdicts.unseen(namespace, workload)
        if unseen:
            self._rounds.soon()
        return each | {k: Answer(False, "unknown", w) for k, w in unseen.items()}

    def _of_group(self, kept: Kept, terms: Terms, doubt: str) -> Answer:
        age, verdict = max(0.0, self._clock() - kept.judged_at), kept.report.verdict
        doubt = doubt or (_CRASHED if kept.crashed and verdict != "fail" else "")
        awaits = "" if _excused(kept, terms) else kept.awaits
        if doubt or kept.awaits:
            self._rounds.soon()
        if doubt or awaits:
            return _answer(kept, age, "unknown", doubt or awaits)
        result = _result(verdict, terms)
        return _answer(kept, age, verdict, kept.report.summary, result)

    def _unknown_group(self, namespace: str, workload: str) -> str:
        verdicts = self._rounds.verdicts
        if not verdicts.rounds:
            return f"nothing is known yet: {verdicts.trouble}"
        known = [f"{ns}/{name}" for ns, name in verdicts.all(self._clock())]
        known.sort(key=lambda name: not name.startswith(f"{namespace}/"))
        shown = ", ".join(known[:_KNOWN]) + (" ..." if len(known) > _KNOWN else "")
        left_out = verdicts.discovery.left_out.get(f"{namespace}/{workload}")
        why = f" ({left_out})" if left_out else ""
        return f"no serving group {namespace}/{workload}{why}; known: {shown or 'none'}"

    def _too_old(self, age: float, terms: Terms) -> str:
        most = terms.max_age or STALE_ROUNDS * self._rounds.interval
        return "" if age <= most else f"last verified {age:.0f} s ago, more than {most:.0f} s"


def _rank(one: Answer) -> tuple[bool, bool]:
    """What fails comes first, then what is not decided."""
    return one.passed, one.result != "fail"


def _excused(kept: Kept, terms: Terms) -> bool:
    """Whether an unknown counts as a pass: of a group that was looked at and is at rest."""
    report = kept.report
    at_rest = not report.rollouts and not starting(report)
    return terms.inconclusive == "pass" and report.verdict == "unknown" and kept.seen and at_rest


def _result(verdict: Outcome, terms: Terms) -> Result:
    """Of a verdict that counts; an unknown that comes so far is excused."""
    failed = verdict == "fail" or (verdict == "warn" and terms.strict)
    return "fail" if failed else "pass"


def _answer(
    kept: Kept, age: float, verdict: Outcome, says: str, result: Result = "unknown"
) -> Answer:
    at, passed = kept.report.observed_at, result == "pass"
    return Answer(passed, verdict, says, result, True, at, round(age, 1), kept.members)
