"""The grammar of NCCL's log, in one place: every form that is read, since when, what it proves.

Read from NVIDIA/nccl (src/debug.cc, init.cc, bootstrap.cc, transport/*.cc, misc/*.cc),
tags v2.8.3 to v2.30.7, and from the forms that RCCL adds.
"""

import re
from typing import Literal, NamedTuple

HEAD = re.compile(
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9_.-]*):(?P<pid>\d{1,10}):(?P<tid>\d{1,10}) \[-?\d{1,9}\]"
    r"(?: \S+:\d{1,9}(?: \(\w+\))?)?\Z"
)
"""What stands before ` NCCL INFO` and ` NCCL WARN`: `host:pid:tid [dev] file.cc:LINE (func)`."""

MESSAGE = re.compile(
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9_.-]*):(?P<pid>\d{1,10}):(?P<tid>\d{1,10}) \[-?\d{1,9}\]"
    r"(?: \S+:\d{1,9}(?: \(\w+\))?)? NCCL (?P<level>INFO|WARN|TRACE) "
)
"""The same anywhere in a line: two processes may have written into one."""

SOURCE_PREFIX = re.compile(r"\S+\.(?:cc|cpp|h|cu):\d{1,9}(?: \(\w+\))? (?!-> )")
"""2.30.7 and newer put `file.cc:LINE (func)` at the start of many INFO messages."""


class Form(NamedTuple):
    """One kind of INFO message: a needle, the whole pattern, versions, and what it proves."""

    kind: str
    needle: str
    pattern: re.Pattern[str]
    versions: str
    proves: str


_INIT = (
    r"comm (?P<ptr>0x[0-9a-f]+) rank (?P<rank>\d{1,9}) n[rR]anks (?P<nranks>\d{1,9})(?!\d)"
    r"(?: cudaDev (?P<cuda>-?\d{1,9}))?(?: nvmlDev (?P<nvml>-?\d{1,9}(?!\d)))?"
    r"(?: busId (?P<bus>[0-9a-f]+))?"
    r"(?: parent (?P<parent>0x[0-9a-f]+))?(?: (?:split|child)Count (?P<count>\d{1,10}))?"
    r"(?: color (?P<color>-?\d{1,10}))?(?: key -?\d{1,10})?(?: commId (?P<id>0x[0-9a-f]+))?"
)

FORMS: tuple[Form, ...] = (
    Form(
        "init",
        "- Init ",
        re.compile(_INIT + r"[^>]*?- Init (?P<state>START|COMPLETE)"),
        "COMPLETE 2.8+, with commId 2.16.2+; START 2.18.3+, before the bootstrap from 2.23;"
        " children of a split from 2.23 without commId and as `key 0- Init START`",
        "this rank exists; at COMPLETE its communicator is set up",
    ),
    Form(
        "nodes",
        " nNodes ",
        re.compile(
            (
                r"comm (?P<ptr>0x[0-9a-f]+) rank (?P<rank>\d{1,9}) nRanks (?P<nranks>\d{1,9}) "
                r"nNodes (?P<nodes>\d{1,9}) localRanks \d{1,9} localRank \d{1,9}"
                r"(?: MNNVL (?P<mnnvl>\d))?"
            ),
        ),
        "2.20.3+",
        "all ranks know of each other; how many hosts NCCL counts",
    ),
    Form(
        "closed",
        " COMPLETE",
        re.compile(
            r"comm (?P<ptr>0x[0-9a-f]+) rank (?P<rank>\d{1,9}) .*- (?:Destroy|Abort) COMPLETE"
        ),
        "2.12+; not at plain INFO from 2.30.3",
        "the communicator was initialised and is gone",
    ),
    Form(
        "network",
        "Using network ",
        re.compile(r"Using network (?P<name>[A-Za-z][\w .-]*?)\s*\Z"),
        "every version",
        "the network chosen for traffic that leaves the node; nothing on one node",
    ),
    Form(
        "connected",
        "Connected ",
        re.compile(r"Connected (?:all (?P<what>rings|trees)|NVLS (?P<nvls>tree))"),
        "2.8+; NVLS 2.18.1+",
        "the channels of this algorithm are connected",
    ),
    Form(
        "bootstrap",
        "Bootstrap",
        re.compile(r"Bootstrap ?: Using (?P<where>\S+)"),
        "2.8+ (`Bootstrap :` until 2.23.4, `Bootstrap:` from 2.24.3)",
        "the start of NCCL in this process, and its interface",
    ),
    Form(
        "version",
        "CCL version",
        re.compile(r"(?P<flavour>[NR]CCL) version ?:? ?(?P<version>\d[\w.+:-]*)"),
        "bare from one process until 2.21, in every process from 2.22; RCCL its own",
        "which library speaks",
    ),
    Form(
        "echo",
        " set ",
        re.compile(r"(?P<name>NCCL_[A-Z0-9_]+) set (?:by environment )?to (?P<value>.*?)\.?\s*\Z"),
        "ENV subsystem, in the default mask from 2.16.5",
        "the setting that NCCL read, once a process",
    ),
    Form(
        "provider",
        "rovider is ",
        re.compile(r"NET/OFI Selected [Pp]rovider is (?P<name>[\w;-]+)"),
        "aws-ofi-nccl, every version",
        "which libfabric provider carries the traffic",
    ),
)

BARE_VERSION = re.compile(
    r"(?<!\w)(?P<flavour>[NR]CCL) version ?:? ?(?P<version>\d{1,9}\.\d{1,9}\.\d{1,9}[\w.+:-]*)\s*\Z"
)
"""Until 2.21 rank 0 prints its version without a head, whatever a launcher puts before it."""

CHANNEL = re.compile(
    r"Channel \d{1,9}(?:/\d{1,9})? : (?P<source>\d{1,9})\[[0-9a-f]+\]"
    r" -> (?P<target>\d{1,9})\[[0-9a-f]+\]"
    r"(?: \[(?P<direction>send|receive)\])?\Z"
)
"""The part of a channel line before ` via `. `[busId]` until 2.18.1, `[nvmlDev]` from 2.18.3."""

COLLNET = re.compile(
    r"CollNet \d{1,9}(?:/\d{1,9})? : (?P<own>\d{1,9}) \[(?P<direction>send|receive)\]\Z"
)

_RCCL_TAIL = r"(?: comm (?P<ptr>0x[0-9a-f]+) nRanks \d{1,9})?\s*\Z"

NET_VIA = re.compile(
    r"(?P<kind>NET|COLLNET)/(?P<name>[A-Za-z][\w .-]*?)/\d{1,9}(?:\(\d{1,9}\))?"
    r"(?P<suffix>(?:/GDRDMA(?:\(PCI\))?)?(?:/Shared)?(?:/(?!GDRDMA|Shared)"
    r"(?!(?:GDRDM|GDRD|GDR|GD|G|Share|Shar|Sha|Sh|S)\s*\Z)[A-Z]\w*)*)" + _RCCL_TAIL
)
"""`NET/IB/0/GDRDMA`; PXN adds `(rank)` from 2.12; `(PCI)` from 2.26; `/Shared` for send/receive.

A word cut short at the end of a line is no transport of its own.
"""

LOCAL_VIA = re.compile(
    r"(?P<path>P2P/(?:direct pointer|IPC|CUMEM|MNNVL|indirect/\d{1,9}\[[0-9a-f]+\])"
    r"(?:/read|/write)?(?:/CE)?|direct shared memory|SHM(?:/(?:direct|CE))+)" + _RCCL_TAIL
)
"""`P2P/CUMEM` from 2.18.1, `P2P/MNNVL` from 2.20.3, `SHM/..` from 2.13 (before: words)."""

MARKS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (mark, needle, re.compile(pattern))
    for mark, needle, pattern in (
        ("no-ib-device", "No device found", r"NET/IB ?: No device found"),
        ("ib-devices", "NET/IB", r"NET/IB ?: Using \[\d{1,9}\]"),
        ("ib-empty", "NET/IB", r"NET/IB ?: Using (?:\[RO\])? ?; OOB"),
        ("ib-no-ip", "No IP interface", r"NET/IB ?: No IP interface found"),
        ("libibverbs-missing", "libibverbs", r"(?:Failed to open|Count not open) libibverbs\.so"),
        ("ib-failed", "NET plugin IB", r"Failed to initialize NET plugin IB\b"),
        (
            "efa-no-provider",
            "",
            (
                r"NET/OFI No eligible providers|NET/OFI Couldn't find any optimal provider"
                r"|aws-ofi-nccl initialization failed"
                r"|Failed to initialize NET plugin (?:AWS Libfabric|Libfabric|OFI)"
            ),
        ),
        (
            "plugin-missing",
            "lugin",
            (
                r"Could not find: \S*lib[nr]ccl-net|No plugin found|Plugin load returned"
                r"|Plugin load \(\S+\) returned"
            ),
        ),
        (
            "plugin-unsupported",
            "supported",
            (
                r"External network plugin .* is unsupported"
                r"|symbols? v\d{1,4} and lower are not supported"
            ),
        ),
        ("gdr-on", "GPU Direct RDMA", r"GPU Direct RDMA (?:\(\S+\) )?[Ee]nabled for"),
        ("gdr-off-hca", "GPU Direct RDMA", r"GPU Direct RDMA [Dd]isabled for HCA"),
        ("gdr-off-distance", "GPU Direct RDMA", r"GPU Direct RDMA Disabled for .*\(distance"),
        ("gdr-off-hmem", "HMEM", r"Could not disable CUDA API usage for HMEM, disabling GDR"),
        ("dmabuf", "DMA-BUF", r"DMA-BUF is available on GPU"),
        ("cumem-host", "cuMem host", r"cuMem host allocations do not appear to be working"),
        ("nvls-off", "NVLS", r"Proceeding without NVLS"),
        ("connect-retry", "retrying", r"onnect.*retrying \(?\d{1,9}/\d{1,9}"),
        ("socket-devices", "NET/Socket", r"NET/Socket ?: Using \[\d{1,9}\]"),
        ("ras", "RAS", r"RAS client listening socket at"),
    )
)
"""Lines that explain a choice: id, needle, pattern."""

Weight = Literal["fatal", "symptom", "noise"]


class FailureForm(NamedTuple):
    """One failure by its words. A symptom is fatal too, but follows from another rank's."""

    id: str
    weight: Weight
    pattern: re.Pattern[str]


_FAILURES: tuple[tuple[str, Weight, str], ...] = (
    ("shm-attach", "fatal", r"Error while attaching to shared memory segment"),
    (
        "shm-no-space",
        "fatal",
        (
            r"failed to extend \S*/dev/shm|Error while creating shared memory segment"
            r"|posix_fallocate failed ?: No space"
        ),
    ),
    ("duplicate-gpu", "fatal", r"Duplicate GPU detected|Multiple Ranks are using the same"),
    (
        "iface-none",
        "fatal",
        (
            r"no socket interface found|NET/Socket ?: no interface found"
            r"|no device found matching (?!.*ignoring)|is neither AF_INET"
        ),
    ),
    (
        "bootstrap-connect",
        "fatal",
        r"[Cc]onnect to .{1,120}? (?:failed ?:|returned )|exceeded error retry count",
    ),
    (
        "peer-closed",
        "symptom",
        (
            r"Connection closed by remote peer|Call to (?:recv|send) \w+ .* failed ?: "
            r"(?:Connection reset by peer|Broken pipe)"
        ),
    ),
    (
        "nranks",
        "fatal",
        r"mismatch in rank count from procs|mismatch in info from procs|has already checked in",
    ),
    ("version-mismatch", "fatal", r"Mismatched NCCL (?:git )?versions? detected"),
    ("truncated", "fatal", r"[Mm]essage truncated ?: receiv"),
    (
        "ib-completion",
        "symptom",
        r"Got completion .*with (?:error 5,|status=5 |status=IBV_WC_WR_FLUSH_ERR)",
    ),
    ("ib-completion", "fatal", r"Got completion .*with (?:error|status)"),
    ("ib-modify-qp", "fatal", r"Call to ibv_modify_qp failed"),
    ("ib-open-device", "noise", r"ibv_open_device failed|Unable to open device"),
    ("ib-gid", "noise", r"ncclIbRoceGetVersionNum"),
    ("ib-mr", "fatal", r"Call to ibv_(?:reg_\w*mr\w*|create_cq|create_qp\w*) failed"),
    ("ib-async", "fatal", r"async fatal event"),
    ("ib-async", "noise", r"Got (?:non-fatal )?async (?:error )?event|GID table changed"),
    ("ofi-mr", "fatal", r"NET/OFI .*(?:Unable to register memory|[Mm]emory registration fail)"),
    (
        "ofi-no-provider",
        "noise",
        (
            r"NET/OFI (?:Couldn't find any optimal provider|No eligible)"
            r"|aws-ofi-nccl initialization failed"
        ),
    ),
    (
        "sharp",
        "noise",
        r"SHARP coll init error|Cannot initialize CollNet|Cannot create SHArP job",
    ),
    ("nvls", "fatal", r"Failed to bind NVLink SHARP"),
    ("mnnvl", "fatal", r"MNNVL .*not (?:working|supported) on this system"),
    ("p2p-hw", "fatal", r"P2P is disabled between NVLINK connected GPUs"),
    ("no-transport", "fatal", r"No transport found for rank"),
    ("net-mismatch", "fatal", r"Detected mixed local Net device counts"),
    (
        "network-not-found",
        "fatal",
        r"network \S+ not found|Failed to initialize any NET plugin",
    ),
    (
        "proxy-teardown",
        "noise",
        (
            r"\[Service thread\] (?:Accept failed|Could not receive type)"
            r"|Failed to execute operation (?:Close|Abort|Stop|Deregister)"
        ),
    ),
    ("proxy-operation", "fatal", r"Failed to execute operation"),
    ("cleanup", "noise", r"commReclaim|Legacy IPC cleanup callback failed"),
    ("rccl-mscclpp", "noise", r"MSCCL\+\+"),
    ("ib-path", "noise", r"Could not find real path of"),
    ("cuda", "fatal", r"Cuda failure"),
)

FAILURES = tuple(FailureForm(name, weight, re.compile(p)) for name, weight, p in _FAILURES)
"""What stands after `NCCL WARN`; the first that matches names the failure."""

WRAPPED: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("watchdog-timeout", r"Watchdog caught collective operation timeout"),
        ("nccl-remote-error", r"\bncclRemoteError\b|NCCL error.*(?:remote process|remote error)"),
        ("nccl-system-error", r"\bncclSystemError\b|NCCL error.*unhandled system error"),
        ("nccl-cuda-error", r"\bncclUnhandledCudaError\b|NCCL error.*unhandled cuda error"),
        ("nccl-invalid-usage", r"\bncclInvalid(?:Usage|Argument)\b|NCCL error.*invalid"),
        ("nccl-internal-error", r"\bncclInternalError\b|NCCL error.*internal error"),
        ("bus-error", r"\bBus error\b"),
    )
)
"""What the caller says of a failure (PyTorch, vLLM's pynccl): all there is without NCCL_DEBUG."""

PEER = re.compile(
    r"(?:[Cc]onnect to|from peer|remote peer|recv from|send to) (?P<peer>\S+?<\d{1,9}>)"
)
REPEATED = re.compile(r"\s*\[repeated (?P<times>\d{1,9})x across cluster\].*\Z", re.DOTALL)
"""Ray's mark on a line that stands for others that were equal up to numbers."""

ECHOES = re.compile(
    r"NCCL_(?:IB_|NET|SOCKET_|P2P_|SHM_|CUMEM|DMABUF|NVLS|MNNVL|DEBUG|OOB_|RAS_|COMM_ID|HOSTID"
    r"|ALGO|PROTO|TOPO_FILE|RUNTIME_CONNECT|CROSS_NIC|IGNORE_|MAX_|MIN_|NCHANNELS|GDR)"
)
"""Settings worth keeping: those that change transports, interfaces or what is logged."""


def unfold(text: str) -> tuple[str, int]:
    """`text` without Ray's mark, and how many lines it stands for."""
    found = REPEATED.search(text) if "x across cluster]" in text else None
    return (text, 1) if found is None else (text[: found.start()], max(int(found["times"]), 1))


def failure_of(text: str) -> FailureForm | None:
    """The failure that these words name, or None where the table has none."""
    return next((f for f in FAILURES if f.pattern.search(text)), None)


def wrapped_of(text: str) -> str | None:
    """The failure id of a caller's own words about NCCL, or None."""
    return next((name for name, pattern in WRAPPED if pattern.search(text)), None)
