"""The agent's page over the lab's node folders: what it shows, and what it does not."""

import re
import shutil
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.evidence_builder import healthy
from tests.metrics.golden import compare, promtool
from tests.metrics.lab_node import look, looked, scrape, series

from distcheck.agent.answers import FRESH, Answers
from distcheck.agent.failure_counts import FailureCounts
from distcheck.agent.families import FAMILIES
from distcheck.agent.node import NodeAgent
from distcheck.agent.openmetrics import BUILD
from distcheck.agent.pod_metrics import pod_families
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.watched_pod import WatchedPod
from distcheck.checks.evidence import Gpus, NodeLook, PortProbe, PortProbes

KEY, UID = "llm/vllm-head-0", "5f0c2f64-6a53-4d0b-9a6e-0c4f3e1d7a10"
POD = 'workload_container="vllm",workload_namespace="llm",workload_pod="vllm-head-0"'
SHORT = 'workload_namespace="llm",workload_pod="vllm-head-0"'


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> NodeAgent:
    """An agent on a node of a group whose NCCL fell back to sockets."""
    return looked("socket-fallback", tmp_path_factory.mktemp("node"))


def answer() -> NodeLook:
    """What it may have answered about the pod: Ray and ports as in a healthy group."""
    look = healthy().nodes[0]
    probes = (
        PortProbe("llm/vllm-worker-0", "10.0.0.3", 6379, "gcs", "open"),
        PortProbe("llm/vllm-worker-0", "10.0.0.3", 41000, "nccl", "filtered"),
        PortProbe("llm/vllm-worker-0", "10.0.0.3", 41001, "nccl", "open"),
        PortProbe("llm/vllm-worker-0", "10.0.0.3", 41002, "unused", "refused"),
        PortProbe("llm/vllm-worker-0", "10.0.0.3", 8000, "what the caller says", "refused"),
        PortProbe("llm/vllm-worker-0", "10.0.0.3", 8001, "rendezvous", "error"),
    )
    return replace(look, pods=(replace(look.pods[0], ports=PortProbes(probes)),))


def answered(agent: NodeAgent, now: float) -> None:
    agent.answers.remember(answer(), {KEY: UID}, KEY, now)


def test_the_page_is_as_it_was(agent: NodeAgent) -> None:
    answered(agent, time.time())
    compare("agent.prom", scrape(agent))


def test_promtool_finds_nothing_but_the_unit_that_the_contract_names(agent: NodeAgent) -> None:
    code, said = promtool("check", "metrics", text=scrape(agent))
    known = 'distcheck_rdma_link_rate_bits use base unit "bytes" instead of "bits"'
    assert [line for line in said.splitlines() if line and line != known] == []
    assert code in (0, 3)


def test_openmetrics_ends_as_it_must_and_has_the_same_series(agent: NodeAgent) -> None:
    text = scrape(agent, "application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    plain = {line.partition(" ")[0] for line in scrape(agent).splitlines() if line[0] != "#"}
    open_ = {line.partition(" ")[0] for line in text.splitlines() if line[0] != "#"}
    assert open_ == plain


def test_sockets_between_nodes_are_told_and_no_channel_uses_gpudirect(agent: NodeAgent) -> None:
    text = scrape(agent)
    sockets = f'distcheck_nccl_channels{{scope="inter_node",transport="socket",{POD}}}'
    assert series(text, "distcheck_nccl_channels")[0].startswith(sockets)
    assert series(text, "distcheck_nccl_gdr_channels") == [
        f"distcheck_nccl_gdr_channels{{{POD}}} 0.0"
    ]
    assert f'distcheck_nccl_ranks{{state="complete",{POD}}} 8.0' in text
    assert f"distcheck_nccl_world_ranks{{{POD}}} 16.0" in text


def test_each_gpu_tells_what_its_rank_loaded_and_the_whole(agent: NodeAgent) -> None:
    text = scrape(agent)
    weights = series(text, "distcheck_gpu_weights_bytes")
    values = {float(line.rpartition(" ")[2]) for line in weights}
    whole = float(series(text, "distcheck_model_weights_bytes")[0].rpartition(" ")[2])
    assert len(weights) == 16
    assert len(values) == 1
    assert values.pop() / whole == pytest.approx(1 / 16, rel=0.03)
    assert len(series(text, "distcheck_gpu_process_memory_bytes")) == 8


def test_an_answer_is_shown_until_it_is_old_and_its_pod_gone(agent: NodeAgent) -> None:
    now = time.time()
    answered(agent, now - FRESH + 60)
    text = scrape(agent)
    peer = f'distcheck_port_reachable{{peer="vllm-worker-0",service="%s",{SHORT}}} %s'
    assert peer % ("gcs", "1.0") in text
    assert peer % ("nccl", "0.0") in text
    assert peer % ("other", "0.0") in text
    assert 'service="rendezvous"' not in text
    assert f'distcheck_ray_nodes{{state="alive",{SHORT}}} 2.0' in text
    assert f"distcheck_ray_gpus{{{SHORT}}} 16.0" in text
    assert f"distcheck_ray_gpus_expected{{{SHORT}}} 16.0" in text
    answered(agent, now - FRESH - 1)
    assert "distcheck_ray_" not in scrape(agent)
    answered(agent, now)
    agent.answers.only(["another"])
    assert "distcheck_answered_timestamp_seconds" not in scrape(agent)


def test_ray_is_told_by_the_pod_that_names_its_gcs_alone() -> None:
    answers = Answers()
    answers.remember(answer(), {KEY: UID}, "llm/other", 0.0)
    assert [one.ray for one in answers.fresh(0.0)] == [None]


def test_what_is_kept_of_answers_is_bounded() -> None:
    answers, one = Answers(), answer()
    for number in range(400):
        answers.remember(one, {KEY: str(number)}, KEY, 0.0)
    assert len(answers.fresh(0.0)) == 256


def test_series_of_a_pod_vanish_with_it_and_its_failures_with_its_logs(tmp_path: Path) -> None:
    agent = looked("memory-lock", tmp_path)
    node = next(tmp_path.iterdir())
    failures = series(scrape(agent), "distcheck_nccl_failures_total")
    assert failures
    (node / "nvml.json").write_text('{"driver": "570.133.20", "gpus": []}')
    for pid in [p for p in (node / "proc").iterdir() if p.name.isdecimal()]:
        shutil.rmtree(pid)
    look(agent)
    gone = scrape(agent)
    assert series(gone, "distcheck_nccl_failures_total") == failures
    left = set(re.findall(r"(distcheck_\w+)\{.*vllm-head-0", gone))
    assert left == {"distcheck_nccl_failures_total"}
    shutil.rmtree(node / "pod-logs")
    (node / "pod-logs").mkdir()
    agent.tail._next_scan = 0.0
    look(agent)
    assert "vllm-head-0" not in scrape(agent)


def test_the_log_of_another_container_does_not_change_the_label(tmp_path: Path) -> None:
    agent = looked("memory-lock", tmp_path)
    node = next(tmp_path.iterdir())
    (log,) = (node / "pod-logs").glob("*/vllm/0.log")
    failures = series(scrape(agent), "distcheck_nccl_failures_total")
    assert 'workload_container="vllm"' in failures[0]
    other = log.parents[1] / "exporter" / "0.log"
    other.parent.mkdir()
    other.write_text("2026-07-01T13:00:00.000000000Z stdout F hello\n")
    look(agent)
    assert series(scrape(agent), "distcheck_nccl_failures_total") == failures
    (node / "nvml.json").write_text('{"driver": "570.133.20", "gpus": []}')
    look(agent)
    assert series(scrape(agent), "distcheck_nccl_failures_total") == failures


def test_failures_do_not_go_back_when_the_kubelet_removes_an_old_log(tmp_path: Path) -> None:
    agent = looked("memory-lock", tmp_path)
    before = series(scrape(agent), "distcheck_nccl_failures_total")
    assert before
    (log,) = (next(tmp_path.iterdir()) / "pod-logs").glob("*/vllm/0.log")
    (log.parent / "1.log").write_text("2026-07-01T13:00:00.000000000Z stdout F started again\n")
    log.unlink()
    look(agent)
    assert series(scrape(agent), "distcheck_nccl_failures_total") == before


def test_a_failure_after_an_old_log_is_gone_counts_once() -> None:
    counts = FailureCounts()
    assert counts.of("a", {"timeout": 14}) == {"timeout": 14}
    assert counts.of("a", {"timeout": 12}) == {"timeout": 14}
    assert counts.of("a", {"timeout": 13, "abort": 1}) == {"timeout": 15, "abort": 1}
    assert counts.told("a") == {"timeout": 15, "abort": 1}
    counts.only([])
    assert counts.told("a") == {}


def test_without_debug_lines_nccl_has_no_series_and_weights_have_bounds(tmp_path: Path) -> None:
    text = scrape(looked("no-debug-rdma", tmp_path))
    assert "distcheck_nccl_" not in text
    lower, upper = (
        [float(s.rpartition(" ")[2]) for s in series(text, "distcheck_gpu_weights_bytes") if b in s]
        for b in ('bound="lower"', 'bound="upper"')
    )
    assert len(lower) == len(upper) == 8
    assert all(low <= high for low, high in zip(lower, upper, strict=True))


@pytest.mark.parametrize(
    ("bounds", "told"),
    [((0, 5), ["upper"]), ((2, 5), ["lower", "upper"]), ((0, 0), ["lower", "upper"])],
)
def test_weights_of_which_nothing_is_proven_have_no_lower_bound(
    bounds: tuple[int, int], told: list[str]
) -> None:
    folder = PodFolder("llm", "vllm-head-0", UID, Path())
    pods = [WatchedPod(folder, weights={"GPU-1": bounds})]
    (family,) = (m for m in pod_families(pods, Gpus(())) if "gpu_weights" in m.name)
    assert [sample.labels["bound"] for sample in family.samples] == told


def test_a_scrape_answers_at_once_while_a_look_hangs(
    agent: NodeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, entered = threading.Event(), threading.Event()

    def hang(_now: str) -> None:
        entered.set()
        held.wait(60)

    before = scrape(agent)
    monkeypatch.setattr(agent.watch._nvml, "look_at_each", hang)
    stuck = threading.Thread(target=agent.watch.look, args=(time.time(),))
    stuck.start()
    assert entered.wait(60)
    with agent.tail._lock, agent._one_at_a_time:
        during = scrape(agent)
        still_hangs = stuck.is_alive()
    last = agent.watch.last
    held.set()
    stuck.join(60)
    agent.watch.last = last
    assert during.count("\n") == before.count("\n")
    assert still_hangs


def test_every_family_has_at_most_eight_labels_and_the_page_has_no_other(agent: NodeAgent) -> None:
    known = {f"distcheck_{f.name}": f for f in (BUILD, *FAMILIES)}
    assert all(len(f.labels) <= 8 and f.says for f in known.values())
    for line in scrape(agent).splitlines():
        if line[0] != "#":
            name, _, labels = line.partition("{")
            family = known[name.split(" ")[0].removesuffix("_total")]
            told = re.findall(r'(\w+)="', labels.rpartition("}")[0])
            assert sorted(told) == sorted(family.labels)
