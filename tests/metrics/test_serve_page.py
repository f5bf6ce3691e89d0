"""The page of `serve` over two groups, as a file has it."""

import pytest
from msgspec.structs import replace
from tests.evidence_builder import healthy
from tests.metrics.golden import compare, promtool
from tests.metrics.lab_node import series

from distcheck.agent.openmetrics import page
from distcheck.agent.serve.families import FAMILIES
from distcheck.agent.serve.metrics import ServeFamilies
from distcheck.agent.serve.verdicts import Kept, Verdicts
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Missing, NodeLook
from distcheck.checks.judging import judge
from distcheck.checks.report import Report

SOME = [c for c in catalog() if c.id in ("SHM001", "NCCL002")]
REPORT = judge(healthy(), SOME).report


def verdicts(**groups: Report) -> Verdicts:
    kept = Verdicts(1e9)
    kept.listed = True
    for name, report in groups.items():
        for at in (1000.0, 1060.0):
            one = Kept(report, judged_at=at, succeeded_at=at, seconds=1.5)
            kept.keep(("llm", name), one)
    return kept


def text(kept: Verdicts) -> str:
    return page(ServeFamilies(kept), "", "").body.decode()


def unseen() -> Report:
    evidence = healthy()
    nodes = tuple(NodeLook.unseen(n.node, n.observed_at, "no agent") for n in evidence.nodes)
    return judge(replace(evidence, nodes=nodes), SOME).report


def failing() -> Report:
    bad = tuple(replace(f, outcome="fail") if f.id == "SHM001" else f for f in REPORT.checks)
    return replace(REPORT, verdict="fail", checks=bad)


def test_the_page_is_as_it_was_and_promtool_finds_nothing() -> None:
    scrape = text(verdicts(good=REPORT, bad=failing()))
    compare("serve.prom", scrape)
    assert promtool("check", "metrics", text=scrape) == (0, "")


def test_a_group_of_which_nothing_was_seen_has_pods_and_no_shares() -> None:
    scrape = text(verdicts(group=unseen()))
    assert len(series(scrape, "distcheck_workload_pod_info")) == 2
    assert series(scrape, "distcheck_workload_gpu_share") == []
    assert series(scrape, "distcheck_workload_link_channels") == []
    assert 'distcheck_verdict{verdict="unknown",workload="group",workload_namespace="llm"} 1.0' in (
        scrape
    )


def test_a_rank_without_a_line_has_the_bounds_of_its_share_that_say_something() -> None:
    evidence = healthy()
    nodes = tuple(
        replace(n, pods=tuple(replace(p, vllm=Missing("no log")) for p in n.pods))
        for n in evidence.nodes
    )
    scrape = text(verdicts(group=judge(replace(evidence, nodes=nodes), SOME).report))
    shares = series(scrape, "distcheck_workload_gpu_share")
    lower = [float(s.rpartition(" ")[2]) for s in shares if 'bound="lower"' in s]
    upper = [float(s.rpartition(" ")[2]) for s in shares if 'bound="upper"' in s]
    assert lower == []
    assert len(upper) == 16
    assert all(1 / 16 < high < 1 for high in upper)


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        (None, []),
        ((0.0, 1.0), []),
        ((0.25, 1.0), ["lower"]),
        ((0.0, 0.5), ["upper"]),
        ((0.1, 0.2), ["lower", "upper"]),
        ((1.0, 1.0), ["lower", "upper"]),
        ((0.0, 0.0), ["lower", "upper"]),
    ],
)
def test_a_bound_that_is_always_true_has_no_series(
    bounds: tuple[float, float] | None, told: list[str]
) -> None:
    assert REPORT.map is not None
    gpu = replace(REPORT.map.gpus[0], share_bounds=bounds)
    report = replace(REPORT, map=replace(REPORT.map, gpus=(gpu,)))
    shares = series(text(verdicts(group=report)), "distcheck_workload_gpu_share")
    assert [word for s in shares for word in ("lower", "upper") if f'"{word}"' in s] == told


def test_groups_that_were_not_listed_yet_are_not_none() -> None:
    scrape = text(Verdicts(60))
    for name in ("discovery_success", "groups", "pods_left_out"):
        assert series(scrape, f"distcheck_{name}") == []


def test_hostile_names_are_cleaned_and_bounded() -> None:
    model = 'evil"\n\x1b[31m\u202e' + "m" * 500
    scrape = text(verdicts(group=replace(REPORT, intent=replace(REPORT.intent, model=model))))
    line = series(scrape, "distcheck_workload_info")[0]
    assert line.isprintable()
    assert 'model="evil\\"??[31m?mmm' in line
    assert len(line) < 500


def test_no_family_has_more_than_eight_labels() -> None:
    assert all(len(f.labels) <= 8 and f.says for f in FAMILIES)
