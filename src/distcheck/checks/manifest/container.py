"""One container as its manifest, and the start scripts that it mounts, describe it."""

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from distcheck.checks.evidence.group import Engine
from distcheck.checks.manifest.place import Place, Spot

_ENGINES = re.compile(
    r"(?:^|/)(?:vllm-openai|vllm|sglang|tritonserver|vllm-tpu|llm-d(?:-(?:cuda|aws|gb200|rocm|xpu|hpu|cpu|tpu|dev))*|text-generation-inference"
    r"|tensorrt-llm(?:/release)?)(?::|\Z)|/nim/"
)


class Variable(Struct, frozen=True):
    """One entry of `env`, in its order.

    `value` is after `$(VAR)` expansion; None where it comes from `source` (`secret`,
    `configmap`, `field`, `resource`) and could not be read. `place` is the entry. `given` are
    those that a controller puts in: nothing in the manifest names them.
    """

    name: str
    value: str | None
    place: Place
    source: str = ""
    given: bool = False


class Command(Struct, frozen=True):
    """A simple command that the container runs, and the variables that its script set for it."""

    words: tuple[str, ...]
    variables: Mapping[str, str]


class Text(Struct, frozen=True):
    """A piece of what the container is told to run: a word of its command, or a script."""

    text: str
    spot: Spot


class Asks(Struct, frozen=True):
    """What the engine's command line asks for; None where it does not, or a shell computes it.

    `unread` are fields with the reason why they cannot be read.
    """

    engine: Engine = "unknown"
    model: str | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    ep: bool | None = None
    dp_local: int | None = None
    nnodes: int | None = None
    node_rank: int | None = None
    master_addr: str | None = None
    master_port: int | None = None
    headless: bool = False
    executor: str | None = None
    port: int | None = None
    quantization: str | None = None
    gpu_memory_utilization: float | None = None
    ranks: int | None = None
    unread: Mapping[str, str] = {}


class RayNode(Struct, frozen=True):
    """A `ray start`: whether the head, and its flags."""

    head: bool
    address: str | None = None
    port: int | None = None
    num_gpus: int | None = None
    block: bool = False


class Joining(Struct, frozen=True):
    """An address that the container joins others by; `is_read` where all of it is known."""

    way: str
    host: str
    port: int | None
    is_read: bool
    spot: Spot


class Container(Struct, frozen=True):
    """One container; `limits` and `requests` are whole numbers (None where they are none).

    `argv` is command and args with `$(VAR)` put in. `texts` is all that it is told to run, with
    where it stands. `may_have_more`: a Secret or an unread ConfigMap may set any variable.
    `nim_chart`: it stands in Helm values, and the chart adds what is not seen here.
    """

    name: str
    image: str
    place: Place
    init: bool = False
    gpus: int = 0
    limits: Mapping[str, int | None] = {}
    requests: Mapping[str, int | None] = {}
    rdma: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    may_have_more: bool = False
    argv: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    texts: tuple[Text, ...] = ()
    asks: Asks | None = None
    ray: RayNode | None = None
    joins: tuple[Joining, ...] = ()
    nim: bool = False
    nim_chart: bool = False

    def variable(self, name: str) -> Variable | None:
        """The entry that counts: the last of that name."""
        return next((v for v in reversed(self.env) if v.name == name), None)

    def value(self, name: str) -> str | None:
        """Its value as its processes see it; None where it is not set, or not readable."""
        for command in self.commands:
            if name in command.variables:
                return command.variables[name]
        found = self.variable(name)
        return found.value if found else None

    def named(self, *starts: str) -> Iterator[Variable]:
        """The entries whose names begin so."""
        yield from (v for v in self.env if v.name.startswith(starts))

    @property
    def engine_image(self) -> bool:
        """Whether its image is one of a known engine's server."""
        return bool(_ENGINES.search(self.image.partition("@")[0].lower()))

    @property
    def words(self) -> frozenset[str]:
        """Every word of every command that it runs."""
        return frozenset(w for c in self.commands for w in c.words)

    def mentions(self, number: object) -> bool:
        """Whether what it runs, or a variable, holds this number: a port of another purpose."""
        told = [t.text for t in self.texts] + [v.value or "" for v in self.env]
        return any(re.search(rf"(?<!\d){number}(?!\d)", text) for text in told)

    @property
    def privileged(self) -> bool:
        """Whether its security context is privileged."""
        return self.place.at("securityContext", "privileged").value is True

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities that are added, without `CAP_`."""
        added = self.place.each("securityContext", "capabilities", "add")
        return tuple(str(one.value).upper().removeprefix("CAP_") for one in added)

    def mount_of(self, path: str) -> Place | None:
        """The volumeMount at `path`."""
        mounts = self.place.each("volumeMounts")
        return next((m for m in mounts if m.text("mountPath").rstrip("/") == path), None)

    def spot_of(self, *needles: str) -> Spot:
        """Where the first of `needles` stands in what it is told to run; else its command."""
        for needle in needles:
            for text in self.texts:
                if needle and needle in text.text:
                    return Spot(text.spot.of, text.spot.path, needle)
        for name in ("args", "command", "image", "name"):
            if self.place.at(name):
                return self.place.at(name).key
        return self.place.spot


def first(found: Iterable[Container]) -> Container | None:
    """The first of several, if any."""
    return next(iter(found), None)
