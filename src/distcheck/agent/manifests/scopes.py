"""What of the input is one deployment."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.files import folder_of


def scopes(held: Sequence[Known]) -> Iterator[list[Known]]:
    """What is judged together: all, where no two objects have one name.

    Else each folder by itself, and where a folder has two of one name each file: overlays and
    examples side by side are not one deployment.
    """
    yield from _split(held, [_folder, _file])


def _split(held: Sequence[Known], ways: Sequence[Callable[[Known], str]]) -> Iterator[list[Known]]:
    if not ways or not _clash(held):
        if held:
            yield list(held)
        return
    parts: dict[str, list[Known]] = {}
    for one in held:
        parts.setdefault(ways[0](one), []).append(one)
    for part in parts.values():
        yield from _split(part, ways[1:])


def _folder(one: Known) -> str:
    return folder_of(one.document.source.name)


def _file(one: Known) -> str:
    return one.document.source.name


def _clash(held: Sequence[Known]) -> bool:
    names = ((k.thing.kind, k.thing.namespace, k.thing.name) for k in held if k.thing.name)
    return any(n > 1 for n in Counter(names).values())
