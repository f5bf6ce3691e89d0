"""What is proven wrong by the weights of each rank, as the engine's own lines tell them."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.facts import sharding_remedies as remedies
from distcheck.checks.facts import sharding_words as words
from distcheck.checks.facts.group_pods import GroupPods
from distcheck.checks.facts.sharding_layouts import Expected
from distcheck.checks.facts.sharding_memory import MemoryHeld
from distcheck.checks.facts.shares import Share
from distcheck.checks.facts.weights_plan import WeightsPlan
from distcheck.checks.facts.weights_seen import WeightsSeen
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import in_turn, names


class Fault(Struct, frozen=True):
    """What is wrong, and its cause. Not `proven`: one witness alone says so, against two."""

    says: str
    cause: str
    cites: tuple[Cite, ...]
    subjects: Iterable[str]
    proven: bool = True
    remedy: str = ""


class Lines(Struct, frozen=True):
    """Shares that are `wrong`, each with the layouts that it fits, and what is known besides."""

    seen: WeightsSeen
    memory: MemoryHeld | Missing
    plan: WeightsPlan
    wrong: tuple[tuple[Share, tuple[Expected, ...]], ...]
    group: GroupPods

    @property
    def shares(self) -> list[Share]:
        """The wrong ones."""
        return [share for share, _ in self.wrong]

    @property
    def fits(self) -> dict[int, Expected]:
        """By its degree, each layout that any of them fits."""
        return {e.degree: e for _, layouts in self.wrong for e in reversed(layouts)}

    @property
    def idle(self) -> Sequence[str]:
        """Pods on whose GPUs nothing runs."""
        return self.memory.idle if isinstance(self.memory, MemoryHeld) else ()

    @property
    def unseen(self) -> list[str]:
        """Pods of whose GPUs neither a line nor NVML tells: they may hold anything, or nothing."""
        found = self.memory.held if isinstance(self.memory, MemoryHeld) else ()
        known = {*self.idle, *(h.pod for h in found)}
        return [p for p in self.seen.silent if p not in known]

    @property
    def who(self) -> str:
        """Whose weights they are, in words."""
        if self.unseen and len(self.wrong) == len(self.seen.shares):
            return words.who(self.seen)
        ranks = sum(1 + share.covers for share in self.shares)
        return f"{ranks} of {counted(self.seen.gpus, 'GPU')} {several(ranks, 'holds')}"

    def fault(self, says: str, cause: str, remedy: str, *, proven: bool = True) -> Fault:
        """About these shares."""
        subjects = dict.fromkeys(s.subject for s in self.shares)
        return Fault(says, cause, cites_of(self.shares, self.plan), subjects, proven, remedy)


def fault_by_lines(one: Lines) -> Fault:
    """Whole copies; else the layout that the shares are of."""
    copies, want = _copies(one), one.plan.wanted
    if copies > 1:
        ((degree, layout),) = one.fits.items()
        says = f"{words.who(one.seen)} {words.values(one.shares)} GiB, which is 1/{degree} of the"
        says += f" model: {words.copies(copies)} of {layout},"
        says += f" not {words.number(one.plan.copies)} of {want}"
        pods = (s.pod for s in one.shares)
        return one.fault(says, "replicated", remedies.one_engine(one.group, pods, want))
    return _wrong_layout(one) if set(one.fits) == {want.degree} else _wrong_degree(one)


def _copies(one: Lines) -> int:
    """How many whole copies of a smaller layout the GPUs hold; 0 where that is not proven."""
    held = max(one.fits)
    is_one = len(one.fits) == 1 and held < one.plan.wanted.degree
    if not is_one or len(one.wrong) < len(one.seen.shares) or one.idle or one.unseen:
        return 0
    count, rest = divmod(one.seen.gpus, held)
    return count if not rest and _alike(one, one.fits[held]) else 0


def _alike(one: Lines, layout: Expected) -> bool:
    """Whether the GPUs of which no line tells may hold what the others do."""
    found = one.memory.held if isinstance(one.memory, MemoryHeld) else ()
    return all(h.fits(layout) for h in found if h.pod in one.seen.silent)


def _wrong_layout(one: Lines) -> Fault:
    """As many parts as were asked for, cut in another way."""
    want, shares = one.plan.wanted, one.shares
    says = f"{one.who} {words.values(shares)} GiB, as {one.fits[want.degree]} cuts the model,"
    says += f" not {words.sizes(want)} GiB as {want} does"
    larger = all(s.gib > high for s in shares for _, high in want.sizes(s.pp))
    if larger and not one.plan.allowed.read:
        says += "; no command line was read: adapters or a draft model look the same"
        remedy = remedies.see_arguments(one.group)
        return one.fault(says, "wrong_layout", remedy, proven=False)
    return one.fault(says, "wrong_layout", _other_layout(one))


def _wrong_degree(one: Lines) -> Fault:
    want, idle = one.plan.wanted, one.idle
    says = f"{one.who} {words.values(one.shares)} GiB, which is"
    says += f" {words.parts(one.fits.values())} of the model,"
    says += f" not 1/{want.degree} ({words.sizes(want)} GiB) as {want} should"
    says += f"; nothing runs on the GPUs of {', '.join(idle)}" if idle else ""
    says += f"; what the GPUs of {names(one.unseen)} hold was not seen" if one.unseen else ""
    remedy = remedies.idle(one.group, idle, want, one.plan.servers) if idle else _other_layout(one)
    return one.fault(says, "wrong_degree", remedy)


def _other_layout(one: Lines) -> str:
    return remedies.other_layout(one.group, (s.pod for s in one.shares), one.plan.wanted)


def cites_of(shares: Sequence[Share], plan: WeightsPlan) -> tuple[Cite, ...]:
    """The lines of these shares, and what the model's size is known from."""
    return (*(s.cite for s in in_turn(shares, lambda s: s.pod)), *plan.cites)
