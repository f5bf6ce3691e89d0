"""All objects that are judged together."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import NO_NAME, Place, Spot, titled
from distcheck.checks.manifest.template import Template

if TYPE_CHECKING:
    from distcheck.checks.evidence import ModelConfig
    from distcheck.checks.knowledge.plan_fabric import Fabric

FlawKind = Literal["type", "unknown", "repeated", "alike", "begins"]
"""`alike` is a key that stands twice with one value, `begins` the first of another object."""


class Thing(Struct, frozen=True):
    """One object. A `fragment` has no apiVersion or no kind: `kind` is what it seems to be.

    A `patch` is a part of an object, which kustomize puts into the whole one: it makes no pods.
    """

    place: Place
    kind: str
    name: str
    namespace: str
    fragment: bool = False
    patch: bool = False

    @property
    def what(self) -> str:
        """As messages call it: `Service vllm-head`."""
        return titled(self.kind, self.name)


class Flaw(Struct, frozen=True):
    """What is wrong with an object's form, found while it was read; `unseen` as of a finding."""

    kind: FlawKind
    spot: Spot
    says: str
    near: str = ""
    unseen: str = ""
    also: tuple[Spot, ...] = ()


class Service(Struct, frozen=True):
    """A Service: its selector, and whether its names stand for pods that are not ready yet."""

    name: str
    namespace: str
    place: Place
    selector: Mapping[str, str]
    headless: bool
    not_ready_too: bool
    selects: tuple[Template, ...] = ()

    @property
    def what(self) -> str:
        """As messages call it: `Service vllm-head`."""
        return f"Service {self.name or NO_NAME}"


class Bundle(Struct, frozen=True):
    """The objects, and what was understood of them.

    `config` is the model's own configuration (`--model`), `interconnect` what `--interconnect`
    says of the network between nodes.
    """

    things: tuple[Thing, ...]
    templates: tuple[Template, ...] = ()
    groups: tuple[Group, ...] = ()
    services: tuple[Service, ...] = ()
    flaws: tuple[Flaw, ...] = ()
    config: "ModelConfig | None" = None
    interconnect: "Fabric | None" = None

    def of_kind(self, *kinds: str) -> Iterator[Thing]:
        """The objects of these kinds."""
        yield from (t for t in self.things if t.kind in kinds)

    @property
    def judged(self) -> bool:
        """Whether there is anything that serves a model."""
        return any(t.serves for t in self.templates)
