"""Names that were written before kustomize, or a release, put a prefix before them."""

from collections.abc import Callable

_PARTS = frozenset({"worker", "workers", "follower", "node", "decode", "prefill", "secondary"})
"""What tells a part from the one that it joins: `worker-vllm` may well join `vllm`."""


def lost_prefix(owner: str, label: str, is_there: Callable[[str], bool]) -> str:
    """`prod-` of `prod-worker` that joins `head`, where `prod-head` is there; else empty.

    `owner` is the name of the object whose pods join `label`.
    """
    for at, letter in enumerate(owner):
        prefix = owner[: at + 1]
        if letter == "-" and not _PARTS & set(prefix.split("-")) and is_there(prefix + label):
            return prefix
    return ""
