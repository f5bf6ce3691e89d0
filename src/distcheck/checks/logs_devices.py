"""Which network devices NCCL says that it has, by host."""

import re

from distcheck.checks.evidence.nccl import Mark, NcclLog
from distcheck.checks.knowledge import transports

CUT = "..."
_DEVICE = re.compile(r"\[\d{1,9}\] ?(?!=)(?P<name>[^\s<;,\[\]{}]{1,64})")
_MARKS = {"Socket": "socket-devices", "IB": "ib-devices"}


def devices(log: NcclLog) -> dict[str, tuple[str, ...]]:
    """`mlx5_0:1/IB` or `eth0`, as `NET/IB : Using` and `NET/Socket : Using` list them by host.

    Those of the network in use; none where a plugin that lists them otherwise is in use. A
    list that the log cut short ends with `...`.
    """
    name = transports.network(log) or ""
    wanted = _MARKS.get("IB" if name.startswith("IBext") else name)
    return {m.host: _named(m) for m in log.marks if m.id == wanted}


def _named(mark: Mark) -> tuple[str, ...]:
    listed, end, _ = mark.says.partition("; OOB")
    found = tuple(m["name"] for m in _DEVICE.finditer(listed))
    if mark.id == "socket-devices":
        return tuple(name.partition(":")[0] for name in found)
    return found if end else (*found[:-1], CUT)
