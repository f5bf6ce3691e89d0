"""Failures of each pod, counted so that they never go back: the kubelet removes old logs."""

from collections.abc import Collection, Mapping

_Counts = Mapping[str, int]


class FailureCounts:
    """By pod (uid) and failure, as long as the pod is followed."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, int]] = {}
        self._told: dict[str, dict[str, int]] = {}

    def only(self, uids: Collection[str]) -> None:
        """Forget all other pods."""
        self._seen = {uid: seen for uid, seen in self._seen.items() if uid in uids}
        self._told = {uid: told for uid, told in self._told.items() if uid in uids}

    def told(self, uid: str) -> dict[str, int]:
        """As counted last; nothing of its logs could be read now."""
        return dict(self._told.get(uid, {}))

    def of(self, uid: str, now: _Counts) -> dict[str, int]:
        """What its logs show `now`, and what those showed that are gone."""
        before, told = self._seen.get(uid, {}), self._told.get(uid, {})
        for name in sorted(now.keys() | told.keys()):
            more = now.get(name, 0) - before.get(name, 0)
            told[name] = told.get(name, 0) + max(0, more)
        self._seen[uid], self._told[uid] = dict(now), told
        return dict(told)
