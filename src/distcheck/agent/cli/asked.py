"""What a command asks of a cluster."""

from msgspec import Struct


class Asked(Struct, frozen=True):
    """What the command line says of the cluster; `timeout` in seconds for one gathering."""

    target: str
    namespace: str | None
    context: str | None
    kubeconfig: str | None
    timeout: float
