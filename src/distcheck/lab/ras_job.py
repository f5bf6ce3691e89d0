"""What NCCL's RAS threads know of a job."""

from msgspec import Struct

_JSON_SINCE = (2, 28, 7)


class JobRank(Struct, frozen=True):
    """One rank of a communicator. `state` is what it does; a `silent` process does not answer.

    `dead` is one that was silent for a minute, `left` one that has destroyed its communicator.
    """

    rank: int
    host: str
    pid: int
    gpu: int
    counts: dict[str, int]
    state: str = "running"
    init_state: int = 0
    async_error: int = 0

    @property
    def answers(self) -> bool:
        """Whether RAS has data of it."""
        return self.state not in ("silent", "dead", "left")


class JobCommunicator(Struct, frozen=True):
    """One communicator; `hash` is its commId."""

    hash: int
    ranks: tuple[JobRank, ...]


class Job(Struct, frozen=True):
    """What RAS knows of a job at one time."""

    communicators: tuple[JobCommunicator, ...]
    version: tuple[int, int, int] = (2, 28, 9)

    @property
    def speaks_json(self) -> bool:
        """Whether this release knows `set format`."""
        return self.version >= _JSON_SINCE
