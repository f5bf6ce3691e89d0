"""How long to go on asking an API server that is busy: pure arithmetic over its answers."""

import re

TOO_MANY = 429
_TRIES = {TOO_MANY: 6, 500: 2, 502: 3, 503: 4, 504: 2}
_CUT_TRIES = 3
_FIRST_S, _LONGEST_S = 0.1, 8.0
_SECONDS = re.compile(r"\s{0,8}([0-9]{1,6})\s{0,8}\Z")


def pause_after(status: int, tries: int, retry_after: str | None = None) -> float | None:
    """Seconds before asking again after `tries` answers of `status`; None for never.

    Only what a server says while it is overloaded or starting is worth another try. Its own
    `Retry-After` wins (priority and fairness sends 1, kube-apiserver).
    """
    if tries >= _TRIES.get(status, 0):
        return None
    said = _SECONDS.match(retry_after or "")
    return float(said[1]) if said else _doubled(tries)


def pause_after_cut(tries: int) -> float | None:
    """The same for a connection that broke, `tries` times so far."""
    return _doubled(tries) if tries < _CUT_TRIES else None


def _doubled(tries: int) -> float:
    return min(_FIRST_S * (1 << (tries - 1)), _LONGEST_S)
