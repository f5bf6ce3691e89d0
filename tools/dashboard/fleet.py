"""All groups at a glance."""

from collections.abc import Iterator

from grafana_foundation_sdk.builders import common

from .look import BLUE, GREEN, GREY, ORANGE, OUTCOMES, PURPLE, RED, YELLOW, steps, values
from .panels import Panel, background, check_link, column, columns, grid, now, rows, stats
from .promql import KEY, degraded_hours, short_model, worst

_VERDICTS = {"pass": GREEN, "warn": YELLOW, "unknown": PURPLE, "fail": RED}
_SINCE = "(time() - max by (instance) (distcheck_last_look_timestamp_seconds))"
_DOWN = (
    "(max by (instance) (up and on (job, instance)"
    " last_over_time(distcheck_last_look_timestamp_seconds[1h])) == 0)"
)
_GROUP_URL = (
    "/d/distcheck?${datasource:queryparam}&var-namespace=${__data.fields.Namespace}"
    "&var-workload=${__data.fields.Workload}&${__url_time_range}"
)


def fleet() -> Iterator[Panel]:
    """Numbers on top, then the groups and what is wrong with them."""
    yield _verdicts().span(6)
    yield _failing().span(3)
    yield _degraded().span(4)
    yield _age().span(4)
    yield _agents().span(4)
    yield _serve().span(3)
    yield _groups().span(15).height(8)
    yield _findings().span(9).height(8)


def _verdicts() -> Panel:
    queries = (
        now(f'sum(max by ({KEY}) (distcheck_verdict{{verdict="{word}"}}))', word, word)
        for word in _VERDICTS
    )
    made = stats(
        "Serving groups by verdict",
        "How many groups have each verdict. Unknown means too little evidence: it is not a pass.",
        "none",
        *queries,
    )
    for word, color in _VERDICTS.items():
        made = column(made, word, thresholds=_marks((1, color)))
    return made.thresholds(steps())


def _marks(*marks: tuple[float, str]) -> dict[str, object]:
    """Thresholds of one column or series: grey below the first mark, as where nothing is."""
    both = [{"value": None, "color": GREY}, *({"value": v, "color": c} for v, c in marks)]
    return {"mode": "absolute", "steps": both}


def _failing() -> Panel:
    return stats(
        "Checks that fail",
        "Failed checks of all groups, from the last judging of each. 0 is not green: what did not "
        "fail may be unknown.",
        "none",
        now(f'sum(max by ({KEY}, check) (distcheck_check_status{{status="fail"}}))'),
    ).thresholds(steps((0, BLUE), (1, RED)))


def _degraded() -> Panel:
    return (
        stats(
            "GPU hours degraded",
            "GPUs of groups with a failed check, times how long it failed, in the time range "
            "shown. A group with two failed checks counts once. What is unknown does not count.",
            "suffix: GPU h",
            now(f"sum({degraded_hours(KEY)})"),
        )
        .decimals(2)
        .thresholds(steps((0, BLUE), (0.01, ORANGE)))
    )


def _age() -> Panel:
    newest = f"max by ({KEY}) (distcheck_verify_last_success_timestamp_seconds)"
    known = f"max by ({KEY}) (distcheck_verdict)"
    made = stats(
        "Oldest evidence",
        "Age of the evidence of the group that was looked at longest ago, and how many groups were "
        "never seen. serve looks every minute unless told otherwise.",
        "s",
        now(f"max(time() - {newest})", "oldest", "oldest"),
        now(f"count({known} unless {newest}) or 0 * count({known})", "never seen", "never"),
    ).decimals(0)
    made = column(made, "never seen", unit="none", thresholds=_marks((0, BLUE), (1, PURPLE)))
    return made.thresholds(steps((0, GREEN), (300, ORANGE), (900, RED)))


def _agents() -> Panel:
    made = stats(
        "Agents",
        "Agents that looked in the last five minutes, and those that did not or do not answer. "
        "Without its agent a node's GPUs and pods are not seen.",
        "none",
        now(f"sum({_SINCE} < bool 300)", "look", "look"),
        now(f"count({_SINCE} >= 300 or {_DOWN}) or 0 * count({_SINCE})", "silent", "silent"),
    ).thresholds(steps((0, GREEN)))
    made = column(made, "look", thresholds=_marks((0, RED), (1, GREEN)))
    return column(made, "silent", thresholds=_marks((0, GREEN), (1, RED)))


def _serve() -> Panel:
    listed = {"1": ("works", GREEN), "0": ("sees no pods", RED)}
    made = stats(
        "distcheck serve",
        "Whether the last round could list the serving groups. Not seen: serve is down, or not "
        "scraped, and every verdict here is gone with it.",
        "none",
        now("max(distcheck_discovery_success)"),
    )
    return made.thresholds(steps()).mappings(values(listed))


def _groups() -> Panel:
    info = f"group by ({KEY}, model) ({short_model('distcheck_workload_info')})"
    newest = f"max by ({KEY}) (distcheck_verify_last_success_timestamp_seconds)"
    made = grid(
        "Groups",
        "One row a serving group. Its name leads to the rows below.",
        rows(worst("distcheck_verdict", "verdict", KEY), "verdict"),
        rows(f'sum by ({KEY}) (max by ({KEY}, check) (distcheck_check_status{{status="fail"}}))',
             "failing"),
        rows(info, "info"),
        rows(f"max by ({KEY}) (distcheck_workload_gpus_expected)", "gpus"),
        rows(degraded_hours(KEY), "degraded"),
        rows(f"time() - {newest}", "age"),
    )  # fmt: skip
    made = columns(
        made,
        workload_namespace="Namespace", workload="Workload", Value__verdict="Verdict",
        Value__failing="Failing", model="Model", Value__gpus="GPUs",
        Value__degraded="Degraded", Value__age="Evidence age", Value__info="seen",
    )  # fmt: skip
    made = column(made, "seen", **{"custom.hidden": True})
    made = column(made, "Verdict", mappings=values(OUTCOMES), cell=background(), width=90)
    made = column(made, "Degraded", unit="suffix: GPU h", decimals=2)
    made = column(made, "Evidence age", unit="s", decimals=0)
    made = column(made, "Workload", links=[{"title": "Show this group", "url": _GROUP_URL}])
    return made.sort_by([common.TableSortByFieldState().display_name("Verdict").desc(True)])


def _findings() -> Panel:
    not_well = worst("distcheck_check_status", "status", f"{KEY}, check")
    made = grid(
        "Checks that do not pass",
        "Failed checks first, then what could not be decided, then warnings. The check leads to "
        "its page: what it proves, its causes, and what to do.",
        rows(f"{not_well} > 1"),
    )
    made = columns(
        made, check="Check", Value="Outcome", workload_namespace="Namespace", workload="Workload"
    )
    made = column(made, "Outcome", mappings=values(OUTCOMES), cell=background(), width=110)
    made = column(made, "Check", links=check_link("${__value.text}"))
    return made.sort_by([common.TableSortByFieldState().display_name("Outcome").desc(True)])
