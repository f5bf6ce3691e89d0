"""Whether the groups that were verified still run as they did.

The API server is asked once for all who ask of a namespace in the same moment, whatever the number
of groups and callers: anybody who reaches the port may ask.
"""

import threading
import time
from collections.abc import Mapping

from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import ClusterError, NotFound
from distcheck.agent.cluster.finding.group import standing
from distcheck.agent.cluster.finding.members import labels_of
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.target import TargetError
from distcheck.agent.cluster.kinds import POD, Kind
from distcheck.agent.serve.discover import Key
from distcheck.agent.serve.verdicts import Kept, lives_of

ANSWER_S, _REMEMBERED_S = 5.0, 2.0
"""How long an answer may take, and how long what the API server said serves other callers."""
_LATE = "the cluster did not answer in time whether its pods are still those that were verified"
Kepts = Mapping[Key, Kept]


class Running:
    """Compares what is kept with what runs. Safe to use from several threads."""

    def __init__(self, api: Api) -> None:
        self._api, self._lock = api, threading.Lock()
        self._looks: dict[str, _Look] = {}

    def changes(self, namespace: str, groups: Kepts) -> dict[Key, str]:
        """Why each verdict is not of what runs now; empty where it is. In five seconds."""
        arrived = time.monotonic()
        one = self._look(namespace, arrived)
        if not one.lock.acquire(timeout=ANSWER_S):
            return dict.fromkeys(groups, _LATE)
        try:
            return one.changes(self._api, arrived, groups)
        finally:
            one.lock.release()

    def forget(self) -> None:
        """Ask anew, whenever it was asked last."""
        with self._lock:
            self._looks = {}

    def _look(self, namespace: str, now: float) -> "_Look":
        with self._lock:
            self._looks = {n: one for n, one in self._looks.items() if one.serves(now)}
            return self._looks.setdefault(namespace, _Look(namespace))


class _Look:
    """One namespace, as it was when somebody asked; used under its `lock`."""

    def __init__(self, namespace: str) -> None:
        self.lock = threading.Lock()
        self._namespace, self._began = namespace, 0.0
        self._now: _Listed | None = None
        self._told: dict[Key, tuple[Kept, str]] = {}

    def serves(self, now: float) -> bool:
        """Whether somebody looks through it, or what it shows is of the last two seconds."""
        return self.lock.locked() or now - self._began <= _REMEMBERED_S

    def changes(self, api: Api, arrived: float, groups: Kepts) -> dict[Key, str]:
        """As `Running.changes`; a look that began before `arrived` serves for two seconds."""
        if self._now is None or arrived - self._began > _REMEMBERED_S:
            self._began, self._told = time.monotonic(), {}
            self._now = _Listed(api.until(arrived + ANSWER_S), self._namespace)
        end = arrived + ANSWER_S
        for key, kept in groups.items():
            if self._of_now(key, kept) is None and time.monotonic() < end:
                self._told[key] = kept, _difference(self._now, kept)
        told = {key: self._of_now(key, kept) for key, kept in groups.items()}
        return {key: _LATE if says is None else says for key, says in told.items()}

    def _of_now(self, key: Key, kept: Kept) -> str | None:
        of, says = self._told.get(key, (None, None))
        return says if of is kept else None


class _Listed(Namespace):
    """Reads all pods once: neither a name nor a label costs another question."""

    def get(self, kind: Kind, name: str) -> Object | None:
        """The object of that name."""
        if kind is not POD:
            return super().get(kind, name)
        return next((p for p in self.pods() if p["metadata"]["name"] == name), None)

    def pods(self, selector: str = "") -> list[Object]:
        """All pods, or those with these labels; the server selects what is no equality."""
        terms = dict(_halves(t) for t in selector.split(",")) if selector else {}
        if not all(terms.values()):
            return super().pods(selector)
        every = super().pods()
        return [p for p in every if all(labels_of(p).get(k) == v for k, v in terms.items())]


def _halves(term: str) -> tuple[str, str]:
    key, _, value = term.partition("=")
    plain = key.replace(".", "").replace("/", "").replace("-", "").replace("_", "").isalnum()
    return key, value if plain and not value.startswith("=") else ""


def _difference(now: Namespace, kept: Kept) -> str:
    try:
        found = standing(now, f"pod/{kept.members[0]}")
    except (NotFound, IndexError):
        return "its pods have been replaced since it was verified"
    except (ClusterError, TargetError) as error:
        return f"whether its pods are still those that were verified is not known: {error}"
    if lives_of(found.pods) != kept.lives:
        return "its pods have been replaced or started again since it was verified"
    turning = (r.says for r in found.rollouts)
    return next(
        turning, f"whether a rollout runs is not known: {now.lacking[0]}" if now.lacking else ""
    )
