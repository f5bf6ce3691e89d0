"""`distcheck lab`: a two-node cluster on this machine, with a fault of your choice."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import msgspec

from distcheck.agent.cli.app import COMMANDS
from distcheck.agent.cli.command import Program, argument
from distcheck.agent.cli.exit import FAIL, PASS, did_you_mean, usage
from distcheck.agent.cli.output import say
from distcheck.checks.report import Report
from distcheck.lab.expect import compare
from distcheck.lab.firewall import why_not
from distcheck.lab.machine import end
from distcheck.lab.scenario import Scenario
from distcheck.lab.scenarios import load_all

if TYPE_CHECKING:
    from distcheck.lab.world import World

TARGET = "vllm-head-0"
_ENDING = (signal.SIGTERM, signal.SIGHUP)

Name = Annotated[str, argument("One of `distcheck lab list`.", "SCENARIO")]
Names = Annotated[list[str] | None, argument("All, where none is named.", "SCENARIO...")]
Rest = Annotated[
    list[str] | None,
    argument("Options of verify, or -- and any command.", "VERIFY OPTIONS, or -- COMMAND..."),
]


def list_() -> int:
    """The scenarios: what differs from healthy."""
    known = _scenarios()
    wide = max(map(len, known), default=0)
    say("".join(f"{name:<{wide}}  {s.title}\n" for name, s in known.items()))
    return PASS


def run(scenario: Name, rest: Rest = None) -> int:
    """Start the cluster of SCENARIO, run COMMAND against it, and exit as COMMAND does.

    COMMAND is `verify vllm-head-0` where none is given. A first word that is a command of
    distcheck runs that; anything else runs as a program, with KUBECONFIG set, and with
    DISTCHECK_LAB_METRICS: HOST:PORT of each agent's /metrics, in the order of the nodes; and
    DISTCHECK_LAB_PROMETHEUS: the path of a configuration of Prometheus that scrapes them, with
    the alert rules.
    """
    chosen, command = _scenario(scenario), _command(rest or [])
    with _orderly_end(), _world(chosen) as world:
        return _exit_of(command, _environ(world))


def check(scenarios: Names = None) -> int:
    """Run scenarios and compare each report with what the scenario expects; exit 0 or 1.

    Where none is named, one that needs what this machine lacks is told and left out.
    """
    chosen = [_scenario(name) for name in scenarios or _scenarios()]
    wrong = 0
    for one in chosen:
        lacks = why_not() if one.world.firewall and not scenarios else ""
        if lacks:
            say(f"not run  {one.name}: {lacks}\n")
            continue
        differences = _differences(one)
        wrong += bool(differences)
        say(f"{'differs' if differences else 'as expected'}  {one.name}\n")
        say("".join(f"    {line}\n" for line in differences))
        sys.stdout.flush()
    return FAIL if wrong else PASS


@contextmanager
def _orderly_end() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind as SystemExit(128 + number), so that every part is stopped.

    One that is ignored (nohup) stays so, and a second one does not stop the stopping.
    """
    old = {n: signal.getsignal(n) for n in _ENDING}
    heeded = [n for n, handler in old.items() if handler is not signal.SIG_IGN]

    def over(number: int, _frame: FrameType | None) -> None:
        for one in heeded:
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in heeded:
        signal.signal(number, over)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, old[number])


@contextmanager
def _world(scenario: Scenario) -> Iterator["World"]:
    """The running lab; what this machine lacks for it is told in one line (exit code 2)."""
    from distcheck.lab.world import LabError, World  # noqa: PLC0415 - `lab list` starts nothing

    try:
        with World(scenario) as world:
            yield world
    except LabError as error:
        raise usage(f"lab: {error}") from error


def _environ(world: "World") -> dict[str, str]:
    return os.environ | {
        "KUBECONFIG": str(world.kubeconfig),
        "DISTCHECK_LAB_METRICS": " ".join(world.metrics.values()),
        "DISTCHECK_LAB_PROMETHEUS": str(world.prometheus),
    }


def _differences(scenario: Scenario) -> list[str]:
    with _orderly_end(), _world(scenario) as world:
        command = _command(["-o", "json"])
        done = subprocess.run(  # noqa: S603 - our own command
            command, env=_environ(world), capture_output=True, check=False
        )
    if not done.stdout:
        return [f"verify exited {done.returncode}: {done.stderr.decode(errors='replace').strip()}"]
    lines = compare(scenario, msgspec.json.decode(done.stdout, type=Report))
    if done.returncode != scenario.expect.exit:
        lines.append(f"exit code is {done.returncode}, expected {scenario.expect.exit}")
    return lines


def _scenarios() -> dict[str, Scenario]:
    return {s.name: s for s in load_all()}


def _scenario(name: str) -> Scenario:
    known = _scenarios()
    if name not in known:
        hint = did_you_mean(name, known) or "; `distcheck lab list` names them all"
        raise usage(f"lab: no scenario {name!r}{hint}")
    return known[name]


def _command(rest: list[str]) -> list[str]:
    """The words to run: what follows `--`, or verify with the options before it."""
    ours = [sys.executable, "-m", "distcheck"]
    at = rest.index("--") if "--" in rest else len(rest)
    before, after = rest[:at], rest[at + 1 :]
    if not after:
        return [*ours, "verify", TARGET, *before]
    if before:
        raise usage(f"lab run: {before[0]!r} stands before --; give it to the command itself")
    if after[0] in COMMANDS:
        return [*ours, *after]
    if shutil.which(after[0]) is None:
        raise usage(f"lab run: there is no program {after[0]!r}")
    return after


def _exit_of(command: list[str], environ: dict[str, str]) -> int:
    """The exit code of `command`; a signal to end reaches it too, and it is waited for.

    An interrupt is its own to answer; after SIGTERM or SIGHUP it has three seconds.
    """
    with subprocess.Popen(command, env=environ) as process:  # noqa: S603 - what the user typed
        while True:
            try:
                code = process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
            except SystemExit as stop:
                end(process, int(stop.code or 0) - 128)
                raise
            else:
                return code if code >= 0 else 128 - code


PROGRAM = Program(list_, run, check, says="A two-node cluster on this machine.", greedy="run")
