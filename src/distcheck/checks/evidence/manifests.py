"""What rules for manifests found in the objects of a live group."""

from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence.seen import Seen


class ManifestFinding(Struct, frozen=True, omit_defaults=True):
    """One finding of rule `id`; `source` is the object and the path in it.

    `unseen` is what kept the rule from being sure.
    """

    id: str
    level: Literal["error", "warning", "hint"]
    title: str
    says: str
    fix: str
    source: str
    unseen: str = ""


class Manifests(Seen, frozen=True, tag="manifests"):
    """The objects that were judged (`sts/vllm`), by which rules, and what those found.

    Only findings are kept: objects hold what is nobody's business, such as variables.
    """

    judged: tuple[str, ...]
    rules: tuple[str, ...]
    findings: tuple[ManifestFinding, ...] = ()
