"""A serving group on paper: the templates whose pods serve one copy of a model together."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from distcheck.checks.evidence.group import Intent
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.template import Template


class Member(Struct, frozen=True):
    """Pods of one template in the group; `pods` None where their number cannot be known."""

    template: Template
    pods: int | None
    leads: bool = False


class EnginePod(Struct, frozen=True):
    """The engine of a member as it is in one pod, by its name, or in all `pods` of them."""

    member: Member
    engine: Container
    pods: int | None
    name: str = ""

    @property
    def what(self) -> str:
        """As messages call it: the pod where pods differ, else the template."""
        return f"pod {self.name}" if self.name else self.member.template.what


class Group(Struct, frozen=True):
    """Members, the leader first, and what they are asked to be.

    `how` says what ties them together. `is_whole` is whether all that belongs to the group is
    surely in the input: a LeaderWorkerSet or RayCluster is, pods tied by addresses only where
    every one that joins was found. `open` says why it may not be.
    """

    name: str
    how: str
    members: tuple[Member, ...]
    intent: Intent
    is_whole: bool = True
    open: str = ""

    @property
    def leader(self) -> Member:
        """The one that others join, or the only one."""
        return self.members[0]

    @property
    def workers(self) -> tuple[Member, ...]:
        """All but the leader."""
        return self.members[1:]

    @property
    def at_home(self) -> "Group":
        """Without those of other namespaces: claims, policies and labels do not reach there."""
        home = self.leader.template.namespace
        own = tuple(m for m in self.members if m.template.namespace == home)
        return self if len(own) == len(self.members) else replace(self, members=own)

    @property
    def pods(self) -> int | None:
        """Pods in all."""
        counts = [m.pods for m in self.members]
        return None if None in counts else sum(n for n in counts if n is not None)

    @property
    def gpus(self) -> int | None:
        """GPUs in all; None where the number of pods that have some is not known."""
        having = [m for m in self.members if m.template.gpus]
        if any(m.pods is None for m in having):
            return None
        return sum(m.template.gpus * (m.pods or 0) for m in having)

    @property
    def claims_gpus(self) -> bool:
        """Whether some pods may have GPUs by claims of resources, which are not counted."""
        return any(m.template.may_have_claimed for m in self.members)

    @property
    def nodes(self) -> int | None:
        """Pods that have GPUs."""
        having = [m.pods for m in self.members if m.template.gpus]
        return None if None in having else sum(n for n in having if n is not None)

    @property
    def engines(self) -> Iterator[tuple[Member, Container]]:
        """Each member with the container that holds its ranks."""
        for member in self.members:
            if (engine := member.template.engine) is not None:
                yield member, engine

    @property
    def each_pod(self) -> Iterator["EnginePod"]:
        """`engines`, once for each pod of those whose pods were told apart."""
        seen: dict[int, int] = defaultdict(int)
        for member, engine in self.engines:
            first, many = seen[id(member.template)], member.pods or 0
            seen[id(member.template)] += many
            pods = engine.of_pods[first : first + many]
            if not pods or len(pods) != many:
                yield EnginePod(member, engine, member.pods)
            for number, one in enumerate(pods if len(pods) == many else (), first):
                names = member.template.names[number : number + 1]
                yield EnginePod(member, one, 1, next(iter(names), ""))

    def asked(self) -> tuple[Template, Container] | None:
        """The template and container whose command line starts the server."""
        return next(((m.template, c) for m, c in self.engines if c.asks), None)

    def spot_of(self, *needles: str) -> Spot:
        """Where the first of `needles` stands in what the members run, the server's first.

        Else where it stands in what their owner is told.
        """
        first = self.asked()
        every = ([first[1]] if first else []) + [c for _, c in self.engines]
        for needle in needles:
            for container in every:
                if any(needle in text.text for text in container.texts):
                    return container.spot_of(needle)
        return self._owners(needles) or (every[0].spot_of() if every else self.leader.template.spot)

    def _owners(self, needles: Iterable[str]) -> Spot | None:
        """Where a needle stands in what the owner itself is told: Ray Serve's file, a command."""
        spec = self.leader.template.owner_place.at("spec")
        told = [spec.at(name) for name in ("serveConfigV2", "entrypoint")]
        found = ((t, n) for n in needles for t in told if n in t.text())
        return next((t.spot.within(n) for t, n in found), None)
