"""What is told of one group."""

from msgspec import Struct, field

from distcheck.checks.evidence import Cite, Conflict, Rollout
from distcheck.checks.evidence.group import Role
from distcheck.checks.group_map import GroupMap
from distcheck.checks.verdict import Outcome

REPORT_SCHEMA = "distcheck.report/v1"


class ReportPod(Struct, frozen=True):
    """A pod of the group, as the report names it."""

    name: str
    node: str | None
    role: Role
    gpus: int


class ReportTarget(Struct, frozen=True):
    """The group that was judged."""

    namespace: str
    kind: str
    name: str
    pods: tuple[ReportPod, ...]
    chosen: str = ""

    @property
    def full_name(self) -> str:
        """`namespace/name`; the name alone of what is in no namespace, as a GCS by its address."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class ReportIntent(Struct, frozen=True):
    """What was asked for, and where each value came from; see `Intent` for each field."""

    engine: str
    model: str | None
    tp: int | None
    pp: int | None
    dp: int | None
    world_size: int | None
    sources: dict[str, str] = field(name="from")
    ep: bool | None = None
    gpus: int | None = None
    nodes: int | None = None
    gpus_per_pod: int | None = None
    executor: str | None = None
    ranks: int | None = None
    dp_local: int | None = None
    dp_balancer: str | None = None
    ports: dict[str, int] = field(default_factory=dict)
    nccl: dict[str, str] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    unread: dict[str, str] = field(default_factory=dict)


class Finding(Struct, frozen=True):
    """One check's verdict with its title and remedy."""

    id: str
    title: str
    outcome: Outcome
    core: bool
    says: str
    cause: str | None
    subjects: tuple[str, ...]
    cites: tuple[Cite, ...]
    remedy: str


class Report(Struct, frozen=True):
    """Everything that was decided about one group (`distcheck.report/v1`).

    `left_out` has the ids of the checks that were asked not to judge: nothing is known of them.
    """

    distcheck_version: str
    observed_at: str
    target: ReportTarget
    intent: ReportIntent
    verdict: Outcome
    summary: str
    checks: tuple[Finding, ...]
    schema: str = REPORT_SCHEMA
    notes: tuple[str, ...] = ()
    map: GroupMap | None = None
    rollouts: tuple[Rollout, ...] = ()
    left_out: tuple[str, ...] = ()
