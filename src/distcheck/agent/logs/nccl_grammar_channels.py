"""Channel lines of NCCL's log: what was planned between two ranks, in every version's form.

Source: NCCL src/transport/{p2p,shm,net,coll_net}.cc, tags v2.8.3 to v2.30.7; RCCL adds the
communicator. They are printed before any connection exists: they prove choice, not function.
"""

import re
from typing import NamedTuple

CHANNEL = re.compile(
    r"Channel \d{1,9}(?:/\d{1,9})? : (?P<source>\d{1,9})\[[0-9a-f]{1,16}\]"
    r" -> (?P<target>\d{1,9})\[[0-9a-f]{1,16}\]"
    r"(?: \[(?P<direction>send|receive)\])?\Z"
)
"""The part of a channel line before ` via `. `[busId]` until 2.18.1, `[nvmlDev]` from 2.18.3."""

COLLNET = re.compile(
    r"CollNet \d{1,9}(?:/\d{1,9})? : (?P<own>\d{1,9}) \[(?P<direction>send|receive)\]\Z"
)
"""The same of CollNet, which has no second rank: `CollNet 00 : 11 [send]`, `/K` from 2.14."""

_RCCL_TAIL = r"(?: comm (?P<ptr>0x[0-9a-f]{1,16}) nRanks \d{1,9})?\s*\Z"

NET_VIA = re.compile(
    r"(?P<kind>NET|COLLNET)/(?P<name>[A-Za-z][\w .-]{0,63})/\d{1,9}(?:\(\d{1,9}\))?"
    r"(?P<suffix>(?:/GDRDMA(?:\(PCI\))?)?(?:/Shared)?(?:/(?!GDRDMA|Shared)"
    r"(?!(?:GDRDM|GDRD|GDR|GD|G|Share|Shar|Sha|Sh|S)\s*\Z)[A-Z]\w{0,63}){0,8})"
    r"(?:/flush=\w{1,20})?" + _RCCL_TAIL
)
"""`NET/IB/0/GDRDMA`; PXN adds `(rank)` from 2.12; `(PCI)` from 2.26; `/Shared` for send/receive;
`/flush=None` or the like on the receiving side from 2.31, no part of the transport.

A word cut short at the end of a line is no transport of its own.
"""

LOCAL_VIA = re.compile(
    r"(?P<path>P2P/(?:direct pointer|IPC|CUMEM|MNNVL|indirect/\d{1,9}\[[0-9a-f]{1,16}\])"
    r"(?:/read|/write)?(?:/CE)?|direct shared memory|SHM(?:/(?:direct|CE)){1,4})" + _RCCL_TAIL
)
"""`P2P/CUMEM` from 2.18.1, `P2P/MNNVL` from 2.20.3, `SHM/..` from 2.13 (before: words)."""


class ChannelForm(NamedTuple):
    """One transport on channel lines: which pattern reads it, since when, and examples."""

    transport: str
    pattern: re.Pattern[str]
    versions: str
    proves: str
    examples: tuple[str, ...]


_LEAVES = "planned traffic over the network, NIC by NIC"
_STAYS = "planned traffic within the node"

CHANNEL_FORMS: tuple[ChannelForm, ...] = (
    ChannelForm(
        "P2P/direct pointer",
        LOCAL_VIA,
        "2.8+, both ranks in one process",
        _STAYS,
        (
            "Channel 00/0 : 0[0] -> 1[1] via P2P/direct pointer/read",
            "Channel 03 : 2[3d000] -> 3[3e000] via P2P/direct pointer",
        ),
    ),
    ChannelForm("P2P/IPC", LOCAL_VIA, "2.8+", _STAYS, ("Channel 01/0 : 0[0] -> 1[1] via P2P/IPC",)),
    ChannelForm(
        "P2P/CUMEM",
        LOCAL_VIA,
        "2.18.1+, the default from 2.19.1",
        _STAYS,
        ("Channel 07/1 : 6[6] -> 7[7] via P2P/CUMEM/read/CE",),
    ),
    ChannelForm(
        "P2P/MNNVL",
        LOCAL_VIA,
        "2.20.3+",
        "planned traffic over NVLink, between hosts too",
        ("Channel 00/0 : 3[3] -> 4[0] via P2P/MNNVL",),
    ),
    ChannelForm(
        "P2P/indirect",
        LOCAL_VIA,
        "2.8+; no platform uses it any more",
        _STAYS,
        ("Channel 00/0 : 0[0] -> 3[3] via P2P/indirect/2[2]/read",),
    ),
    ChannelForm(
        "SHM",
        LOCAL_VIA,
        "words until 2.12; `SHM/direct/direct`, `SHM/CE/..` 2.13 to 2.30.4; `SHM/direct` 2.30.7+",
        _STAYS,
        (
            "Channel 00 : 0[1a000] -> 1[1b000] via direct shared memory",
            "Channel 00 : 0[0] -> 1[1] via SHM/direct/direct",
            "Channel 00 : 0[0] -> 1[1] via SHM/CE/direct",
            "Channel 00 : 0[0] -> 1[1] via SHM/direct",
        ),
    ),
    ChannelForm(
        "NET",
        NET_VIA,
        "2.8+; `(rank)` of PXN 2.12+; `(PCI)` 2.26+; a communicator from RCCL",
        _LEAVES,
        (
            "Channel 00 : 7[cb000] -> 8[07000] [send] via NET/IB/1",
            "Channel 00/0 : 7[7] -> 8[0] [send] via NET/IB/3(5)/GDRDMA",
            "Channel 12/1 : 8[0] -> 7[7] [receive] via NET/AWS Libfabric/2/GDRDMA/Shared",
            "Channel 00/0 : 7[7] -> 8[0] [receive] via NET/IBext_v11/0/GDRDMA(PCI)",
            "Channel 02/0 : 1[c5] -> 8[c5] [send] via NET/IB/0/GDRDMA comm 0x7f1a90 nRanks 16",
            "Channel 02/0 : 1[1] -> 8[0] [send] via NET/NCCL RDMA Plugin v10/0/GDRDMA",
            "Channel 00/0 : 1[1] -> 2[0] [receive] via NET/Socket/0",
            "Channel 00/0 : 7[7] -> 8[0] [receive] via NET/Libfabric/0/GDRDMA/flush=None",
        ),
    ),
    ChannelForm(
        "COLLNET",
        NET_VIA,
        "`CollNet 00 :` until 2.13, `CollNet 00/0 :` from 2.14",
        "planned reduction in the switches; printed even where SHARP then fails",
        (
            "CollNet 00 : 11 [receive] via COLLNET/SHARP/0/GDRDMA",
            "CollNet 00/0 : 0 [send] via COLLNET/SHARP/1",
        ),
    ),
)
"""Every transport that a channel line may name."""
