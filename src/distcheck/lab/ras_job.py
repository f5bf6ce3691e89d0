"""What NCCL's RAS threads know of a job."""

from msgspec import Struct

from distcheck.lab.layout import Layout, Member, Rank
from distcheck.lab.nccl_text import Comm, comms_of

RAS_PORT = 28028
_AHEAD = 6650
_IN_PROGRESS = 7
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


def job_of(layout: Layout, member: Member) -> Job | None:
    """What the processes of one pod know of their job; None where RAS has no thread in it.

    The threads start with the first communicator, once its ranks have met.
    """
    world, here = layout.world, layout.running_on(member)
    if world.ras.release == "off" or not here:
        return None
    engine = layout.engine(here[0])
    comms = [c for c in comms_of(layout) if c.members[0].engine == here[0].engine]
    if not comms or not (engine.met or engine.progress == "first-word"):
        return None
    major, minor, patch = map(int, world.ras.release.split("."))
    told = tuple(_told(layout, comm) for comm in comms)
    return Job(told[:1] if not engine.met else told, (major, minor, patch))


def _told(layout: Layout, comm: Comm) -> JobCommunicator:
    ranks = (_rank(layout, comm, rank) for rank in comm.members)
    return JobCommunicator(comm.ident, tuple(ranks))


def _rank(layout: Layout, comm: Comm, rank: Rank) -> JobRank:
    """Its process by the number in its container; one that is behind is so by one call."""
    world, met = layout.world, layout.engine(rank).met
    behind = rank.rank in world.ras.behind
    counts = {"AllReduce": _AHEAD - behind, "AllGather": 12} if met else {}
    gone = rank.rank in world.gone
    return JobRank(
        comm.rank_of(rank),
        rank.member.ip,
        rank.pid,
        rank.gpu,
        counts,
        "dead" if gone else "running",
        0 if met else _IN_PROGRESS,
    )
