"""Lines without a time are as old as the last write of their file, or older."""

import pytest
from msgspec import structs
from tests.checks.test_nccl import group, quiet
from tests.checks.test_sharding_starts import EARLIER, numbered, stamped
from tests.evidence_builder import AT, change_looks, healthy
from tests.logs.nccl_lines import HOSTS, job

from distcheck.checks.check import Check
from distcheck.checks.evidence import Evidence, Missing, NcclLog, PodLook, Processes, VllmLog
from distcheck.checks.facts.age import last_write
from distcheck.checks.facts.engine_lines import ranks_by_pod, weights_by_pod
from distcheck.checks.facts.engine_worlds import EngineWorlds
from distcheck.checks.nccl.gdr_between_nodes import gdr_between_nodes
from distcheck.checks.nccl.no_failure import no_failure
from distcheck.checks.nccl.peer_to_peer_on_node import peer_to_peer_on_node
from distcheck.checks.nccl.ranks_initialised import ranks_initialised
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes
from distcheck.checks.sharding.one_world import one_world
from distcheck.checks.sharding.share_of_weights import share_of_weights

BETWEEN = "2026-01-15T09:22:00Z"
LATE = "2026-01-15T09:25:00Z"
NCCL = (ranks_initialised, rdma_between_nodes, gdr_between_nodes, peer_to_peer_on_node)
SHARDS = (share_of_weights, one_world)


def written(evidence: Evidence, at: str) -> Evidence:
    """No line has a time; every file was last written at `at`."""

    def change(look: PodLook) -> PodLook:
        bare = stamped(look, None)
        assert isinstance(bare.nccl, NcclLog)
        assert isinstance(bare.vllm, VllmLog)
        sources = [p.source for p in bare.nccl.processes]
        sources += [f.source for f in bare.nccl.failures]
        sources += [r.source for r in bare.vllm.ranks]
        files = {s.rpartition(":")[0]: at for s in sources}
        nccl = structs.replace(bare.nccl, written=files)
        return structs.replace(bare, nccl=nccl, vllm=structs.replace(bare.vllm, written=files))

    return change_looks(evidence, change)


def started_late(evidence: Evidence) -> Evidence:
    """The ranks' processes started some minutes after their containers."""

    def change(look: PodLook) -> PodLook:
        assert isinstance(look.processes, Processes)
        late = tuple(structs.replace(p, started_at=LATE) for p in look.processes.processes)
        return structs.replace(look, processes=structs.replace(look.processes, processes=late))

    return change_looks(numbered(evidence), change)


@pytest.mark.parametrize("one", [*NCCL, *SHARDS])
@pytest.mark.parametrize("known", [True, False])
def test_a_file_last_written_before_the_container_started_passes_nothing(
    one: Check, known: bool
) -> None:
    evidence = numbered(healthy()) if known else healthy()
    assert one.judge_evidence(written(evidence, EARLIER)).outcome == "unknown"
    assert one.judge_evidence(written(evidence, AT)).outcome == "pass"


@pytest.mark.parametrize("one", [*NCCL, *SHARDS])
def test_a_file_last_written_before_the_process_of_its_number_started_passes_nothing(
    one: Check,
) -> None:
    evidence = started_late(healthy())
    assert one.judge_evidence(written(evidence, BETWEEN)).outcome == "unknown"
    assert one.judge_evidence(written(evidence, AT)).outcome == "pass"


def test_the_time_of_a_line_counts_before_that_of_its_file() -> None:
    def stamp(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        old = written(healthy(), AT).look(healthy().pods["worker" in look.pod]).nccl
        assert isinstance(old, NcclLog)
        ranks = stamped(look, EARLIER).nccl
        assert isinstance(ranks, NcclLog)
        return structs.replace(look, nccl=structs.replace(ranks, written=old.written))

    evidence = change_looks(numbered(healthy()), stamp)
    assert ranks_initialised.judge_evidence(evidence).outcome == "unknown"


def test_engine_lines_of_an_old_file_are_given_to_no_pod() -> None:
    old, now = written(healthy(), EARLIER), written(healthy(), AT)
    for by_pod in (ranks_by_pod, weights_by_pod):
        assert not any(by_pod(old).values())
        assert all(by_pod(now).values())


def test_a_configuration_in_an_old_file_is_of_no_engine_that_runs() -> None:
    def silent(look: PodLook) -> PodLook:
        assert isinstance(look.vllm, VllmLog)
        return structs.replace(look, vllm=structs.replace(look.vllm, ranks=(), weights=()))

    old = EngineWorlds.fold(change_looks(written(healthy(), EARLIER), silent))
    now = EngineWorlds.fold(change_looks(written(healthy(), AT), silent))
    assert isinstance(old, Missing)
    assert isinstance(now, EngineWorlds)
    assert [c.tp for c in now.configured] == [16]


def test_a_failure_in_a_file_older_than_its_process_is_past() -> None:
    lines = quiet(job(complete=[]))
    lines.append(f"{HOSTS[1]}:200:700 [0] misc/socket.cc:5 NCCL WARN connect to x<1> failed : No")
    for evidence, at in ((group(lines), EARLIER), (started_late(group(lines)), BETWEEN)):
        assert no_failure.judge_evidence(written(evidence, AT)).outcome == "fail"
        assert ranks_initialised.judge_evidence(written(evidence, AT)).outcome == "fail"
        assert no_failure.judge_evidence(written(evidence, at)).outcome != "fail"
        assert ranks_initialised.judge_evidence(written(evidence, at)).outcome == "unknown"


def test_a_source_that_names_no_dated_file_has_no_time() -> None:
    assert last_write({"a/0.log": AT}, "a/0.log:7") == AT
    assert [last_write({"a/0.log": AT}, s) for s in ("b/0.log:7", "7", "", None)] == [None] * 4
