"""What NCCL's RAS says of the communicators of a job (NCCL 2.24 and newer)."""

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Seen


class RasRank(Struct, frozen=True, omit_defaults=True):
    """One rank of one communicator; `pid` is the number in its own container.

    `counts` are how often each collective was called (`AllReduce`). `missing` is a rank of which
    there is no data, `dead` one that RAS has given up, and `silent` one whose process gave no
    answer; a missing one that is not silent has left the communicator. `init` is empty once it
    is initialised, else `in progress` or NCCL's word for the error, as is `error`.
    """

    rank: int
    host: str = ""
    pid: int = 0
    cuda_device: int | None = None
    nvml_device: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    missing: bool = False
    dead: bool = False
    init: str = ""
    error: str = ""
    aborted: bool = False
    silent: bool = False
    leaving: bool = False


class RasCommunicator(Struct, frozen=True, omit_defaults=True):
    """One communicator; `hash` is the commId of the log's lines, `ranks` those RAS knows of.

    Text names ranks only where something differs: then `alike` is how many communicators this
    one stands for, and `spread` how many ranks called a collective how often. `status` and
    `errors` are the words of its table.
    """

    hash: str
    size: int
    ranks: tuple[RasRank, ...] = ()
    missing: int = 0
    status: str = ""
    errors: str = ""
    alike: int = 1
    spread: dict[str, dict[int, int]] = field(default_factory=dict)

    @property
    def unsettled(self) -> bool:
        """Whether another look is needed to tell what this is: ranks differ, lack, or start."""
        counts = {tuple(sorted(r.counts.items())) for r in self.ranks if not r.missing}
        odd = any(r.init or (r.missing and not r.dead) for r in self.ranks)
        table = self.status == "INIT" or self.errors not in ("", "OK")
        return len(counts) > 1 or odd or bool(self.spread) or table


class RasProcess(Struct, frozen=True, omit_defaults=True):
    """A process of the job that RAS does not reach; `dead` after a minute (RAS_PEER_DEAD_TIMEOUT).

    `gpus` are its CUDA devices as RAS writes them.
    """

    host: str
    pid: int
    gpus: str = ""
    dead: bool = False


class RasStatus(Seen, frozen=True, tag="ras"):
    """RAS's answer at one time. `format` is `json` or `text`, which tells less.

    `before` is what it answered to an earlier look of the same agent, and when that was: the
    earliest one since which nothing that differs has moved. `processes` and `gpus` are those
    that the job has by text's summary, `lost` those of its processes that text says are silent
    or dead, and `dropped` counts what the bounds of this record left out.
    """

    communicators: tuple[RasCommunicator, ...]
    source: str
    format: str = "json"
    version: str = ""
    seen_at: str | None = None
    timeouts: int = 0
    notes: tuple[str, ...] = ()
    before: tuple[RasCommunicator, ...] = ()
    before_at: str | None = None
    processes: int = 0
    gpus: int = 0
    lost: tuple[RasProcess, ...] = ()
    dropped: int = 0
