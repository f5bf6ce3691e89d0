"""The places that say what the group should be, and where they differ."""

from msgspec import Struct

from distcheck.checks.evidence import Cite, Conflict, Evidence, Intent, Missing
from distcheck.checks.facts.fact import Fact

_NAMES = {"tp": "TP", "pp": "PP", "dp": "DP", "ep": "expert parallelism", "gpus": "GPUs"}
_TOLD = ("model", "tp", "pp", "dp", "ep", "nodes", "executor")
_RUNNING = "argv of "
_LAYOUT = frozenset({"tp", "pp", "dp", "ep"})


class Told(Struct, frozen=True):
    """One value, and every place that says it; `runs` where a command line that runs does.

    `default`: it is what an engine takes that is told nothing.
    """

    name: str
    value: str
    places: tuple[str, ...]
    runs: bool
    default: bool = False

    @property
    def is_confirmed(self) -> bool:
        """A command line that runs says it, and a place that asks does too."""
        return self.runs and not all(p.startswith(_RUNNING) for p in self.places)

    @property
    def is_open(self) -> bool:
        """It is a degree that some place names, or that runs, and nothing confirms."""
        only_runs = all(p.startswith(_RUNNING) for p in self.places)
        asked = self.name == "tp" or not (self.default and only_runs)
        return self.name in _LAYOUT and asked and not self.is_confirmed

    def __str__(self) -> str:
        """For messages: `TP=16`."""
        return said(self.name, self.value)


class Difference(Struct, frozen=True):
    """A value that one place says, beside the one that is followed and its place."""

    conflict: Conflict
    followed: str
    source: str

    @property
    def is_running_layout(self) -> bool:
        """A process runs with a layout that the pod's own spec, or the caller, contradicts."""
        return self.conflict.running and self.conflict.name in _LAYOUT

    @property
    def cites(self) -> tuple[Cite, Cite]:
        """Both places, the one that is followed first."""
        one, name = self.conflict, self.conflict.name
        first = Cite(f"{said(name, self.followed)} is asked for", self.source)
        verb = "runs" if one.source.startswith("argv") else "is asked for"
        return first, Cite(f"{said(name, one.value)} {verb}", one.source)

    @property
    def subject(self) -> str:
        """The pod, or the object, whose place it is that is not followed."""
        return self.conflict.source.rpartition(" of ")[2].partition(" ")[0]

    def __str__(self) -> str:
        """For messages."""
        one = self.conflict
        asks = "runs with" if one.source.startswith("argv") else "says"
        other = said(one.name, self.followed)
        return f"{one.source} {asks} {said(one.name, one.value)}, {self.source} says {other}"


class IntentSources(Fact, frozen=True, kw_only=True):
    """What is told of the layout, by place; what could not be read is a gap."""

    told: tuple[Told, ...]
    differences: tuple[Difference, ...]

    @classmethod
    def fold(cls, evidence: Evidence) -> "IntentSources | Missing":
        """Missing where no place says anything of the engine's layout."""
        intent = evidence.intent
        looked = frozenset(p.pod.rpartition("/")[2] for n in evidence.nodes for p in n.pods)
        told = tuple(t for name in _TOLD if (t := _told(intent, name, looked)) is not None)
        if not any(t.name in _LAYOUT or t.name == "model" for t in told):
            unread = "; ".join(intent.unread.values())
            why = "no spec and no command line that was read says what the group should serve"
            return Missing(f"{why}: {unread}" if unread else why)
        differences = tuple(_difference(intent, c) for c in intent.conflicts)
        return cls(
            told=told, differences=differences, gaps=tuple(dict.fromkeys(intent.unread.values()))
        )


def said(name: str, value: str) -> str:
    """`TP=16`, `model=m`."""
    return f"{_NAMES.get(name, name)}={value}"


def _told(intent: Intent, name: str, looked: frozenset[str]) -> Told | None:
    """A command line that runs counts only where somebody looked at its pod."""
    value = getattr(intent, name)
    if value is None or name not in intent.sources:
        return None
    places = intent.agreed.get(name) or (intent.sources[name],)
    running = [p for p in places if p.startswith(_RUNNING)]
    seen = [p for p in running if p.removeprefix(_RUNNING).partition(" ")[0] in looked]
    kept = tuple(p for p in places if p not in running or p in seen)
    default = type(value) is bool or value == 1
    return Told(name, str(value), kept, bool(seen), default) if kept else None


def _difference(intent: Intent, conflict: Conflict) -> Difference:
    name = conflict.name
    value = getattr(intent, name, None) if not name.startswith("NCCL_") else intent.nccl.get(name)
    source = intent.sources.get(name) or intent.sources.get(f"nccl.{name}") or "another place"
    return Difference(conflict, "nothing" if value is None else str(value), source)
