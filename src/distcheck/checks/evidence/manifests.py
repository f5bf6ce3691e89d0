"""What rules for manifests found in the objects of a live group."""

from typing import Literal

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Seen


class ManifestFinding(Struct, frozen=True, omit_defaults=True):
    """One finding of rule `id`; `source` is the object and the path in it.

    `unseen` is what kept the rule from being sure, `silenced` the reason that an annotation gives.
    """

    id: str
    level: Literal["error", "warning", "hint"]
    title: str
    says: str
    fix: str
    source: str
    unseen: str = ""
    silenced: str | None = None


class Manifests(Seen, frozen=True, tag="manifests"):
    """The objects that were judged (`sts/vllm`), by which rules, and what those found.

    Only findings are kept: objects hold what is nobody's business, such as variables. `unread`
    says by rule why it could not see what it judges, `aside` why there is nothing here that it
    judges, `more` how many findings of it were left out. `notes` are annotations that silence
    nothing.
    """

    judged: tuple[str, ...]
    rules: tuple[str, ...]
    findings: tuple[ManifestFinding, ...] = ()
    unread: dict[str, str] = field(default_factory=dict)
    more: dict[str, int] = field(default_factory=dict)
    aside: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
