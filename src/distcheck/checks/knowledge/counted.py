"""A number and what it counts."""

_IRREGULAR = {
    "copy": "copies",
    "process": "processes",
    "is": "are",
    "does": "do",
    "has": "have",
    "holds": "hold",
    "address": "addresses",
    "leaves": "leave",
    "leads": "lead",
    "its": "their",
}


def counted(number: int, thing: str) -> str:
    """`1 rank`, `16 ranks`; the last word of `thing` is the noun."""
    return f"{number} {several(number, thing)}"


def several(number: int, word: str) -> str:
    """`word` as it stands after `number`: `rank` or `ranks`, `is` or `are`, `holds` or `hold`."""
    return word if number == 1 else _IRREGULAR.get(word, f"{word}s")
