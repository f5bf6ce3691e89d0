"""`distcheck serve`: verifies every serving group of the cluster on an interval."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

from msgspec import Struct, structs

from distcheck.agent.cli import options as opt
from distcheck.agent.cli.command import Program, option
from distcheck.agent.cli.exit import PASS, usage
from distcheck.agent.cli.judging import Judging
from distcheck.agent.cli.select import select
from distcheck.agent.settings import SettingsError, split_address
from distcheck.checks.evidence import Evidence

if TYPE_CHECKING:
    from distcheck.agent.serve.rounds import Rounds

LISTEN = "0.0.0.0:9412"
Listen = Annotated[
    str,
    option("--listen", says="Address of the answers (default 0.0.0.0:9412).", metavar="HOST:PORT"),
]
Interval = Annotated[
    str, option("--interval", says="Time between two rounds (default 60s).", metavar="DURATION")
]
Namespaces = Annotated[
    list[str] | None,
    option(
        "-n", "--namespace", says="Only this namespace. Repeatable; default all.", metavar="NAME"
    ),
]


def serve(
    *,
    listen: Listen = LISTEN,
    interval: Interval = "60s",
    timeout: opt.Timeout = "60s",
    namespace: Namespaces = None,
    context: opt.Context = None,
    kubeconfig: opt.Kubeconfig = None,
    only: opt.Only = None,
    skip: opt.Skip = None,
    require: opt.Require = None,
    no_agents: opt.NoAgents = False,
) -> int:
    """Find the serving groups of the cluster, verify each on an interval, and answer.

    GET /v1/verdict/NAMESPACE/WORKLOAD gives a report as JSON, /v1/verdicts all in short,
    /metrics the metrics; /healthz and /readyz are for the kubelet. A pipeline asks
    GET /v1/gate/NAMESPACE/WORKLOAD, or posts a Flagger webhook to /v1/gate. Each change of a
    verdict is a line on standard error.
    """
    seconds = opt.duration("--timeout", timeout)
    every = opt.duration("--interval", interval)
    chosen = select(only, skip, require)
    judging = Judging(chosen, None, None)
    aside = f"; left out: {', '.join(chosen.left_out)}" if chosen.left_out else ""
    cluster = Cluster(context, kubeconfig, seconds, agents=not no_agents)
    try:
        address = split_address(listen)
        _serve(address, rounds_of(cluster, (tuple(opt.words(namespace)), every), judging), aside)
    except SettingsError as error:
        raise usage(f"serve: --listen: {listen!r} is not like {LISTEN}") from error
    except OSError as error:
        raise usage(f"serve: cannot listen at {listen}: {error.strerror}") from error
    sys.stdout.flush()
    os._exit(PASS)  # a look at a node that does not answer would keep its thread, and us


class Cluster(Struct, frozen=True):
    """The cluster and how it is looked at; `timeout` in seconds for one group."""

    context: str | None
    kubeconfig: str | None
    timeout: float
    agents: bool


def rounds_of(cluster: Cluster, duty: tuple[tuple[str, ...], float], judging: Judging) -> "Rounds":
    """The rounds over a cluster, not begun; `duty` is namespaces and seconds between two rounds.

    Raises:
        Stop: the cluster's settings cannot be read.
    """
    from distcheck.agent.cluster.api import connect  # noqa: PLC0415 - `--help` needs no cluster
    from distcheck.agent.cluster.errors import ClusterError  # noqa: PLC0415
    from distcheck.agent.cluster.finding.group import Group  # noqa: PLC0415
    from distcheck.agent.cluster.gather import Ways, gather  # noqa: PLC0415
    from distcheck.agent.manifests.live_again import LiveRules  # noqa: PLC0415
    from distcheck.agent.serve.rounds import Duty, Rounds  # noqa: PLC0415

    try:
        api = connect(cluster.kubeconfig, cluster.context, timeout=min(cluster.timeout, 10.0))
    except ClusterError as error:
        raise usage(f"serve: {error}") from error

    rules = LiveRules()

    def look(group: Group) -> Evidence:
        ways = Ways(agents=cluster.agents, exec=False, no_exec="serve runs nothing in pods")
        evidence = gather(api, group, timeout=cluster.timeout, ways=ways)
        manifests = rules.judged(group.objects, evidence.policies)
        return structs.replace(evidence, manifests=manifests)

    return Rounds(api, Duty(*duty), look, judging.judge)


def _serve(address: tuple[str, int], rounds: "Rounds", aside: str) -> None:
    from distcheck.agent.serve.wiring import run_serve  # noqa: PLC0415 - see above

    run_serve(address, rounds, aside)


PROGRAM = Program(serve)
