"""What HCAs sent between two looks at their counters."""

from collections.abc import Collection

from distcheck.checks.evidence.rdma import RdmaDevices, RdmaPort

_WORD = 4
_FULL = (1 << 32) - 1


def sent_over(hcas: RdmaDevices, used: Collection[str]) -> int | None:
    """Bytes that the ports of the HCAs `used` sent since the look before.

    None without such a look, or where a port's counters were not read in both.
    """
    if hcas.before_at in (None, hcas.seen_at):
        return None
    last = {(p.device, p.port): _sent(p) for p in hcas.before}
    grown = 0
    for port in (p for p in hcas.ports if p.device in used):
        before, now = last.get((port.device, port.port)), _sent(port)
        if before is None or now is None:
            return None
        grown += max(0, now - before)
    return grown


def _sent(port: RdmaPort) -> int | None:
    """Bytes: InfiniBand and RoCE count words of four, EFA bytes.

    None where neither is told, has ever moved, or can count on (32 bits stay at their end).
    """
    words = port.counters.get("port_xmit_data")
    if words is None:
        return port.counters.get("tx_bytes") or None
    return None if words in (0, _FULL) else _WORD * words


def moved_over(hcas: RdmaDevices, used: Collection[str]) -> int | None:
    """Bytes that all HCAs of the node sent and received since the look before.

    None without one, or where one of `used` is not the node's, or its counters are not there,
    have never moved, or are full (those of 32 bits stay at their end).
    """
    if hcas.before_at in (None, hcas.seen_at):
        return None
    last = {(p.device, p.port): _both(p) for p in hcas.before}
    now = {(p.device, p.port): _both(p) for p in hcas.ports}
    counted = {k: n for k, n in now.items() if n and last.get(k) is not None}
    if not used or not set(used) <= {device for device, _ in counted}:
        return None
    return sum(abs(n - (last[k] or 0)) for k, n in counted.items())


def _both(port: RdmaPort) -> int | None:
    """Bytes both ways; None where its driver counts neither."""
    told = port.counters
    if _FULL in (told.get("port_xmit_data"), told.get("port_rcv_data")):
        return None
    if "port_xmit_data" in told and "port_rcv_data" in told:
        return _WORD * (told["port_xmit_data"] + told["port_rcv_data"])
    both = "tx_bytes" in told and "rx_bytes" in told
    return told["tx_bytes"] + told["rx_bytes"] if both else None
