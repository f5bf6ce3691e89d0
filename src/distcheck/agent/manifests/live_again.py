"""`judged_live` for who looks again and again: what did not change is not judged again."""

import threading
from collections import OrderedDict
from hashlib import blake2b

import msgspec

from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.manifests.live import UNASKED, bare, judged_live
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.evidence.policy import NetworkPolicies

_MOST = 512


class LiveRules:
    """Keeps what was found by a hash of the objects, of the 512 groups that came last.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._found: OrderedDict[bytes, Manifests] = OrderedDict()
        self._lock = threading.Lock()

    def judged(
        self, written: Written, policies: NetworkPolicies | Missing = UNASKED
    ) -> Manifests | Missing:
        """As `judged_live`, which see."""
        key = _key(written, policies)
        with self._lock:
            if (known := self._found.pop(key, None)) is not None:
                self._found[key] = known
                return known
        found = judged_live(written, policies)
        if isinstance(found, Manifests):
            self._keep(key, found)
        return found

    def _keep(self, key: bytes, found: Manifests) -> None:
        with self._lock:
            self._found[key] = found
            while len(self._found) > _MOST:
                self._found.popitem(last=False)


def _key(written: Written, policies: NetworkPolicies | Missing) -> bytes:
    """Of all that rules see: no status, and no revision, which each change of it makes new."""
    objects = [[bare(o) for o in held] for held in (written.workloads, written.lost)]
    beside = [bare(o) for o in written.beside]
    seen = (policies.specs, policies.others) if isinstance(policies, NetworkPolicies) else policies
    told = msgspec.json.encode([objects, beside, written.unread, written.why, seen])
    return blake2b(told, digest_size=16).digest()
