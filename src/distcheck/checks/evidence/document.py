"""The evidence file: one JSON document for one serving group (`distcheck.evidence/v1`)."""

from collections.abc import Iterable
from functools import cached_property

import msgspec
from msgspec import Struct, field

from distcheck.checks.evidence.group import Intent, Pod, Rollout, Target, Trouble
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.evidence.node import NodeLook, PodLook
from distcheck.checks.evidence.policy import NetworkPolicies, Services
from distcheck.checks.evidence.seen import Missing

EVIDENCE_SCHEMA = "distcheck.evidence/v1"


class EvidenceError(ValueError):
    """The bytes are not evidence that this version can judge; the message says why."""


class Evidence(Struct, frozen=True, dict=True):
    """All that was gathered about one serving group at one time."""

    distcheck_version: str
    observed_at: str
    target: Target
    intent: Intent
    pods: tuple[Pod, ...]
    nodes: tuple[NodeLook, ...]
    schema: str = EVIDENCE_SCHEMA
    notes: tuple[str, ...] = field(default=())
    troubles: tuple[Trouble, ...] = field(default=())
    policies: NetworkPolicies | Missing = Missing("NetworkPolicies were not listed")
    services: Services | Missing = Missing("Services were not listed")
    rollouts: tuple[Rollout, ...] = field(default=())
    manifests: Manifests | Missing = Missing("the workloads' objects were not judged")

    def look(self, pod: Pod) -> PodLook:
        """What was seen of `pod`; a look full of `Missing` where nothing was."""
        found = self._looks.get((pod.node, pod.key))
        if found is not None:
            return found
        node = None if pod.node is None else self.node(pod.node)
        if node is None:
            where = f"no agent answered on node {pod.node}" if pod.node else "it has no node yet"
            return PodLook.unseen(pod.key, f"{where} ({pod.name})")
        reason = getattr(node.gpus, "reason", f"the agent on {node.node} saw no such pod")
        return PodLook.unseen(pod.key, f"{reason} ({pod.name})")

    def looked_at(self, pod: Pod) -> bool:
        """Whether an agent looked at `pod`."""
        return (pod.node, pod.key) in self._looks

    def has(self, key: str) -> bool:
        """Whether the group has a pod of this name (`namespace/name`)."""
        return key in self._by_key

    def pod(self, key: str) -> Pod | None:
        """The pod of the group called `key`; None where there is none."""
        return self._by_key.get(key)

    def node(self, name: str) -> NodeLook | None:
        """The look at the node called `name`; None where there is none."""
        return self._nodes.get(name)

    @cached_property
    def _by_key(self) -> dict[str, Pod]:
        return {p.key: p for p in self.pods}

    @cached_property
    def _nodes(self) -> dict[str, NodeLook]:
        return {n.node: n for n in reversed(self.nodes)}

    @cached_property
    def _looks(self) -> dict[tuple[str | None, str], PodLook]:
        return {(n.node, p.pod): p for n in reversed(self.nodes) for p in reversed(n.pods)}


class _Head(Struct):
    schema: str


_DECODER = msgspec.json.Decoder(Evidence)
_ENCODER = msgspec.json.Encoder(order="deterministic")


def decode_evidence(data: bytes) -> Evidence:
    """Evidence from JSON bytes.

    Raises:
        EvidenceError: not JSON, not evidence, of another major version, of a wrong shape, or
            with a pod or a node in it twice.
    """
    try:
        head = msgspec.json.decode(data, type=_Head)
    except msgspec.ValidationError as error:
        raise EvidenceError(f"this JSON is not evidence: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceError(f"not valid JSON: {error}") from error
    if head.schema != EVIDENCE_SCHEMA:
        raise EvidenceError(f"schema is {head.schema!r}; this version judges {EVIDENCE_SCHEMA!r}")
    try:
        evidence = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceError(f"evidence of a wrong shape: {error}") from error
    _refuse_twice("pod", (p.key for p in evidence.pods))
    _refuse_twice("node", (n.node for n in evidence.nodes))
    return evidence


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    """A pod or a node that is there twice would be counted twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise EvidenceError(f"{what} {name} is in this evidence more than once")
        seen.add(name)


def encode_evidence(evidence: Evidence) -> bytes:
    """JSON bytes of `evidence`; the same evidence gives the same bytes."""
    return _ENCODER.encode(evidence)
