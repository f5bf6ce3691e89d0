"""One container as its manifest, and the start scripts that it mounts, describe it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from distcheck.checks.evidence.group import Engine
from distcheck.checks.knowledge.mounts import mounted_at
from distcheck.checks.manifest.flags import flag_of, given
from distcheck.checks.manifest.place import Place, Spot
from distcheck.pattern import pattern

_ENGINES = pattern(
    r"(?:^|/)(?:vllm-openai|vllm|sglang|tritonserver|vllm-tpu|llm-d(?:-(?:cuda|aws|gb200|rocm|xpu|hpu|cpu|tpu|dev))*|text-generation-inference"
    r"|tensorrt-llm(?:/release)?)(?::|\Z)|/nim/"
)


_ASKED = pattern(
    r"(?:curl|wget|urlopen|requests)[^\n]{0,80}?([^\s/:'\"]{0,80}):(\d{2,5})/",
    near=("curl", "wget", "urlopen", "requests"),
)
_ELSEWHERE = pattern(r"\.svc\b|\$\{?[A-Z_]*(?:HEAD|LEADER|MASTER|_SVC)")


PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


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
    """A simple command that the container runs, and the variables that its script set for it.

    Not `sure` where it stands in a branch, and which one is taken is not known.
    """

    words: tuple[str, ...]
    variables: Mapping[str, str]
    sure: bool = True

    def values(self, flag: str) -> Iterator[str]:
        """What `flag` is given, each time: the next word, or what stands behind `=`."""
        for before, word in zip(("", *self.words), self.words, strict=False):
            if before == flag:
                yield word
            elif word.startswith(f"{flag}="):
                yield word.removeprefix(f"{flag}=")


class Text(Struct, frozen=True):
    """A piece of what the container is told to run: a word of its command, or a script."""

    text: str
    spot: Spot


class Asks(Struct, frozen=True):
    """What the engine's command line asks for; None where it does not, or a shell computes it.

    `unread` are fields with the reason why they cannot be read. `positions` are the parts that
    its servers may take, each with its node's rank and the first of its copies, both 0 where no
    flag names them; none where one cannot be read.
    """

    engine: Engine = "unknown"
    model: str | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    ep: bool | None = None
    dp_local: int | None = None
    dp_rank: int | None = None
    dp_start: int | None = None
    dp_address: str | None = None
    dp_hybrid_lb: bool = False
    dp_external_lb: bool = False
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
    positions: tuple[tuple[int, int], ...] = ()


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

    @property
    def by_ip(self) -> bool:
        """Whether its host is an address, not a name."""
        return self.host.replace(".", "").isdigit() or ":" in self.host

    @property
    def labels(self) -> list[str]:
        """Of its host, up to `.svc` and in lower case, as objects are called: DNS takes either."""
        return self.host.lower().removesuffix(".").split(".svc", 1)[0].split(".")


class Container(Struct, frozen=True):
    """One container; `limits` and `requests` are whole numbers (None where they are none).

    `argv` is command and args with `$(VAR)` put in. `texts` is all that it is told to run, with
    where it stands. `may_have_more`: a Secret or an unread ConfigMap may set any variable.
    `is_read`: not so where its script is too long to be read to its end.
    All of it is as in the first pod; `of_pods` is the container as it is in each of them, in
    their order, where pods that know their index start one engine together, or Ray.
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
    of_pods: tuple["Container", ...] = ()
    ray: RayNode | None = None
    joins: tuple[Joining, ...] = ()
    nim: bool = False
    nim_chart: bool = False
    is_read: bool = True

    @property
    def each(self) -> tuple[Asks | None, ...]:
        """What it asks for in each of its pods; nothing where they were not told apart."""
        return tuple(one.asks for one in self.of_pods)

    def surely_has(self, *flags: str) -> bool:
        """Whether each pod runs a command with one of `flags`, in no branch that it may not take.

        Pods that start another engine, or none, or `--headless` of only some, take several.
        """
        if len({(a.engine, a.headless) if a else None for a in self.each}) > 1:
            return False
        return any(flag_of(w) in flags for c in self.commands if c.sure for w in c.words)

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

    def spot_of_value(self, name: str) -> Spot:
        """Where a variable's value stands: its entry's, else in what the container runs."""
        found = self.variable(name)
        shown = found is not None and not found.given and found.place.at("value")
        return shown.spot if shown else self.spot_of(name)

    def named(self, *starts: str) -> Iterator[Variable]:
        """The entries whose names begin so."""
        yield from (v for v in self.env if v.name.startswith(starts))

    @property
    def joins_ray(self) -> bool:
        """Whether it joins others by Ray, in one way or the other."""
        return any(j.way.startswith("ray") for j in self.joins)

    @property
    def heads_ray(self) -> bool:
        """Whether it runs `ray start --head`."""
        return self.ray is not None and self.ray.head

    @property
    def engine_image(self) -> bool:
        """Whether its image is one of a known engine's server."""
        return is_engine(self.image)

    @property
    def words(self) -> frozenset[str]:
        """Every word of every command that it runs."""
        return frozenset(w for c in self.commands for w in c.words)

    @property
    def servers(self) -> int:
        """How many engines it starts: by the ports, models and GPUs that its commands name."""
        found = {
            (c.variables.get("CUDA_VISIBLE_DEVICES"), _named(c.words, "--port"),
             _named(c.words, *_SERVES))
            for c in self.commands if _SERVES & set(c.words)
        }  # fmt: skip
        return len(found)

    def mentions(self, number: object) -> bool:
        """Whether what it runs, or a variable, holds this number: a port of another purpose."""
        told = [t.text for t in self.texts] + [v.value or "" for v in self.env]
        return any(re.search(rf"(?<!\d){number}(?!\d)", text) for text in told)

    @property
    def privileged(self) -> bool:
        """Whether its security context is privileged."""
        return self.place.at("securityContext", "privileged").value is True

    @property
    def script(self) -> str:
        """All that it is told to run, one text behind the other."""
        return " ".join(t.text for t in self.texts)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities that are added, without `CAP_`."""
        added = self.place.each("securityContext", "capabilities", "add")
        return tuple(str(one.value).upper().removeprefix("CAP_") for one in added)

    def probes(self, *names: str) -> Iterator[tuple[str, int]]:
        """Those of these names, or all, that ask a port, with it; named ports are looked up."""
        named = {p.text("name"): p.number("containerPort") for p in self.place.each("ports")}
        for name in names or PROBES:
            probe = self.place.at(name)
            port = probe.at("httpGet", "port").value or probe.at("tcpSocket", "port").value
            words = " ".join(str(w.value) for w in probe.each("exec", "command"))
            if (asked := _ASKED.search(words)) and not _ELSEWHERE.search(asked[1]):
                port = int(asked[2])
            number = named.get(port, port) if isinstance(port, str) else port
            if isinstance(number, str) and number.isdigit():
                number = int(number)
            if type(number) is int:
                yield name, number

    def mount_of(self, path: str) -> Place | None:
        """The volumeMount at `path`."""
        mounts = self.place.each("volumeMounts")
        return next((m for m in mounts if mounted_at(m.text("mountPath")) == path), None)

    def spot_of(self, *needles: str) -> Spot:
        """Where the first of `needles` stands in what it is told to run; else its command."""
        for needle in needles:
            for text in self.texts:
                if needle and needle in text.text:
                    return text.spot.within(needle)
        for name in ("args", "command", "image", "name"):
            if self.place.at(name):
                return self.place.at(name).key
        return self.place.spot


_SERVES = frozenset({"--model", "--model-path", "serve", "trtllm-serve"})
"""A model follows."""


def _named(words: Sequence[str], *names: str) -> str | None:
    """What the first of `names` is given."""
    return next((one.value for one in given(words) if one.name in names), None)


def is_engine(image: str) -> bool:
    """Whether `image` is one of a known engine's server."""
    return bool(_ENGINES.search(image.partition("@")[0].lower()))


def first(found: Iterable[Container]) -> Container | None:
    """The first of several, if any."""
    return next(iter(found), None)
