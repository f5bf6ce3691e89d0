"""One direction between two pods: what was tried there, and what was connected."""

from msgspec import Struct

from distcheck.checks.evidence import Cite, PortProbe

RANGE, UNUSED = "nccl", "unused"
"""Services of a probe: an agent's listener in NCCL's range, and a port where nobody listens."""


class Tried(Struct, frozen=True):
    """One connection that was tried, and where that is written.

    `ephemeral` is the target's `ip_local_port_range` in words, where the port stands for it.
    """

    probe: PortProbe
    cite: Cite
    ephemeral: str = ""

    @property
    def name(self) -> str:
        """`rendezvous (10.0.0.2:45123)`, or `NCCL's range 32768-60999 (10.0.0.2:41234)`."""
        what = f"NCCL's range{self.ephemeral}" if self.in_range else self.probe.service
        return f"{what} ({self.probe.address}:{self.probe.port})"

    @property
    def in_range(self) -> bool:
        """Whether it stands for the ports that NCCL picks."""
        return self.probe.service in (RANGE, UNUSED)


class Path(Struct, frozen=True):
    """One direction between two pods: what was tried, and connections that are there or were made.

    `unproven` names meeting points of `target` that neither shows to be reachable, `reason`
    says why no more was seen. `in_range` shows that a port of NCCL's range was reached, `surely`
    where it also shows that `source` called, and `range_reason` says why there is no
    such; it is None where none has to be. `stale` says that an end of it is gone, so that
    nothing of this is true of the pods now.
    """

    source: str
    target: str
    tried: tuple[Tried, ...] = ()
    connected: tuple[Cite, ...] = ()
    unproven: tuple[str, ...] = ()
    reason: str = ""
    in_range: tuple[Cite, ...] = ()
    in_range_surely: bool = False
    range_reason: str | None = None
    stale: str = ""

    @property
    def answers_for_all(self) -> Tried | None:
        """The try that was accepted where nobody listens: something answers for every port."""
        return next((t for t in self._at(UNUSED) if t.probe.outcome == "open"), None)

    @property
    def blocked(self) -> tuple[Tried, ...]:
        """Tries that did not get through.

        A refused port is left out where a port of the same service answers: logs may still
        name the port of an engine that has since been started again.
        """
        live = {t.probe.service for t in self.tried if t.probe.outcome == "open"}
        return tuple(t for t in self.tried if not self.stale and self._is_blocked(t, live))

    def _is_blocked(self, one: Tried, live: set[str]) -> bool:
        outcome, service = one.probe.outcome, one.probe.service
        if outcome in ("filtered", "rejected"):
            return service != UNUSED or RANGE in live
        if outcome == "refused":
            return service != UNUSED and service not in live
        return outcome == "black_hole" or (outcome == "silent" and self.answers_for_all is not None)

    @property
    def undecided(self) -> tuple[Tried, ...]:
        """Tries that tell nothing."""
        return tuple(
            t
            for t in self.tried
            if t.probe.outcome in ("error", "silent") and not (self.stale or t in self.blocked)
        )

    @property
    def reached(self) -> tuple[Tried, ...]:
        """Tries that got through; past a proxy that answers for all, an agent's listener alone."""
        mesh = self.answers_for_all is not None
        return tuple(
            t
            for t in self.tried
            if t.probe.outcome == "open"
            and (t.probe.service == RANGE or not (mesh or t.probe.service == UNUSED))
        )

    @property
    def proof(self) -> tuple[Cite, ...]:
        """What shows that this direction is open."""
        return (*(t.cite for t in self.reached), *self.connected)

    @property
    def seen(self) -> bool:
        """Whether anything was tried or connected here, or should have been."""
        return bool(self.tried or self.connected or self.unproven)

    @property
    def gap(self) -> str | None:
        """What is not seen of this direction; None where enough is."""
        if self.stale:
            return f"{self.source} to {self.target}: {self.stale}"
        if not self.proof:
            return f"{self.source} to {self.target}: {self.reason}"
        if self.unproven:
            points = ", ".join(self.unproven)
            why = f" ({self.reason})" if self.reason else ""
            return f"{self.source} to {self.target}: {points} was not tried{why}"
        if self.range_reason is not None and not self.in_range:
            return f"{self.source} to {self.target}: NCCL's range was not tried{self.range_reason}"
        return None

    def _at(self, service: str) -> tuple[Tried, ...]:
        return tuple(t for t in self.tried if t.probe.service == service)
