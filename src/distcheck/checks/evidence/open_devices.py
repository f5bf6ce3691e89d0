"""Which devices of a fabric the processes of a pod hold open."""

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Seen


class OpenDevice(Struct, frozen=True):
    """The devices of one process; `pid` is the host's.

    `files` are `uverbs0` of `/dev/infiniband`, `cxi0` of Slingshot, `hfi1_0` of Omni-Path, and
    `imex` for a channel of NVLink between nodes.
    """

    pid: int
    files: tuple[str, ...]


class OpenDevices(Seen, frozen=True, tag="open-devices"):
    """By `/proc/PID/fd`: what is open was not always used.

    `read` are the processes whose open files were read to their end: of them, one that is not
    in `processes` holds none. `hcas` names the HCA of each uverbs file.
    """

    processes: tuple[OpenDevice, ...]
    read: tuple[int, ...]
    source: str
    seen_at: str | None = None
    hcas: dict[str, str] = field(default_factory=dict)
    refused: str | None = None
