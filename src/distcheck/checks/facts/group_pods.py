"""How an operator reaches the pods of the group, for what a verdict tells them to do."""

from typing import Self

from msgspec import field

from distcheck.checks.evidence import Evidence, Pod, RayCluster, VllmLog
from distcheck.checks.facts.engine_lines import ranks_by_pod, weights_by_pod
from distcheck.checks.facts.fact import Fact


class GroupPods(Fact, frozen=True, kw_only=True):
    """The group's namespace, its leader, and the container of the ranks in each pod.

    `unseen` are pods that no agent looked at, `startless` those of whose log the lines of the
    engine's start are gone. `gcs` is where the leader's Ray takes nodes in: `10.0.0.2:6379`.

    It says nothing about the ranks, so that it has no gaps.
    """

    namespace: str = ""
    leader: str = ""
    containers: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)
    ray: bool = False
    gcs: str = ""
    unseen: frozenset[str] = frozenset()
    startless: frozenset[str] = frozenset()

    @classmethod
    def fold(cls, evidence: Evidence) -> Self:
        """From the pods that the API server shows, and the executor that is asked for."""
        holders = [p for p in evidence.pods if p.gpus] or list(evidence.pods)
        leaders = [p for p in evidence.pods if p.role == "leader"]
        return cls(
            namespace=evidence.target.namespace,
            leader=next((p.name for p in (*leaders, *holders)), ""),
            containers={p.name: p.container for p in evidence.pods},
            nodes={p.name: p.node or "" for p in evidence.pods},
            unseen=frozenset(p.name for p in evidence.pods if not evidence.looked_at(p)),
            startless=frozenset(p.name for p in evidence.pods if _lost_start(evidence, p)),
            ray=evidence.intent.executor == "ray" or bool(_gcs(evidence, leaders)),
            gcs=_gcs(evidence, leaders),
        )

    def logs(self, pod: str, look_for: str) -> str:
        """The command that finds `look_for` in the log of `pod`."""
        return f"`{self._kubectl(f'logs {pod}', pod)} | grep -m1 '{look_for}'`"

    def last_lines(self, pod: str) -> str:
        """The command that shows the end of the log of `pod`."""
        return f"`{self._kubectl(f'logs --tail=50 {pod}', pod)}`"

    def run(self, pod: str, command: str) -> str:
        """The command that runs `command` in `pod`."""
        return f"`{self._kubectl(f'exec {pod}', pod)} -- {command}`"

    def spec(self, pod: str) -> str:
        """The command that shows the spec of `pod`."""
        return f"`kubectl -n {self.namespace} get pod {pod} -o yaml`"

    def _kubectl(self, words: str, pod: str) -> str:
        container = self.containers.get(pod, "")
        return f"kubectl -n {self.namespace} {words}" + (f" -c {container}" if container else "")


def _gcs(evidence: Evidence, leaders: list[Pod]) -> str:
    nodes = (evidence.node(p.node) for p in leaders if p.node)
    return next((n.ray.address for n in nodes if n and isinstance(n.ray, RayCluster)), "")


def _lost_start(evidence: Evidence, pod: Pod) -> bool:
    """Whether its log was read, and no line of this start is left in it."""
    log = evidence.look(pod).vllm
    if not isinstance(log, VllmLog):
        return False
    if weights_by_pod(evidence)[pod.key] or ranks_by_pod(evidence)[pod.key]:
        return False
    return bool(log.ranks or log.weights) or not log.config_source
