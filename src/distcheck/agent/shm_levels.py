"""How full each `/dev/shm` of the node was before: a rise is a change, which one look misses."""

import threading
from collections import OrderedDict

from distcheck.checks.evidence.shm import ShmLevel

_MOUNTS, _LEVELS = 256, 32


class ShmLevels:
    """Levels by device (`0:302`), which a mount keeps as long as it lives.

    Of each at most 32 are kept; where there are more, every other one of the older half goes,
    so that they reach back as far as the agent does.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, list[ShmLevel]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, device: str, level: ShmLevel) -> None:
        """Keep one more level."""
        with self._lock:
            levels = self._seen.pop(device, [])
            levels.append(level)
            if len(levels) > _LEVELS:
                half = _LEVELS // 2
                levels[:half] = levels[:half:2]
            self._seen[device] = levels
            while len(self._seen) > _MOUNTS:
                self._seen.popitem(last=False)

    def of(self, device: str) -> tuple[ShmLevel, ...]:
        """What was seen of it, the oldest first."""
        with self._lock:
            return tuple(self._seen.get(device, ()))
