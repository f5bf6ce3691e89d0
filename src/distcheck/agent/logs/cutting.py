"""Long lines of a log, made short enough to keep and to read."""

MORE = "…"


def shortened(text: str, most: int) -> str:
    """`text` in at most `most` characters; what is cut is cut between words, and marked."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    head = cut.rpartition(" ")[0]
    return (head if len(head) > most // 2 else cut).rstrip(" ,;:(") + MORE
