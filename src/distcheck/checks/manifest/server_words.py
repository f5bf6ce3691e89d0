"""The words that a container's server is given."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container


def server_words(container: Container, engine: str) -> Iterator[str]:
    """What the server is given: behind its program, or all that its image's entrypoint takes."""
    if not container.place.at("command"):
        yield from container.argv
    for one in container.commands:
        before = ("", *one.words)
        at = next((n for n, w in enumerate(one.words) if engine in w and _runs(before[n])), None)
        yield from one.words[at:] if at is not None else ()


def _runs(before: str) -> bool:
    """Whether the word behind it is a program or a module, not what a flag is given."""
    return not before.startswith("-") or "=" in before or before in ("-m", "-c", "--", "-u")
