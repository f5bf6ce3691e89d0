"""A stream of YAML or JSON, cut into its documents before any is read."""

from collections.abc import Iterator

from distcheck.pattern import pattern


def chunks(text: str) -> Iterator[tuple[int, str]]:
    """The documents of a stream as text, each with the number of its first line.

    Cut at the marks, so that one that cannot be read leaves the others. Comments and directives
    belong to what follows them. JSON objects that follow each other
    (`jq -c '.items[]'`) are cut where each ends, with blanks for what is before it.
    """
    start, begun = 0, False
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if _is_mark(line, "---"):
            if begun:
                yield from _stream(start, "\n".join(lines[start:number]) + "\n")
                start = number
            begun = True
        elif _is_mark(line, "..."):
            yield from _stream(start, "\n".join(lines[start : number + 1]) + "\n")
            start, begun = number + 1, False
        elif not begun:
            begun = line.lstrip()[:1] not in ("", "#") and line[0] != "%"
    yield from _stream(start, "\n".join(lines[start:]))


def _is_mark(line: str, mark: str) -> bool:
    return line.startswith(mark) and (len(line) == len(mark) or line[3] in " \t\r")


MOST_OBJECTS, _MOST_BLANKS = 20_000, 4_096


def _stream(first: int, text: str) -> Iterator[tuple[int, str]]:
    """The JSON objects of `text`, what cannot be cut with the last of them; else `text` itself."""
    ends = list(_ends(text)) if text[:1] == "{" and text[:2] != "{{" else []
    start = line = 0
    for end in ends[:-1]:
        blanks = start - text.rfind("\n", 0, start) - 1
        yield first + line, " " * blanks + text[start:end]
        line += text.count("\n", start, end)
        start = end
    blanks = start - text.rfind("\n", 0, start) - 1
    yield first + line, " " * blanks + text[start:]


def _ends(text: str) -> Iterator[int]:
    """Where each JSON object of the stream ends, as far as it is one."""
    from json import JSONDecoder  # noqa: PLC0415 - few inputs are JSON

    decode, at = JSONDecoder().raw_decode, 0
    for _ in range(MOST_OBJECTS):
        try:
            _, at = decode(text, at)
        except (ValueError, RecursionError):
            return
        yield at
        following = _BLANK.match(text, at)
        at = following.end() if following else at
        if at - text.rfind("\n", 0, at) > _MOST_BLANKS:
            return


_BLANK = pattern(r"[ \t\n]*")
