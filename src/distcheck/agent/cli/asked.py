"""What a command asks of a cluster."""

from msgspec import Struct

from distcheck import __version__
from distcheck.agent import clock
from distcheck.checks.evidence import Evidence, Intent, Target


class Asked(Struct, frozen=True):
    """What the command line says of the cluster; `timeout` in seconds for one gathering.

    `agents` and `exec` are the ways that may be used.
    """

    target: str
    namespace: str | None
    context: str | None
    kubeconfig: str | None
    timeout: float
    agents: bool = True
    exec: bool = True
    quiet: bool = False


def nothing_seen(asked: Asked, why: str) -> Evidence:
    """Evidence of a cluster that did not answer: no pods, no nodes, and the reason."""
    now = clock.now()
    kind, _, name = asked.target.rpartition("/")
    target = Target(asked.namespace or "", kind, name)
    return Evidence(__version__, now, target, Intent(), (), (), notes=(why,))
