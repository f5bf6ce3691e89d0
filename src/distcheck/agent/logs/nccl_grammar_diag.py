"""NCCL's own diagnostics (2.31 and newer): a third kind of line, with neither thread nor device.

Source: strings of libnccl.so.2 2.32.3; NVIDIA's documentation of NCCL_RUN_DIAGNOSTICS. The
vendor's own check of a job: peer access of all GPU pairs, bandwidth between nodes.
"""

import re

from distcheck.agent.logs.nccl_grammar_info import Form

DIAG = re.compile(
    r"(?<![A-Za-z0-9])(?P<host>[A-Za-z0-9][A-Za-z0-9_.-]{0,127}):(?P<pid>\d{1,10}) NCCL DIAG "
    r"(?:\[(?P<level>[A-Z]{1,12})\] )?(?P<text>.{0,1000})"
)
"""`host:pid NCCL DIAG [OK] text`; titles have no level."""

DIAG_FORMS: tuple[Form, ...] = (
    Form(
        "diag-start",
        "===",
        re.compile(r"=== NCCL Diagnostics ==="),
        "2.31+",
        "diagnostics run in this job",
        ("gpu-a:71 NCCL DIAG === NCCL Diagnostics ===",),
    ),
    Form(
        "diag-bandwidth",
        "net bw: ",
        re.compile(
            r"net bw: (?P<least>[\d.]{1,20})/(?P<median>[\d.]{1,20})/(?P<most>[\d.]{1,20}) Gbit/s "
            r"min/median/max .{1,60}? bw \(across (?P<ranks>\d{1,9}) ranks\)"
        ),
        "2.31+",
        "what the network between nodes carries: it is used, not only chosen",
        (
            (
                "gpu-a:71 NCCL DIAG [OK] net bw: 361.2/389.0/391.7 Gbit/s min/median/max write bw "
                "(across 16 ranks) in comm 0x55a0"
            ),
        ),
    ),
    Form(
        "diag-slow",
        "net bw: ",
        re.compile(
            r"net bw: .{1,40}? rank (?P<rank>\d{1,9}) \((?P<of>[\w.-]{1,128})\): "
            r"(?P<own>[\d.]{1,20}) Gbit/s, >\d{1,3}% off median (?P<median>[\d.]{1,20})"
        ),
        "2.31+",
        "this rank's network is far from the others'",
        (
            (
                "gpu-a:71 NCCL DIAG [INFO] net bw: write rank 9 (gpu-b): 92.4 Gbit/s, >30% off"
                " median 389.0 Gbit/s"
            ),
        ),
    ),
    Form(
        "diag-skipped",
        "net bw: ",
        re.compile(r"net bw: (?P<why>skipped|failed)\b.{0,200}"),
        "2.31+",
        "bandwidth was not measured, and why",
        (
            "gpu-a:71 NCCL DIAG [OK] net bw: skipped (single host or no network transport)",
            "gpu-a:71 NCCL DIAG [INFO] net bw: failed: no usable IB device in comm 0x55a0",
        ),
    ),
    Form(
        "diag-p2p",
        "p2p: ",
        re.compile(
            r"p2p: (?:verified P2P access in both directions between every GPU pair"
            r"|only (?P<good>\d{1,9})/(?P<all>\d{1,9}) GPU-to-GPU peer accesses passed)"
        ),
        "2.31+",
        "whether GPUs read and write each other's memory, pair by pair",
        (
            (
                "gpu-a:71 NCCL DIAG [OK] p2p: verified P2P access in both directions between every"
                " GPU pair (56 peer accesses)"
            ),
            (
                "gpu-a:71 NCCL DIAG [WARN] p2p: only 54/56 GPU-to-GPU peer accesses passed "
                "verification"
            ),
        ),
    ),
    Form(
        "diag-end",
        "diagnostics completed",
        re.compile(r"NCCL diagnostics completed in [\d.]{1,20} ms across (?P<ranks>\d{1,9}) ranks"),
        "2.31+",
        "diagnostics are over",
        ("gpu-a:71 NCCL DIAG NCCL diagnostics completed in 842 ms across 16 ranks",),
    ),
)
"""What the diagnostics say."""
