"""One direction between two pods: what was tried there, and what was connected."""

from msgspec import Struct

from distcheck.checks.evidence import Cite, PortProbe


class Tried(Struct, frozen=True):
    """One connection that was tried, and where that is written."""

    probe: PortProbe
    cite: Cite

    @property
    def name(self) -> str:
        """`rendezvous (10.0.0.2:45123)`."""
        return f"{self.probe.service} ({self.probe.address}:{self.probe.port})"


class Path(Struct, frozen=True):
    """One direction between two pods: what was tried, and connections that are there or were made.

    `unproven` names meeting points of `target` that neither shows to be reachable, `reason`
    says why no more was seen.
    """

    source: str
    target: str
    tried: tuple[Tried, ...] = ()
    connected: tuple[Cite, ...] = ()
    unproven: tuple[str, ...] = ()
    reason: str = ""

    @property
    def blocked(self) -> tuple[Tried, ...]:
        """Tries that did not get through.

        A refused port is left out where a port of the same service answers: logs may still
        name the port of an engine that has since been started again.
        """
        live = {t.probe.service for t in self.tried if t.probe.outcome == "open"}
        return tuple(
            t
            for t in self.tried
            if t.probe.outcome in ("filtered", "rejected")
            or (t.probe.outcome == "refused" and t.probe.service not in live)
        )

    @property
    def proof(self) -> tuple[Cite, ...]:
        """What shows that this direction is open."""
        return (*(t.cite for t in self.tried if t.probe.outcome == "open"), *self.connected)

    @property
    def seen(self) -> bool:
        """Whether anything was tried or connected here, or should have been."""
        return bool(self.tried or self.connected or self.unproven)

    @property
    def gap(self) -> str | None:
        """What is not seen of this direction; None where enough is."""
        if not self.proof:
            return f"{self.source} to {self.target}: {self.reason}"
        if self.unproven:
            points = ", ".join(self.unproven)
            why = f" ({self.reason})" if self.reason else ""
            return f"{self.source} to {self.target}: {points} was not tried{why}"
        return None
