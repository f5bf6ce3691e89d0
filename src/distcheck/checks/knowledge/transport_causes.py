"""Why NCCL chose sockets, as far as its log says: per host, by version of NCCL.

Sources: NCCL src/transport/net_ib (device search), src/misc/ibvsymbols.cc, src/plugin (plugin
search), tags v2.8.3 to v2.30.7, and what aws-ofi-nccl prints.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from distcheck.checks.evidence.nccl import Echo, Failure, Mark, NcclLog
from distcheck.checks.knowledge.gdr_causes import GDR_EVIDENCE
from distcheck.checks.knowledge.network_plugins import plugin_intended
from distcheck.checks.knowledge.settings import is_on, names_device

_IB_SPOKE = frozenset({"no-ib-device", "ib-devices", "ib-empty", "ib-no-ip"})
"""Lines that the built-in RDMA network, or HPC-X's, prints once it looks for devices."""


@dataclass(frozen=True)
class _Said:
    """What one host wrote, or all hosts where Ray folded equal lines of several into one."""

    echoes: tuple[Echo, ...]
    warned: tuple[Failure, ...]
    marks: frozenset[str]

    def set(self, name: str) -> tuple[str, ...]:
        """The values of a setting."""
        return tuple(e.value for e in self.echoes if e.name == name)

    @property
    def refused(self) -> tuple[str, ...]:
        """What it says of devices that could not be opened."""
        return tuple(f.says for f in self.warned if f.id == "ib-open-device")


def socket_fallback_causes(log: NcclLog, *, plugin_needed: bool = False) -> dict[str, str]:
    """For each host that chose sockets, why; a host of which no line says why is left out.

    A cause seen on one host explains that host only. `plugin_needed` says that RDMA needs a
    plugin here (EFA, Slingshot, Google), as does the log itself where it names one: only then
    is a missing one a cause.
    """
    plugin_needed = plugin_needed or plugin_intended(log)
    hosts = dict.fromkeys(p.host for p in log.processes if p.network == "Socket")
    found = ((h, _first(_said(log, None if log.folded else h), plugin_needed)) for h in hosts)
    return {host: cause for host, cause in found if cause is not None}


def socket_fallback_cause(log: NcclLog, *, plugin_needed: bool = False) -> str | None:
    """Why NCCL chose sockets; None where it did not, or where the log does not show why.

    Of hosts with different causes, one whose channels use sockets comes first.
    """
    causes = socket_fallback_causes(log, plugin_needed=plugin_needed)
    on_sockets = {c.host for c in log.channels if c.transport.startswith("NET/Socket")}
    return next((causes[h] for h in sorted(causes, key=lambda h: h not in on_sockets)), None)


def _said(log: NcclLog, host: str | None) -> _Said:
    return _Said(
        tuple(e for e in log.echoes if host in (None, e.host)),
        tuple(f for f in log.failures if host in (None, f.host)),
        frozenset(m.id for m in log.marks if host in (None, m.host)),
    )


def _first(said: _Said, plugin_needed: bool) -> str | None:
    return next((name for name, holds in _causes(said, plugin_needed) if holds), None)


def _causes(said: _Said, plugin_needed: bool) -> Iterator[tuple[str, bool]]:
    """In the order in which NCCL comes to them: the first that holds is the first cause."""
    marks, found = said.marks, "ib-devices" in said.marks
    none_found = "no-ib-device" in marks and not found
    silent = not marks & _IB_SPOKE
    yield "env-NCCL_NET", any(v.lower() == "socket" for v in said.set("NCCL_NET"))
    yield "efa-plugin-init-failed-no-provider", "efa-no-provider" in marks
    if plugin_needed:
        yield "plugin-failed", "plugin-failed" in marks
        yield "plugin-unsupported", "plugin-unsupported" in marks
        yield "plugin-missing", "plugin-missing" in marks or "none" in said.set("NCCL_NET_PLUGIN")
    yield "env-NCCL_IB_DISABLE", silent and any(is_on(v) for v in said.set("NCCL_IB_DISABLE"))
    yield "libibverbs-missing", silent and _no_verbs(marks)
    yield "ib-open-device", not found and _wanted_refused(said)
    yield "env-NCCL_IB_HCA-filter-or-no-device", none_found and bool(said.set("NCCL_IB_HCA"))
    yield "ib-open-device", not found and bool(said.refused)
    yield "ib-no-ip", "ib-no-ip" in marks
    yield "no-ib-device", none_found
    yield "plugin-unsupported", "plugin-unsupported" in marks


def _no_verbs(marks: frozenset[str]) -> bool:
    """No name of the library loads. From 2.30 each name that fails has a line of its own."""
    both = {"libibverbs-unnamed", "libibverbs-unnamed-1"}
    return "libibverbs-missing" in marks or both <= marks


def _wanted_refused(said: _Said) -> bool:
    """A device that NCCL_IB_HCA names is there and cannot be opened: the filter is right."""
    names = [text.rpartition("device ")[2].split()[:1] for text in said.refused if "/IB" in text]
    values = said.set("NCCL_IB_HCA")
    return any(names_device(v, n) for v in values for name in names for n in name)


CAUSE_EVIDENCE: dict[str, tuple[str, ...]] = {
    "env-NCCL_NET": ("NCCL_NET",),
    "env-NCCL_IB_DISABLE": ("NCCL_IB_DISABLE",),
    "efa-plugin-init-failed-no-provider": ("efa-no-provider",),
    "libibverbs-missing": ("libibverbs-missing", "libibverbs-unnamed", "libibverbs-unnamed-1"),
    "env-NCCL_IB_HCA-filter-or-no-device": ("no-ib-device", "NCCL_IB_HCA"),
    "ib-open-device": ("ib-open-device",),
    "ib-no-ip": ("ib-no-ip",),
    "no-ib-device": ("no-ib-device",),
    "plugin-unsupported": ("plugin-unsupported",),
}
"""Which marks and settings show a cause, most telling first."""

PLUGIN_EVIDENCE: dict[str, tuple[str, ...]] = {
    "plugin-failed": ("plugin-failed",),
    "plugin-missing": ("plugin-missing", "NCCL_NET_PLUGIN"),
}
"""The same for causes that count only where RDMA needs a plugin."""


def cause_lines(log: NcclLog, cause: str | None) -> tuple[tuple[str, str], ...]:
    """`(words, file:line)` of the lines that show a cause, of sockets or of no GPUDirect."""
    every = {**CAUSE_EVIDENCE, **PLUGIN_EVIDENCE, **GDR_EVIDENCE}
    wanted = every.get(cause or "", ())
    return tuple(line for w in wanted for line in _lines(log, w))


def _lines(log: NcclLog, wanted: str) -> Iterator[tuple[str, str]]:
    marks: Iterator[Mark] = (m for m in log.marks if m.id == wanted)
    yield from ((m.says, m.source) for m in marks)
    echoes = (e for e in log.echoes if e.name == wanted)
    yield from ((f"{e.name} set to {e.value}", e.source) for e in echoes)
    yield from ((f.says, f.source) for f in log.failures if f.id == wanted)
