"""The weights of one rank."""

from msgspec import Struct

from distcheck.checks.evidence import Cite


class Share(Struct, frozen=True):
    """The weights of one rank in GiB, as its own log line gives them.

    `uuid` is its GPU where a pid or a title tells it. `covers` counts further ranks of the
    same world, pod and pipeline stage, which by vLLM's design do not print the line.
    """

    pod: str
    gib: float
    cite: Cite
    pp: int | None = None
    tp: int | None = None
    rank: int | None = None
    uuid: str | None = None
    covers: int = 0

    @property
    def subject(self) -> str:
        """The GPU, or else the pod."""
        return self.uuid or self.pod
