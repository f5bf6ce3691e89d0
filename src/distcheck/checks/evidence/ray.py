"""Ray's membership as its GCS tells it."""

from distcheck.checks.evidence.seen import Seen


class RayCluster(Seen, frozen=True, tag="ray-cluster"):
    """One reply of a GCS, folded."""

    address: str = ""
