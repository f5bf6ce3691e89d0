"""What a command asks of a cluster."""

from pathlib import Path

from msgspec import Struct

from distcheck import __version__
from distcheck.agent import clock
from distcheck.agent.cli.exit import usage
from distcheck.agent.cli.options import duration
from distcheck.agent.ray_token import read_token
from distcheck.checks.evidence import Evidence, Intent, Target


class Asked(Struct, frozen=True):
    """What the command line says of the cluster; `timeout` in seconds for one gathering.

    `agents` and `exec` are the ways that may be used, `ray_token` goes to a head that asks.
    """

    target: str
    namespace: str | None
    context: str | None
    kubeconfig: str | None
    timeout: float
    agents: bool = True
    exec: bool = True
    quiet: bool = False
    ray_token: str = ""


def asked_of(
    target: str,
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
    *,
    timeout: str,
    no_agents: bool,
    no_exec: bool,
    ray_token_file: str | None,
    quiet: bool,
) -> Asked:
    """What the options say that all commands have which look at a cluster.

    Raises:
        Stop: one of them is wrong (code 2).
    """
    return Asked(
        target,
        namespace,
        context,
        kubeconfig,
        duration("--timeout", timeout),
        agents=not no_agents,
        exec=not no_exec,
        quiet=quiet,
        ray_token=_ray_token(ray_token_file),
    )


def _ray_token(path: str | None) -> str:
    try:
        return "" if path is None else read_token(Path(path))
    except ValueError as error:
        raise usage(f"--ray-token-file: {error}") from error


def nothing_seen(asked: Asked, why: str) -> Evidence:
    """Evidence of a cluster that did not answer: no pods, no nodes, and the reason."""
    now = clock.now()
    kind, _, name = asked.target.rpartition("/")
    target = Target(asked.namespace or "", kind, name)
    return Evidence(__version__, now, target, Intent(), (), (), notes=(why,))
