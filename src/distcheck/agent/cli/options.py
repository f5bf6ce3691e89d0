"""Options that several commands share, and how their values are read."""

import re
from typing import Annotated

from distcheck.agent.cli.command import option
from distcheck.agent.cli.exit import Stop, did_you_mean, usage
from distcheck.agent.duration import HOW, seconds_of

Namespace = Annotated[
    str | None, option("-n", "--namespace", says="Namespace of TARGET.", metavar="NAME")
]
Context = Annotated[str | None, option("--context", says="Context of kubeconfig.", metavar="NAME")]
Kubeconfig = Annotated[
    str | None, option("--kubeconfig", says="Path of kubeconfig.", metavar="PATH")
]
Output = Annotated[
    list[str] | None,
    option(
        "-o",
        "--output",
        says="text (default) or json, to standard output or a file. Repeatable.",
        metavar="FORMAT[=FILE]",
    ),
]
Reports = Annotated[
    list[str] | None,
    option(
        "-o",
        "--output",
        says="text (default), json, html, junit, markdown, github, nagios, ctrf or prometheus; "
        "to standard output or a file. Repeatable.",
        metavar="FORMAT[=FILE]",
    ),
]
Only = Annotated[list[str] | None, option("--only", says="Judge these checks only.", metavar="IDS")]
Skip = Annotated[list[str] | None, option("--skip", says="Leave these checks out.", metavar="IDS")]
Require = Annotated[
    list[str] | None,
    option("--require", says="Supporting checks that must be decided.", metavar="IDS"),
]
Wait = Annotated[
    str | None,
    option(
        "--wait",
        says="Wait for the group and its rollout; judge until decided, or failed for good.",
        metavar="DURATION",
    ),
]
Timeout = Annotated[
    str, option("--timeout", says="Time for one gathering (default 60s).", metavar="DURATION")
]
Expect = Annotated[
    list[str] | None,
    option(
        "--expect",
        says="What the group should be, over what its specs say: tp, pp, dp, gpus, nodes.",
        metavar="tp=16,gpus=16,...",
    ),
]
Model = Annotated[
    str | None,
    option(
        "--model",
        says="A config.json or model folder, where it cannot be read from the pod.",
        metavar="PATH",
    ),
]
Inconclusive = Annotated[
    str | None,
    option(
        "--inconclusive",
        says="Exit code of unknown: as fail or as pass; a group that was not reached is no pass.",
        metavar="fail|pass",
    ),
]
Strict = Annotated[bool, option("--strict", says="A warning fails.")]
NoAgents = Annotated[
    bool,
    option(
        "--no-agents",
        says="Ask no agents: read logs and look into pods through the Kubernetes API alone.",
    ),
]
NoExec = Annotated[
    bool, option("--no-exec", says="Run nothing in any pod, where there is no agent either.")
]
RayTokenFile = Annotated[
    str | None,
    option(
        "--ray-token-file",
        says="File with the bearer token of a Ray cluster that asks for one, where no agent is.",
        metavar="PATH",
    ),
]
Quiet = Annotated[bool, option("--quiet", "-q", says="No progress on standard error.")]

EXPECTED = ("tp", "pp", "dp", "gpus", "nodes")


def duration(name: str, text: str) -> float:
    """Seconds of `90s`, `10m`, `1h30m`, `500ms`; above zero.

    Raises:
        Stop: anything else (exit code 2).
    """
    seconds = seconds_of(text)
    if seconds is None:
        raise usage(f"{name}: {text!r} is not a duration; {HOW}")
    return seconds


def words(given: list[str] | None) -> list[str]:
    """The words of a repeatable option whose values may also be separated by commas."""
    return [w for text in given or () for w in re.split(r"[,\s]+", text) if w]


def expected(given: list[str] | None) -> dict[str, int]:
    """`--expect tp=16,gpus=16` as numbers of 1 or more.

    Raises:
        Stop: an unknown name, or a value that is no such number (exit code 2).
    """
    return dict(_expectation(word) for word in words(given))


def _expectation(word: str) -> tuple[str, int]:
    name, _, value = word.partition("=")
    if name not in EXPECTED:
        raise usage(
            f"--expect: {name!r} is not one of {', '.join(EXPECTED)}{did_you_mean(name, EXPECTED)}"
        )
    if not re.fullmatch(r"[1-9]\d{0,6}", value, re.ASCII):
        raise usage(f"--expect: {word!r} is not {name}=NUMBER, with a number of 1 or more")
    return name, int(value)


def one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> str | None:
    """`value` if it is allowed or None.

    Raises:
        Stop: it is not (exit code 2).
    """
    if value is None or value in allowed:
        return value
    raise refused(name, value, allowed)


def refused(name: str, value: str, allowed: tuple[str, ...]) -> Stop:
    """The line for a value that is not one of a few."""
    hint = did_you_mean(value, allowed)
    return usage(f"{name}: {value!r} is not one of {', '.join(allowed)}{hint}")
