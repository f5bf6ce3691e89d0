"""What the agents could and could not see."""

from collections.abc import Iterator

from .look import GREEN, ORANGE, RED, steps
from .panels import Panel, column, columns, grid, lines, over, rows

_LOOK = "time() - max by (instance) (distcheck_last_look_timestamp_seconds)"


def agents() -> Iterator[Panel]:
    """Probes that see nothing, how long looks take, and how old the last one is."""
    yield _blind().span(8).height(7)
    yield _slow().span(8).height(7)
    yield _last().span(8).height(7)


def _blind() -> Panel:
    made = grid(
        "Probes that saw nothing",
        "By agent. Some have nothing to see on some nodes: it makes checks unknown, never pass.",
        rows("min by (probe, instance) (distcheck_probe_success) == 0"),
    )
    made = columns(made, probe="Probe", instance="Agent", Value="seen")
    return column(made, "seen", **{"custom.hidden": True})


def _slow() -> Panel:
    return lines(
        "How long probes take",
        "The last look of each probe, the slowest agent.",
        "s",
        over("max by (probe) (distcheck_probe_duration_seconds)", "{{probe}}"),
    )


def _last() -> Panel:
    return lines(
        "Age of each agent's last look",
        "An agent looks by itself every minute, unless told otherwise.",
        "s",
        over(_LOOK, "{{instance}}"),
    ).thresholds(steps((0, GREEN), (150, ORANGE), (300, RED)))
