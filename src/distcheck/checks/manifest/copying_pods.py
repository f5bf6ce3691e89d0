"""Pods with vLLM's copies (DP): which ranks each has, and who takes the requests."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.manifest.container import Asks, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import EnginePod, Group, Member
from distcheck.checks.manifest.hidden import hidden_before_engine
from distcheck.checks.manifest.listening import is_loose

BACKEND = ("--data-parallel-backend", "-dpb")
_UNREAD = frozenset({"tp", "pp", "dp", "dp_local", "dp_rank", "nnodes", "arguments"})
_SUPERVISED = ("--data-parallel-multi-port", "--data-parallel-supervisor")
"""One server for each local copy, each with its own port and rank."""


class CopyingPod(Struct, frozen=True):
    """A pod, or all of a member's, with one vLLM: `local` copies in each.

    `pods` is None where their number is not known.
    """

    member: Member
    engine: Container
    asks: Asks
    pods: int | None
    local: int
    by_ray: bool

    @property
    def ranks(self) -> range:
        """Those of its first pod."""
        start = self.asks.dp_start or 0
        return range(start, start + self.local)

    @property
    def of_copy(self) -> int:
        """Ranks of one copy."""
        return (self.asks.tp or 1) * (self.asks.pp or 1)

    def found(self, says: str, fix: str, *flags: str, unseen: str = "") -> Finding:
        """A finding at the first of the flags."""
        hidden = unseen or hidden_before_engine(self.engine)
        says = f"{self.member.template.what}: {says}"
        return Finding(self.engine.spot_of(*flags), says, fix, unseen=hidden)


def copying_pods(group: Group) -> Iterator[CopyingPod | None]:
    """One for each pod where each was looked at, else one for all pods of a member.

    None for what is not one vLLM with several copies, all of whose flags are read.
    """
    return map(_copying, group.each_pod)


def _copying(pod: EnginePod) -> CopyingPod | None:
    engine, asks = pod.engine, pod.engine.asks
    if asks is None or asks.engine != "vllm" or engine.nim or _UNREAD & set(asks.unread):
        return None
    serving = [c for c in engine.commands if {"serve", "--model"} & set(c.words)]
    loose = any(is_loose(c.words) or "--config" in c.words for c in engine.commands)
    other_way = any(w.startswith(_SUPERVISED) for w in engine.words)
    if len(serving) > 1 or loose or other_way or (asks.dp or 1) == 1:
        return None
    backend = next((v for c in engine.commands for f in BACKEND for v in c.values(f)), "")
    return CopyingPod(pod.member, engine, asks, pod.pods, _local(asks), backend == "ray")


def _local(asks: Asks) -> int:
    """Copies of the pod itself: all of them, where nothing says otherwise."""
    if asks.dp_local is not None:
        return asks.dp_local
    return 1 if asks.dp_external_lb or asks.dp_rank is not None else asks.dp or 1


def serves_from_one(pod: CopyingPod) -> bool:
    """Whether one front-end on the leader serves all copies (internal load balancing)."""
    asks = pod.asks
    others = asks.dp_hybrid_lb or asks.dp_external_lb or asks.dp_rank is not None
    return not others and (asks.nnodes or 1) == 1 and not pod.by_ray


def serves_from_each(pod: CopyingPod) -> bool:
    """Whether each pod has a front-end for its own copies, of which there are several."""
    asks = pod.asks
    other = asks.dp_external_lb or asks.dp_rank is not None or pod.by_ray or asks.headless
    alone = (asks.nnodes or 1) == 1 and (asks.dp_local or 1) > 1
    return asks.dp_hybrid_lb and alone and not other and pod.local < (asks.dp or 1)
