"""One group: what it is, its verdict over time, and who holds what."""

from collections.abc import Iterator

from grafana_foundation_sdk.builders import common, stat
from grafana_foundation_sdk.models import common as words

from .look import BLUE, GREEN, ORANGE, OUTCOMES, RED, steps, values
from .panels import (
    Panel,
    bars,
    check_links,
    column,
    columns,
    grid,
    lines,
    now,
    over,
    rows,
    stats,
    timeline,
)  # fmt: skip
from .promql import GROUP, KEY, POD_INFO, of_group, of_pods, short_model, worst

_SHARE = "distcheck_workload_gpu_share"
_LOWER, _UPPER = 'bound="lower"', 'bound="upper"'
_EXPECTED = (
    f"on ({KEY}) group_left () max by ({KEY}) ({of_group('distcheck_workload_gpu_share_expected')})"
)
_GPU = "workload_pod, gpu"


def group() -> Iterator[Panel]:
    """What it is, and how it was."""
    yield _verdict().span(4)
    yield _age().span(3)
    yield _asked_for().span(7)
    yield _model().span(5)
    yield _pods().span(5)
    yield _history().span(24).height(12)
    yield _degraded().span(24).height(5)


def holds() -> Iterator[Panel]:
    """Who holds what."""
    yield _shares().repeat("pod").repeat_direction("h").span(24).height(8)
    yield _gpus().span(14).height(10)
    yield _memory().span(10).height(10)


def _verdict() -> stat.Panel:
    made = stats(
        "Verdict",
        "The worst of the group's checks: fail, unknown, warn, pass. Supporting checks that are "
        "unknown leave it alone.",
        "none",
        now(worst("distcheck_verdict", "verdict", KEY, GROUP)),
    )
    return made.thresholds(steps()).mappings(values(OUTCOMES))


def _age() -> stat.Panel:
    newest = f"max({of_group('distcheck_verify_last_success_timestamp_seconds')})"
    return (
        stats(
            "Evidence",
            "How old the evidence of this verdict is.",
            "s",
            now(f"time() - {newest}"),
        )
        .decimals(0)
        .thresholds(steps((0, GREEN), (300, ORANGE), (900, RED)))
    )


def _asked_for() -> stat.Panel:
    degree = of_group("distcheck_workload_parallel_size")
    sizes = (
        now(f'max({degree[:-1]}, dimension="{size}"}})', size.upper(), size)
        for size in ("tp", "pp", "dp")
    )
    return stats(
        "Asked for",
        "Tensor, pipeline and data parallel degrees, and GPUs, as specs and command lines ask for "
        "them. This is intent, not what was found.",
        "none",
        *sizes,
        now(f"max({of_group('distcheck_workload_gpus_expected')})", "GPUs", "gpus"),
    ).thresholds(steps((0, BLUE)))


def _model() -> stat.Panel:
    return (
        stats(
            "Engine and model",
            "As serve reads them from specs and command lines.",
            "none",
            now(f"group by (engine, model) ({short_model(of_group('distcheck_workload_info'))})",
                "{{engine}} {{model}}"),
        )
        .text_mode(words.BigValueTextMode.NAME)
        .color_mode(words.BigValueColorMode.VALUE)
        .thresholds(steps((0, BLUE)))
    )  # fmt: skip


def _pods() -> Panel:
    made = grid(
        "Pods",
        "The pods of the group, their nodes and their roles, as the API server has them.",
        rows(f"group by (workload_pod, node, role) ({POD_INFO})"),
    )
    made = columns(made, workload_pod="Pod", node="Node", role="Role", Value="seen")
    return column(made.height(4), "seen", **{"custom.hidden": True})


def _history() -> Panel:
    made = timeline(
        "Verdict and checks over time",
        "Each check at each judging. A gap means that nothing was judged then: serve was down, not "
        "scraped, or did not know the group yet. A check leads to its page.",
        over(worst("distcheck_verdict", "verdict", KEY, GROUP), "VERDICT", "verdict"),
        over(worst("distcheck_check_status", "status", "check", GROUP), "{{check}}", "checks"),
    )
    made = made.thresholds(steps()).mappings(values(OUTCOMES))
    return made.data_links(check_links("${__field.labels.check}"))


def _degraded() -> Panel:
    each = "increase(" + of_group("distcheck_degraded_gpu_seconds_total") + "[$__range])"
    return (
        bars(
            "GPU hours degraded, by failed check",
            "GPUs of this group times how long each check failed in the time range shown. Checks "
            "that fail together count the same hours. Not seen: none failed since serve started.",
            "suffix: GPU h",
            now(f"sort_desc(max by (check) ({each}) / 3600 > 0)", "{{check}}"),
        )
        .decimals(2)
        .thresholds(steps((0, ORANGE)))
        .data_links(check_links("${__field.labels.check}"))
    )


def _shares() -> Panel:
    here = of_group(_SHARE, 'workload_pod="$pod"', _LOWER)
    held = f"max by ({KEY}, {_GPU}) ({here})"
    return (
        bars(
            "Weights on $pod, each GPU against its share",
            "The model's weights that each GPU holds at least, as a multiple of its share "
            "1/(TP x PP). One is right; as many as there are GPUs is a whole copy on each. Other "
            "numbers of copies differ by half or more; SHARD001 judges exactly.",
            "suffix: x its share",
            now(f"sum by (gpu) ({held} / {_EXPECTED})", "GPU {{gpu}}"),
        )
        .max(2)
        .decimals(2)
        .thresholds(steps((0, ORANGE), (0.67, GREEN), (1.5, RED)))
    )


def _gpus() -> Panel:
    made = grid(
        "Who holds what",
        "Each GPU of the group: the share of the model's weights that it holds, between two bounds "
        "where no log tells exactly, its share if all is well, and its memory used by this group.",
        rows(f"max by ({_GPU}, uuid) ({of_group(_SHARE, _LOWER)})", "lower"),
        rows(f"max by ({_GPU}, uuid) ({of_group(_SHARE, _UPPER)})", "upper"),
        rows(f"max by ({_GPU}, uuid) ({of_group(_SHARE)} * 0 + {_EXPECTED})", "expected"),
        rows(f"max by ({_GPU}, uuid) ({of_pods('distcheck_gpu_process_memory_bytes')})", "memory"),
    )
    made = columns(
        made, workload_pod="Pod", gpu="GPU", Value__lower="Holds at least",
        Value__upper="At most", Value__expected="Its share", Value__memory="Memory used",
        uuid="UUID",
    )  # fmt: skip
    for name in ("Holds at least", "At most", "Its share"):
        made = column(made, name, unit="percentunit", decimals=1)
    made = column(made, "Memory used", unit="bytes", decimals=1)
    first = [common.TableSortByFieldState().display_name(n) for n in ("Pod", "GPU")]
    return made.sort_by(first)


def _memory() -> Panel:
    return lines(
        "GPU memory of the group's processes",
        "Engines fill the memory to their setting, sharded or not: level lines prove nothing about "
        "sharding. What counts here is who differs, and when it changed.",
        "bytes",
        over(f"max by ({_GPU}) ({of_pods('distcheck_gpu_process_memory_bytes')})",
             "{{workload_pod}} GPU {{gpu}}"),
    )  # fmt: skip
