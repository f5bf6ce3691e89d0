"""What HCAs sent between two looks at their counters."""

from collections.abc import Collection

from distcheck.checks.evidence.rdma import RdmaDevices, RdmaPort

_WORD = 4


def sent_over(hcas: RdmaDevices, used: Collection[str]) -> int | None:
    """Bytes that the ports of the HCAs `used` sent since the look before; None without one."""
    if hcas.before_at in (None, hcas.seen_at):
        return None
    last = {(p.device, p.port): _sent(p) for p in hcas.before}
    now = [p for p in hcas.ports if p.device in used]
    return sum(max(0, _sent(p) - last.get((p.device, p.port), _sent(p))) for p in now)


def _sent(port: RdmaPort) -> int:
    """Bytes: InfiniBand and RoCE count words of four, EFA bytes."""
    words = port.counters.get("port_xmit_data")
    return port.counters.get("tx_bytes", 0) if words is None else _WORD * words
