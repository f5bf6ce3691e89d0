"""What a container runs before its engine, or around it, that nobody here can read."""

from distcheck.checks.manifest.container import Command, Container

_ENTRY_POINTS = ("vllm", "sglang")
_SCRIPTS = (".sh", ".bash", ".py")
_AROUND = frozenset(
    {
        *("exec", "env", "nohup", "numactl", "python", "python3", "sh", "bash", "time", "timeout"),
        *("tini", "dumb-init", "stdbuf", "nsys", "uv", "run", "-m", "-c", "-u", "-s", "-g", "--"),
    }
)


def hidden_before_engine(container: Container) -> str:
    """In words; empty where every program that it runs is seen.

    A script may join the pods, and the entrypoint of an unknown image may add flags.
    """
    for command in container.commands:
        if script := next((w for w in command.words if _is_script(w)), ""):
            return f"what {script} does"
        if around := _wrapper(command):
            return f"what {around} adds"
    if not container.place.at("command") and not container.engine_image:
        return f"what the entrypoint of {container.image or 'the image'} adds"
    return ""


def _is_script(word: str) -> bool:
    return word.endswith(_SCRIPTS) and " " not in word and not word.endswith("api_server.py")


def _wrapper(command: Command) -> str:
    """The first word, where it stands before the engine's and is no known launcher."""
    names = [w.rpartition("/")[2] for w in command.words]
    at = next((n for n, w in enumerate(names) if w.startswith(_ENTRY_POINTS)), 0)
    first = command.words[0] if at else ""
    return first if first and names[0] not in _AROUND and "=" not in first else ""
