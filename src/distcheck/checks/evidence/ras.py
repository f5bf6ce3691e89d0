"""What NCCL's RAS says of the communicators of a job (NCCL 2.24 and newer)."""

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Seen


class RasRank(Struct, frozen=True, omit_defaults=True):
    """One rank of one communicator; `pid` is the number in its own container.

    `counts` are how often each collective was called (`AllReduce`). `missing` is a rank that
    gave no answer, `dead` one that RAS has given up. `init` and `error` are NCCL's own codes
    or words; 0 and empty are well.
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


class RasCommunicator(Struct, frozen=True, omit_defaults=True):
    """One communicator; `hash` is the commId of the log's lines, `ranks` those RAS knows of."""

    hash: str
    size: int
    ranks: tuple[RasRank, ...] = ()
    missing: int = 0
    status: str = ""
    errors: str = ""


class RasStatus(Seen, frozen=True, tag="ras"):
    """RAS's answer at one time. `format` is `json` or `text`, which tells less.

    `before` is what it answered to an earlier look of the same agent, and when that was.
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
