"""Whether a pipeline may go on: the verdict on the pods that are there now, or why there is none.

What `serve` keeps may be of pods that a rollout has replaced since. So each question asks the
API server whether the pods are still those, and no change is on its way.
"""

import threading
import time
from collections.abc import Callable
from typing import Literal

from msgspec import Struct, structs

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import ClusterError, NotFound
from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.finding.target import TargetError
from distcheck.agent.serve.discover import Key
from distcheck.agent.serve.rounds import Rounds
from distcheck.agent.serve.verdicts import STALE_ROUNDS, Kept, lives_of
from distcheck.checks.verdict import Outcome

_ASK_S, _REMEMBERED_S = 5.0, 2.0
"""How long the API server is asked, and how long its answer serves other callers."""
_KNOWN = 8


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

    `known` is whether there is such a group. `age_seconds` and `observed_at` are of the verdict
    that is kept; None where there is none.
    """

    passed: bool
    verdict: Outcome
    says: str
    known: bool = True
    observed_at: str | None = None
    age_seconds: float | None = None
    pods: tuple[str, ...] = ()


class Gate:
    """Answers for every group that the rounds verify. Safe to use from several threads."""

    def __init__(self, rounds: Rounds, api: Api, clock: Callable[[], float] = time.time) -> None:
        self._rounds, self._api, self._clock = rounds, api, clock
        self._lock = threading.Lock()
        self._seen: dict[Key, tuple[float, Kept, str]] = {}

    def ask(self, namespace: str, workload: str, terms: Terms) -> Answer:
        """Whether the group of `workload` passes now, or all groups that it has made.

        Where what is kept does not count, the next round begins early.
        """
        found = self._rounds.verdicts.every(namespace, workload)
        if not found:
            self._rounds.soon()
            return Answer(False, "unknown", self._unknown_group(namespace, workload), known=False)
        each = {key: self._of_group(key, kept, terms) for key, kept in found.items()}
        worst = min(each, key=lambda key: _rank(each[key]))
        if len(each) == 1:
            return each[worst]
        passed = sum(one.passed for one in each.values())
        says = f"{passed} of {len(each)} groups pass; {worst[1]}: {each[worst].says}"
        pods = tuple(pod for one in each.values() for pod in one.pods)
        return structs.replace(each[worst], says=says, pods=pods)

    def _of_group(self, key: Key, kept: Kept, terms: Terms) -> Answer:
        age = max(0.0, self._clock() - kept.judged_at)
        doubt = self._too_old(age, terms) or self._changed(key, kept) or kept.awaits
        if doubt:
            self._rounds.soon()
        unknown = kept.report.verdict == "unknown" and not kept.report.rollouts
        if doubt and not (doubt == kept.awaits and unknown and terms.inconclusive == "pass"):
            return _answer(kept, age, "unknown", doubt, passed=False)
        return _answer(kept, age, kept.report.verdict, kept.report.summary, _passes(kept, terms))

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

    def _changed(self, key: Key, kept: Kept) -> str:
        """Why the verdict is not of what runs now; one question to the cluster at a time."""
        with self._lock:
            at, of, says = self._seen.get(key, (0.0, None, ""))
            if of is not kept or not 0 <= time.monotonic() - at < _REMEMBERED_S:
                says = self._difference(key, kept)
                self._seen = {**self._alive(), key: (time.monotonic(), kept, says)}
            return says

    def _alive(self) -> dict[Key, tuple[float, Kept, str]]:
        groups = {g.key for g in self._rounds.verdicts.discovery.groups}
        return {k: v for k, v in self._seen.items() if k in groups}

    def _difference(self, key: Key, kept: Kept) -> str:
        api = self._api.until(time.monotonic() + _ASK_S)
        try:
            now = find_group(api, key[0], f"pod/{kept.members[0]}")
        except (NotFound, IndexError):
            return "its pods have been replaced since it was verified"
        except (ClusterError, TargetError) as error:
            return f"whether its pods are still those that were verified is not known: {error}"
        if lives_of(now.pods) != kept.lives:
            return "its pods have been replaced or started again since it was verified"
        return next((r.says for r in now.rollouts), "")


def _rank(one: Answer) -> tuple[bool, bool]:
    """What fails comes first, then what is not decided."""
    return one.passed, one.verdict != "fail"


def _passes(kept: Kept, terms: Terms) -> bool:
    verdict = kept.report.verdict
    if verdict == "unknown":
        return terms.inconclusive == "pass"
    return verdict == "pass" or (verdict == "warn" and not terms.strict)


def _answer(kept: Kept, age: float, verdict: Outcome, says: str, passed: bool) -> Answer:
    at = kept.report.observed_at
    return Answer(passed, verdict, says, True, at, round(age, 1), kept.members)
