"""Where Ray Serve's proxies listen that a container's commands start."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.manifest.container import Command, Container

_HOST, _PORT = "RAY_SERVE_DEFAULT_HTTP_HOST", "RAY_SERVE_DEFAULT_HTTP_PORT"
_ALL = "RAY_SERVE_ENABLE_HA_PROXY"
_FILES = (".yaml", ".yml", ".json")
_RAYS_OWN = "ray.serve.llm:"


class Proxies(Struct, frozen=True):
    """The address and port that they get; `word` is what starts them, `said` by which flag.

    `unseen` is what may start them elsewhere before.
    """

    host: str
    port: int
    word: str
    said: str = ""
    unseen: str = ""


def proxies(container: Container) -> Proxies | None:
    """By the first `serve start` or `serve run`: later ones find Serve running. None for none.

    Ray python/ray/serve/scripts.py and _private/constants.py, 2.40 and 2.60: localhost, but
    where a file is run or deployed, whose own default is every address.
    """
    every = (found for c in container.commands if (found := _serve(c)) is not None)
    first = next(every, None)
    if first is None or container.value(_ALL):
        return None
    command, words = first
    told = {name: next(command.values(name), "") for name in ("--http-host", "--http-port")}
    usual = container.value(_HOST) if container.variable(_HOST) else "127.0.0.1"
    port = told["--http-port"] or container.value(_PORT) or "8000"
    if not usual or not port.isdecimal() or words[0] == "deploy":
        return None
    host, said = told["--http-host"] or usual, "--http-host" if told["--http-host"] else ""
    unseen = "" if command.sure else "which branch of its script is taken"
    unseen = unseen or ("all of its variables" if container.may_have_more else "")
    if words[0] == "run":
        module = next(_targets(words[1:]), "")
        if not module or "$" in module or module.endswith(_FILES):
            return None
        loads = f"whether {module.partition(':')[0]} starts Serve itself"
        unseen = unseen or ("" if module.startswith(_RAYS_OWN) else loads)
    return Proxies(host, int(port[:5]), f"serve {words[0]}", said, unseen)


def _serve(command: Command) -> tuple[Command, tuple[str, ...]] | None:
    words = command.words
    at = next((n for n, w in enumerate(words) if w.rpartition("/")[2] == "serve"), -1)
    known = words[at + 1 : at + 2] in {("start",), ("run",), ("deploy",)}
    first = all("=" in w or w in ("exec", "env", "nohup") for w in words[: max(at, 0)])
    return (command, words[at + 1 :]) if at >= 0 and known and first else None


def _targets(words: tuple[str, ...]) -> Iterator[str]:
    """The words that name what to run: `module:attribute`, or a file."""
    yield from (w for w in words if not w.startswith("-") and (":" in w or w.endswith(_FILES)))
