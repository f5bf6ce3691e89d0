"""The gate's cluster of two nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.cluster.manifests.build import two_nodes
from tests.cluster.manifests.world import cluster
from tests.evidence_builder import healthy
from tests.serve.gate_world import CHECKS, SEEN, Cluster

from distcheck.agent.cluster.finding.group import Group
from distcheck.agent.serve.rounds import Duty, Rounds
from distcheck.checks.evidence import Evidence
from distcheck.checks.judging import Judged, judge


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Cluster]:
    def gather(group: Group) -> Evidence:
        return replace(SEEN[0], rollouts=group.rollouts)

    def judged(evidence: Evidence) -> Judged:
        return judge(evidence, CHECKS)

    SEEN[0] = healthy()
    with cluster(tmp_path, two_nodes(), timeout=0.5) as (api, server, _):
        yield Cluster(Rounds(api, Duty(), gather, judged), server)
