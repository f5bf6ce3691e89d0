"""Options of `ray start`, which ends at once for one that it does not know."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.knowledge.spelling import nearest
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.stand_in import filled_later

_SWITCHES = frozenset(
    {"--head", "--block", "--no-redirect-output", "--disable-usage-stats", "--no-monitor",
     "--ray-debugger-external", "--enable-object-reconstruction", "--enable-resource-isolation"}
)  # fmt: skip
_OPTIONS = _SWITCHES | {
    "--address", "--autoscaling-config", "--cgroup-path", "--dashboard-agent-grpc-port",
    "--dashboard-agent-listen-port", "--dashboard-grpc-port", "--dashboard-host",
    "--dashboard-port", "--gcs-server-port", "--help", "--include-dashboard",
    "--include-log-monitor", "--labels", "--labels-file", "--log-color", "--log-style",
    "--max-worker-port", "--memory", "--metrics-export-port", "--min-worker-port",
    "--node-ip-address", "--node-manager-port", "--node-name", "--num-cpus", "--num-gpus",
    "--object-manager-port", "--object-spilling-directory", "--object-store-memory",
    "--plasma-directory", "--plasma-store-socket-name", "--port", "--proxy-server-url",
    "--ray-client-server-port", "--raylet-socket-name", "--redis-max-memory", "--redis-password",
    "--redis-shard-ports", "--redis-username", "--resources", "--runtime-env-agent-port",
    "--storage", "--system-config", "--system-reserved-cpu", "--system-reserved-memory",
    "--temp-dir", "--tracing-startup-hook", "--verbose", "--worker-port-list",
}  # fmt: skip
"""Ray python/ray/scripts/scripts.py (start), those of 2.40 and of 2.60 together."""
_LEAST = 4
_OTHERWISE = {
    "--ray-address": "--address", "--head-address": "--address", "--ray-port": "--port",
    "--gpus": "--num-gpus", "--cpus": "--num-cpus", "--dashboard": "--include-dashboard",
}  # fmt: skip
"""Names that Ray has elsewhere, or in no release."""


class Refused(Struct, frozen=True):
    """A word that is no option; `meant` is what to write."""

    word: str
    says: str
    meant: str


def refused(container: Container) -> Iterator[Refused]:
    """What is wrong with each `ray start` of it; of unknown options near misses alone."""
    for words in (c.words for c in container.commands):
        at = next((n for n, w in enumerate(words) if w.rpartition("/")[2] == "ray"), -1)
        if at >= 0 and words[at + 1 : at + 2] == ("start",):
            yield from _of_words(words[at + 2 :])


def refused_parameters(params: Place) -> Iterator[Refused]:
    """The same of `rayStartParams`, of which KubeRay makes options; true and false it knows."""
    for name, _ in params.fields():
        if meant := _meant(f"--{name}"):
            says = f"ray start has no option --{name}, which KubeRay makes of it"
            yield Refused(name, says, meant.removeprefix("--"))
    told = params.text("resources")
    if told and not set("$`") & set(told) and not filled_later(told):
        yield from _without_quotes(told)


def _without_quotes(told: str) -> Iterator[Refused]:
    import json  # noqa: PLC0415 - start-up time

    if not _survives(told):
        says = f"the shell takes the quotes of {told}, and ray start is told of no JSON"
        quoted = json.dumps(told) if told.startswith("{") else json.dumps(told.strip("'\""))
        yield Refused("resources", says, f"'{quoted}'")


def _survives(told: str) -> bool:
    """Whether it is JSON still when KubeRay's line has gone through the shell."""
    import json  # noqa: PLC0415 - start-up time
    import shlex  # noqa: PLC0415 - start-up time

    try:
        words = shlex.split(told)
        return len(words) == 1 and isinstance(json.loads(words[0]), dict)
    except (ValueError, RecursionError):
        return False


def _of_words(words: tuple[str, ...]) -> Iterator[Refused]:
    for word in dict.fromkeys(words):
        name, given, _ = word.partition("=")
        if not name.startswith("--") or set("$`") & set(name):
            continue
        if meant := _meant(name):
            yield Refused(name, f"ray start has no option {name}", meant)
        elif given and name in _SWITCHES:
            yield Refused(word, f"ray start: {name} takes no value", name)


def _meant(name: str) -> str:
    """Click takes no beginnings of names, and no `_` for `-`."""
    if name in _OPTIONS:
        return ""
    if other := _OTHERWISE.get(name.replace("_", "-")):
        return other
    begun = [o for o in _OPTIONS if len(name) > _LEAST and o.startswith(name.replace("_", "-"))]
    return begun[0] if len(begun) == 1 else nearest(name, _OPTIONS)
