"""What `serve` keeps of each group, and what becomes of it with time."""

from msgspec.structs import replace
from tests.evidence_builder import healthy

from distcheck.agent.openmetrics import page
from distcheck.agent.serve.metrics import ServeFamilies
from distcheck.agent.serve.verdicts import Kept, Verdicts
from distcheck.checks.catalog import catalog
from distcheck.checks.judging import judge
from distcheck.checks.report import Report

KEY = ("llm", "vllm-head")
INTERVAL = 60.0


def report() -> Report:
    return judge(healthy(), catalog()).report


def failing() -> Report:
    good = report()
    bad = tuple(replace(f, outcome="fail") if f.id == "SHM001" else f for f in good.checks)
    return replace(good, verdict="fail", checks=bad)


def kept(one: Report, at: float) -> Kept:
    return Kept(one, judged_at=at, succeeded_at=at, seconds=1.5, members=("vllm-head-0",))


def test_a_verdict_is_found_by_its_workload_and_by_its_pods() -> None:
    verdicts = Verdicts(INTERVAL)
    verdicts.keep(KEY, kept(report(), 1000.0))
    assert verdicts.of("llm", "vllm-head", 1000.0) is not None
    assert verdicts.of("llm", "vllm-head-0", 1000.0) is not None
    assert verdicts.of("other", "vllm-head", 1000.0) is None
    assert verdicts.of("llm", "vllm", 1000.0) is None


def test_a_verdict_that_is_too_old_is_unknown_and_says_how_old() -> None:
    verdicts = Verdicts(INTERVAL)
    verdicts.keep(KEY, kept(report(), 1000.0))
    fresh = verdicts.all(1000.0 + 3 * INTERVAL)[KEY].report
    stale = verdicts.all(1001.0 + 3 * INTERVAL)[KEY].report
    assert (fresh.verdict, stale.verdict) == ("pass", "unknown")
    assert stale.summary == "last verified 181 s ago; it was pass then"
    assert {f.outcome for f in stale.checks} == {"unknown"}
    assert stale.checks[0].says.startswith("last verified 181 s ago; it was pass then; then: ")


def test_metrics_of_a_stale_verdict_show_no_check_that_passes() -> None:
    verdicts = Verdicts(INTERVAL)
    verdicts.keep(KEY, kept(report(), 1000.0))
    scrape = page(ServeFamilies(verdicts), "", "").body.decode()
    told = [line for line in scrape.splitlines() if 'status="pass"' in line]
    assert told
    assert all(line.endswith(" 0.0") for line in told)


def test_gpu_seconds_begin_at_0_with_the_first_failure() -> None:
    verdicts = Verdicts(INTERVAL)
    verdicts.keep(KEY, kept(report(), 1000.0))
    assert verdicts.all(1000.0)[KEY].degraded == {}
    verdicts.keep(KEY, kept(failing(), 1060.0))
    assert verdicts.all(1060.0)[KEY].degraded == {"SHM001": 0.0}
    verdicts.keep(KEY, kept(failing(), 1120.0))
    assert verdicts.all(1120.0)[KEY].degraded == {"SHM001": 16 * 60.0}


def test_gpu_seconds_count_while_a_check_fails_and_not_after() -> None:
    verdicts = Verdicts(INTERVAL)
    verdicts.keep(KEY, kept(failing(), 1000.0))
    verdicts.keep(KEY, kept(report(), 1060.0))
    assert verdicts.all(1060.0)[KEY].degraded == {"SHM001": 16 * 60.0}
    verdicts.keep(KEY, kept(report(), 1120.0))
    assert verdicts.all(1120.0)[KEY].degraded == {"SHM001": 16 * 60.0}


def test_time_in_which_nobody_looked_counts_only_until_the_verdict_was_stale() -> None:
    verdicts = Verdicts(INTERVAL)
    verdicts.keep(KEY, kept(failing(), 1000.0))
    verdicts.keep(KEY, kept(report(), 1000.0 + 86400))
    assert verdicts.all(1000.0 + 86400)[KEY].degraded == {"SHM001": 16 * 3 * INTERVAL}


def test_a_group_that_is_gone_has_no_series_any_more() -> None:
    verdicts = Verdicts(1e9)
    verdicts.keep(KEY, kept(failing(), 1000.0))
    scrape = page(ServeFamilies(verdicts), "", "").body.decode()
    labels = 'workload="vllm-head",workload_namespace="llm"'
    assert f'distcheck_verdict{{verdict="fail",{labels}}} 1.0' in scrape
    assert f'distcheck_verdict{{verdict="pass",{labels}}} 0.0' in scrape
    assert f'distcheck_check_status{{check="SHM001",status="fail",{labels}}} 1.0' in scrape
    assert f"distcheck_verify_duration_seconds{{{labels}}} 1.5" in scrape
    assert f"distcheck_verify_last_success_timestamp_seconds{{{labels}}} 1000.0" in scrape
    verdicts.forget_others([])
    assert "vllm-head" not in page(ServeFamilies(verdicts), "", "").body.decode()


def test_a_group_tells_what_it_is_and_what_each_gpu_holds() -> None:
    verdicts = Verdicts(1e9)
    verdicts.keep(KEY, kept(report(), 1000.0))
    scrape = page(ServeFamilies(verdicts), "", "").body.decode()
    group = 'workload="vllm-head",workload_namespace="llm"'
    pod = f'{group},workload_pod="vllm-worker-0"'
    assert 'distcheck_workload_info{engine="vllm",kind="StatefulSet",model="' in scrape
    assert f'distcheck_workload_pod_info{{node="gpu-1",role="worker",{pod}}} 1.0' in scrape
    assert f'distcheck_workload_parallel_size{{dimension="tp",{group}}} 16.0' in scrape
    assert f"distcheck_workload_gpus_expected{{{group}}} 16.0" in scrape
    assert f"distcheck_workload_gpu_share_expected{{{group}}} 0.0625" in scrape
    assert scrape.count("distcheck_workload_gpu_share{") == 32
    link = f'peer="vllm-head-0",transport="rdma",{pod}'
    assert f"distcheck_workload_link_channels{{{link}}}" in scrape


def test_what_was_seen_of_a_stale_group_is_not_shown_and_who_belongs_to_it_is() -> None:
    verdicts = Verdicts(INTERVAL)
    verdicts.keep(KEY, kept(report(), 1000.0))
    scrape = page(ServeFamilies(verdicts), "", "").body.decode()
    assert "distcheck_workload_pod_info{" in scrape
    assert "distcheck_workload_gpu_share{" not in scrape
    assert "distcheck_workload_link_channels{" not in scrape


def test_what_nobody_asks_for_is_not_expected() -> None:
    verdicts = Verdicts(1e9)
    one = report()
    asked = replace(one.intent, tp=None, pp=None, dp=None, world_size=None, gpus=None, model=None)
    verdicts.keep(KEY, kept(replace(one, intent=asked), 1000.0))
    scrape = page(ServeFamilies(verdicts), "", "").body.decode()
    assert 'model=""' in scrape
    assert "_expected{" not in scrape
    assert "distcheck_workload_parallel_size{" not in scrape


def test_a_share_of_experts_that_are_spread_over_copies_is_not_guessed() -> None:
    verdicts = Verdicts(1e9)
    one = report()
    spread = replace(one, intent=replace(one.intent, dp=2, ep=True))
    verdicts.keep(KEY, kept(spread, 1000.0))
    scrape = page(ServeFamilies(verdicts), "", "").body.decode()
    assert "distcheck_workload_gpu_share_expected{" not in scrape


def test_openmetrics_and_gzip_are_given_to_who_asks() -> None:
    wanted = page(ServeFamilies(Verdicts(1.0)), "application/openmetrics-text", "gzip, br")
    assert wanted.gzipped
    assert wanted.content_type.startswith("application/openmetrics-text")
    assert wanted.body[:2] == b"\x1f\x8b"
