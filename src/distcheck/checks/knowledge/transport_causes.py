"""Why NCCL chose sockets, or left GPUDirect RDMA off, as far as its log says.

Sources: NCCL src/transport/net_ib (device search), src/plugin (plugin search), src/graph/topo.cc
and paths.cc (GPUDirect), and what aws-ofi-nccl prints.
"""

from distcheck.checks.evidence.nccl import NcclLog


def socket_fallback_cause(log: NcclLog) -> str | None:
    """Why NCCL chose sockets; None where it did not, or where the log does not show why."""
    if not any(p.network == "Socket" for p in log.processes):
        return None
    return next((name for name, holds in _causes(log) if holds), None)


def _causes(log: NcclLog) -> tuple[tuple[str, bool], ...]:
    marks = {m.id for m in log.marks}
    ib_spoke = bool(marks & {"no-ib-device", "ib-devices", "ib-empty", "ib-no-ip"})
    none_found = "no-ib-device" in marks
    return (
        ("env-NCCL_NET", _set(log, "NCCL_NET", "Socket")),
        ("env-NCCL_IB_DISABLE", _set(log, "NCCL_IB_DISABLE", "1") and not ib_spoke),
        ("efa-plugin-init-failed-no-provider", "efa-no-provider" in marks),
        ("libibverbs-missing", "libibverbs-missing" in marks and not ib_spoke),
        (
            "env-NCCL_IB_HCA-filter-or-no-device",
            none_found and any(e.name == "NCCL_IB_HCA" for e in log.echoes),
        ),
        ("ib-open-device", any(f.id == "ib-open-device" for f in log.failures)),
        ("ib-no-ip", "ib-no-ip" in marks),
        ("no-ib-device", none_found),
        ("plugin-unsupported", "plugin-unsupported" in marks),
    )


def _set(log: NcclLog, name: str, value: str) -> bool:
    return any(e.name == name and e.value.lower() == value.lower() for e in log.echoes)


CAUSE_EVIDENCE: dict[str, tuple[str, ...]] = {
    "env-NCCL_NET": ("NCCL_NET",),
    "env-NCCL_IB_DISABLE": ("NCCL_IB_DISABLE",),
    "efa-plugin-init-failed-no-provider": ("efa-no-provider",),
    "libibverbs-missing": ("libibverbs-missing",),
    "env-NCCL_IB_HCA-filter-or-no-device": ("no-ib-device", "NCCL_IB_HCA"),
    "ib-open-device": ("ib-open-device",),
    "ib-no-ip": ("ib-no-ip",),
    "no-ib-device": ("no-ib-device",),
    "plugin-unsupported": ("plugin-unsupported",),
}
"""Which marks and settings show a cause, most telling first."""


def cause_lines(log: NcclLog, cause: str | None) -> tuple[tuple[str, str], ...]:
    """`(words, file:line)` of the lines that show why sockets were chosen."""
    wanted = CAUSE_EVIDENCE.get(cause or "", ())
    marks = [(m.says, m.source) for w in wanted for m in log.marks if m.id == w]
    echoes = [(f"{e.name} set to {e.value}", e.source) for e in log.echoes if e.name in wanted]
    said = [(f.says, f.source) for f in log.failures if f.id in wanted]
    return (*marks, *echoes, *said)


def gdr_cause(log: NcclLog) -> str | None:
    """Why GPUDirect RDMA is off, as far as the log shows; None where it does not."""
    marks = {m.id for m in log.marks}
    off = (("NCCL_NET_GDR_LEVEL", "LOC"), ("NCCL_NET_GDR_LEVEL", "0"), ("NCCL_NET_GDR_READ", "0"))
    if any(_set(log, name, value) for name, value in off):
        return "env-gdr"
    if "gdr-off-distance" in marks:
        return "gdr-topology"
    if "gdr-off-hmem" in marks:
        return "gdr-plugin"
    return "no_peermem" if "gdr-off-hca" in marks and "dmabuf" not in marks else None
