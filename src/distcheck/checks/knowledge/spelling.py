"""How far one name is from another: `nearest` decides what a name means, `alike` suggests.

`within` is for names in which case and dashes tell things apart: variables, modules, flags.
"""

from collections.abc import Iterable


def letters_apart(one: str, two: str, most: int) -> int:
    """Letters to change, add or take away; more than `most` is `most` + 1."""
    if abs(len(one) - len(two)) > most:
        return most + 1
    before = list(range(len(two) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, other in enumerate(two, 1):
            change = before[column - 1] + (letter != other)
            now.append(min(change, before[column] + 1, now[-1] + 1))
        if min(now) > most:
            return most + 1
        before = now
    return before[-1]


class OneLetterOff:
    """Names by what they are without each of their letters: many are held against many.

    Names longer than `_LONGEST` are left out. Of a key two names are kept, which are several.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._known: dict[tuple[int, str], list[str]] = {}
        for name in (n for n in dict.fromkeys(names) if len(n) <= _LONGEST):
            rests = _shorter(name)
            for key in {(_WHOLE, name), *rests, *((_ADDED, rest) for _, rest in rests)}:
                held = self._known.setdefault(key, [])
                if len(held) < _SEVERAL:
                    held.append(name)

    def only(self, name: str) -> str:
        """The one that is a letter changed, more or fewer away; empty for none, or for several.

        `name` is none of them.
        """
        rests = _shorter(name) if len(name) <= _LONGEST else ()
        keys = ((_ADDED, name), *rests, *((_WHOLE, rest) for _, rest in rests))
        found = {n for key in keys for n in self._known.get(key, ())}
        return found.pop() if len(found) == 1 else ""


def _shorter(name: str) -> list[tuple[int, str]]:
    """It without each of its letters, with where that stood."""
    return [(n, name[:n] + name[n + 1 :]) for n in range(len(name))]


_WHOLE, _ADDED, _SEVERAL = -1, -2, 2


def alike(name: str, known: Iterable[str], most: int = 1, least: float = 0.6) -> list[str]:
    """Known names to suggest for `name`, the best first; `least` is the share that is alike."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a wrong name pays for it

    return get_close_matches(name[:_LONGEST], list(known), most, least)


_SHORT, _LONGEST = 6, 64


def nearest(name: str, known: Iterable[str]) -> str:
    """The one that is meant: one letter off, two of longer names, or written in another case."""
    most = 1 if len(name) < _SHORT else 2
    plain = _letters(name)
    apart = {one: letters_apart(plain, _letters(one), most) for one in known}
    return min((k for k, n in apart.items() if n <= most), key=lambda k: (apart[k], k), default="")


def within(name: str, known: Iterable[str], most: int = 2) -> list[str]:
    """Those that are at most so many letters off, as they are written, the nearest first."""
    apart = {one: letters_apart(name, one, most) for one in known}
    return sorted((k for k, n in apart.items() if n <= most), key=lambda k: (apart[k], k))


def _letters(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
