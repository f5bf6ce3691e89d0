"""INFO messages of NCCL and of its network plugins: what each proves, and since when.

Source: NCCL src/init.cc, bootstrap.cc, plugin/net.cc, transport/*.cc, graph/*.cc, ras/*.cc,
mnnvl.cc, tags v2.8.3 to v2.30.7; the forms that RCCL adds; HPC-X nccl-rdma-sharp-plugins;
aws-ofi-nccl; Google gIB. The examples are made up after the format strings.
"""

import re
from typing import NamedTuple


class Form(NamedTuple):
    """One kind of message. `also` names kinds that its examples carry besides.

    A kind that the reader does not take is left alone: it is here so that the grammar is whole.
    """

    kind: str
    needle: str
    pattern: re.Pattern[str]
    versions: str
    proves: str
    examples: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


_INIT = (
    r"comm (?P<ptr>0x[0-9a-f]{1,16}) rank (?P<rank>\d{1,9}) n[rR]anks (?P<nranks>\d{1,9})(?!\d)"
    r"(?: cudaDev (?P<cuda>-?\d{1,9}))?(?: nvmlDev (?P<nvml>-?\d{1,9}(?!\d)))?"
    r"(?: busId (?P<bus>[0-9a-f]{1,16}))?"
    r"(?: parent (?P<parent>0x[0-9a-f]{1,16}))?(?: (?:split|child)Count (?P<count>\d{1,10}))?"
    r"(?: color (?P<color>-?\d{1,10}))?(?: key -?\d{1,10})?(?: commId (?P<id>0x[0-9a-f]{1,16}))?"
)
_NAME = r"(?P<name>[A-Za-z][\w.-]{0,63}(?: [\w.-]{1,63}){0,4})"

FORMS: tuple[Form, ...] = (
    Form(
        "init",
        "- Init ",
        re.compile(_INIT + r"[^>]{0,400}?- Init (?P<state>START|COMPLETE)"),
        "COMPLETE 2.8+, with commId 2.16.2+; START 2.18.3+, before the bootstrap from 2.23;"
        " children of a split from 2.23 without commId and as `key 0- Init START`",
        "this rank exists; at COMPLETE its communicator is set up",
        (
            "comm 0x5581a0 rank 3 nranks 8 cudaDev 3 busId 1d000 - Init COMPLETE",
            (
                "comm 0x5581a0 rank 3 nranks 8 cudaDev 3 nvmlDev 3 busId 1d000 commId 0xfeed12 -"
                " Init START"
            ),
            (
                "ncclCommInitRank comm 0x55a0 rank 1 nranks 2 cudaDev 0 nvmlDev 0 busId 1b000"
                " commId 0xab12 - Init COMPLETE"
            ),
            (
                "[Rank 0] ncclCommInitRankConfig comm 0x55a0 rank 0 nranks 2 cudaDev 0 nvmlDev 0"
                " busId 1b000 commId 0xab12 - Init START"
            ),
            (
                "ncclCommSplit comm 0x77 rank 0 nranks 4 cudaDev 0 nvmlDev 0 busId 1b000 parent"
                " 0x55a0 splitCount 1 color 0 key 0- Init START"
            ),
            (
                "ncclCommShrink comm 0x77 rank 0 nranks 3 cudaDev 0 nvmlDev 0 busId 1b000 parent"
                " 0x55a0 childCount 2 color 17 key 0 - Init COMPLETE"
            ),
            (
                "ncclCommGrow comm 0x77 rank 8 nranks 9 cudaDev 0 nvmlDev 0 busId 1b000 commId"
                " 0xab12 - Init COMPLETE"
            ),
            (
                "comm 0x5581a0 rank 3 nranks 8 cudaDev 3 busId c5000 commId 0xfeed12 localSize 384"
                " used 52 bytes on core 7 - Init COMPLETE"
            ),
        ),
    ),
    Form(
        "nodes",
        " nNodes ",
        re.compile(
            r"comm (?P<ptr>0x[0-9a-f]{1,16}) rank (?P<rank>\d{1,9}) nRanks (?P<nranks>\d{1,9}) "
            r"nNodes (?P<nodes>\d{1,9}) localRanks \d{1,9} localRank \d{1,9}"
            r"(?: MNNVL (?P<mnnvl>\d))?"
        ),
        "2.20.3+",
        "all ranks know of each other; how many hosts NCCL counts",
        ("comm 0x55a0 rank 9 nRanks 16 nNodes 2 localRanks 8 localRank 1 MNNVL 0",),
    ),
    Form(
        "closed",
        " COMPLETE",
        re.compile(
            r"comm (?P<ptr>0x[0-9a-f]{1,16}) rank (?P<rank>\d{1,9}) .{0,300}?"
            r"- (?P<end>Destroy|Abort) COMPLETE"
        ),
        "2.12+; not at plain INFO from 2.30.3",
        "the communicator was initialised and is gone; Abort is a normal end too",
        (
            "comm 0x55a0 rank 1 nranks 2 cudaDev 0 busId 1b000 - Destroy COMPLETE",
            "comm 0x55a0 rank 1 nranks 2 cudaDev 0 busId 1b000 - Abort COMPLETE",
        ),
    ),
    Form(
        "network",
        "Using network ",
        re.compile(r"Using network " + _NAME + r"\s*\Z"),
        "every version",
        "the network chosen for traffic that leaves the node; nothing on one node",
        ("Using network IB", "Using network AWS Libfabric", "Using network NCCL RDMA Plugin v10"),
    ),
    Form(
        "connected",
        "Connected ",
        re.compile(
            r"Connected (?:all (?P<what>rings|trees)|NVLS (?P<nvls>tree))"
            r"(?:, use ring PXN (?P<pxn>\d) GDR (?P<gdr>\d))?"
        ),
        "2.8+; NVLS 2.18.1+; PXN and GDR 2.24.3+",
        "the channels of this algorithm are connected; GDR 1: every ring connection to another"
        " node has GPUDirect here (no meaning with one node)",
        (
            "Connected all rings",
            "Connected all rings, use ring PXN 0 GDR 1",
            "Connected all trees",
            "Connected NVLS tree",
        ),
    ),
    Form(
        "bootstrap",
        "Bootstrap",
        re.compile(r"Bootstrap ?: Using (?P<where>\S{1,200})"),
        "2.8+ (`Bootstrap :` until 2.23.4, `Bootstrap:` from 2.24.3)",
        "the start of NCCL in this process, and its interface",
        ("Bootstrap : Using eth0:10.1.0.3<0>", "Bootstrap: Using ib0:fe80::2b:1%ib0<0>"),
    ),
    Form(
        "bootstrapped",
        "Bootstrap timings",
        re.compile(r"Bootstrap timings total (?P<seconds>\d{1,9}(?:\.\d{1,9})?)"),
        "2.23.4+; subsystem BOOTSTRAP or PROFILE",
        "this rank has met all others: START without it is a rank stuck in the bootstrap",
        (
            "Bootstrap timings total 0.52 (create 0.01, send 0.2, recv 0.1, ring 0.2, delay 0.0)",
            "bootstrap.cc:873 (bootstrapInit) Bootstrap timings total 1.004 (create 0.01)",
        ),
    ),
    Form(
        "timings",
        "Init timings",
        re.compile(
            r"Init timings(?:: | - (?P<call>ncclComm\w{1,40}): )rank (?P<rank>\d{1,9})"
            r" nranks (?P<nranks>\d{1,9}) total (?P<seconds>\d{1,9}(?:\.\d{1,9})?)"
        ),
        "2.22.3 `Init timings:`; 2.23.4+ with the function's name",
        "initialisation is over, and what took its time",
        (
            "Init timings: rank 3 nranks 16 total 2.71 (kernels 0.2, bootstrap 1.9, topo 0.1)",
            "Init timings - ncclCommInitRank: rank 3 nranks 16 total 2.71 (kernels 0.2)",
        ),
    ),
    Form(
        "version",
        "CCL version",
        re.compile(r"(?P<flavour>[NR]CCL) version ?:? ?(?P<version>\d[\w.+:-]{0,80})"),
        "bare from one process until 2.21, in every process from 2.22; RCCL its own",
        "which library speaks",
        ("NCCL version 2.27.5+cuda12.9", "RCCL version : 2.22.3-HEAD:27a18d6"),
    ),
    Form(
        "git-version",
        "NCCL git version",
        re.compile(r"NCCL git version (?P<version>\S{1,120})"),
        "2.29.2+",
        "which source the library was built from",
        ("NCCL git version v2.30.7-1-g3a5e0c1",),
    ),
    Form(
        "driver",
        "cudaDriverVersion ",
        re.compile(r"cudaDriverVersion (?P<version>\d{1,9})"),
        "2.10+",
        "the CUDA version of the driver: 12090 is 12.9",
        ("cudaDriverVersion 12090",),
    ),
    Form(
        "echo",
        " set ",
        re.compile(
            r"(?P<name>NCCL_[A-Z0-9_]{1,80}) set (?:by environment )?to (?P<value>.{0,400})"
        ),
        "ENV subsystem, in the default mask from 2.16.5",
        "the setting that NCCL read, once a process",
        (
            "NCCL_IB_DISABLE set by environment to 1.",
            "NCCL_IB_HCA set to mlx5_0,mlx5_1",
            "NCCL_SOCKET_IFNAME set by environment to eth0",
        ),
    ),
    Form(
        "provider",
        "rovider is ",
        re.compile(r"NET/OFI Selected [Pp]rovider is (?P<name>[\w;-]{1,60})"),
        "aws-ofi-nccl, every version",
        "which libfabric provider carries the traffic",
        (
            "NET/OFI Selected Provider is efa (found 4 nics)",
            "NET/OFI Selected provider is efa, fabric is efa-direct (found 32 nics)",
        ),
    ),
    Form(
        "plugin-version",
        "NET/",
        re.compile(
            r"NET/OFI (?:Initializing|Using) aws-ofi-nccl v?(?P<ofi>\d[\w.-]{0,40})"
            r"|NET/gIB ?: Initializing gIB v?(?P<gib>\d[\w.-]{0,40})"
            r"|NET/OFI Using Libfabric version v?(?P<fabric>\d[\w.-]{0,40})"
        ),
        "aws-ofi-nccl (also libfabric's own version); Google gIB",
        "which release of the network plugin runs",
        (
            "NET/OFI Initializing aws-ofi-nccl 1.16.2",
            "NET/OFI Using aws-ofi-nccl 1.7.4aws",
            "NET/OFI Using Libfabric version 2.1",
            "NET/gIB : Initializing gIB v1.0.6",
        ),
    ),
    Form(
        "plugin-loaded",
        "lugin",
        re.compile(
            r"NET/Plugin: Loaded (?P<what>net|collnet) plugin " + _NAME + r" \(v(?P<api>\d{1,4})\)"
            r"|(?:P2P|PNP) plugin (?:v\d{1,4} )?(?P<hpcx>[A-Za-z][\w.-]{0,63})"
            r"|Successfully loaded external plugin (?P<file>\S{1,300})"
        ),
        "2.22+ `Loaded`; 2.27+ `Successfully loaded`; `P2P plugin` and `PNP plugin` are HPC-X's",
        "which network plugin was found, not yet that it has devices",
        (
            "NET/Plugin: Loaded net plugin AWS Libfabric (v8)",
            "NET/Plugin: Loaded net plugin SPCX (v12)",
            "NET/Plugin: Loaded collnet plugin SHARP (v8)",
            "P2P plugin v9 IBext_v9",
            "PNP plugin UCX",
            "Successfully loaded external plugin libnccl-net.so",
        ),
    ),
    Form(
        "plugin-symbol",
        "Plugin_v",
        re.compile(r"Failed to find nccl(?P<what>Net|CollNet)Plugin_v(?P<api>\d{1,4})"),
        "2.10+",
        "nothing alone: every interface version is tried, and CollNet is optional",
        (
            "NET/Plugin: Failed to find ncclNetPlugin_v8 symbol.",
            "NET/Plugin: Failed to find ncclCollNetPlugin_v9 symbol.",
        ),
    ),
    Form(
        "plugin-ready",
        "Initialized NET plugin ",
        re.compile(r"Initialized NET plugin " + _NAME + r"\s*\Z"),
        "2.27.3+",
        "this network started and has devices, or is Socket",
        ("Initialized NET plugin IB", "Initialized NET plugin AWS Libfabric"),
    ),
    Form(
        "plugin-chosen",
        "Assigned NET plugin ",
        re.compile(r"Assigned NET plugin " + _NAME + r" to comm"),
        "2.27.3+",
        "the same as `Using network`",
        ("Assigned NET plugin Libfabric to comm",),
    ),
    Form(
        "ib-list",
        "NET/IB",
        re.compile(
            r"NET/IB ?: Using (?P<devices>\[\d.{0,900}?) ?(?P<relaxed>\[RO\] ?)?; OOB "
            r"(?P<where>\S{1,200})"
        ),
        "every version; `[RO]` relaxed ordering; merged ports `{..}` 2.20 to 2.23 and in RCCL,"
        " `a+b` from 2.24; `/SHARP` from HPC-X",
        "the RDMA ports by name and link layer, and the interface for the hand-shake",
        (
            "NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/RoCE [RO]; OOB eth0:10.1.0.3<0>",
            "NET/IB : Using [0]hfi1_0:1/IB ; OOB ib0:10.1.0.3<0>",
            "NET/IB : Using [0]={[0] mlx5_0:1/RoCE, [1] mlx5_1:1/RoCE} [RO]; OOB eth0:10.1.0.3<0>",
            "NET/IB : Using [0]mlx5_0+mlx5_1:1/RoCE [RO]; OOB eth0:10.1.0.3<0>",
            "NET/IB : Using [0]mlx5_0:1/IB/SHARP [RO]; OOB eno1:10.1.0.3<0>",
        ),
    ),
    Form(
        "socket-list",
        "NET/Socket",
        re.compile(r"NET/Socket ?: Using (?P<devices>\[\d{1,9}\].{1,900})"),
        "every version",
        "the interfaces that TCP traffic would use",
        ("NET/Socket : Using [0]eth0:10.1.0.3<0> [1]eth1:fd00::3%eth1<0>",),
    ),
    Form(
        "device-tcp",
        "NET/",
        re.compile(r"NET/(?P<name>FasTrak|GPUDirectTCPX\w{0,8}) ?:? ?(?P<text>\S.{0,200})"),
        "Google TCPXO (FasTrak) and TCPX; not seen in a real log yet",
        "TCP with device memory is in use: GPU-direct, not RDMA",
        ("NET/FasTrak plugin is starting", "NET/GPUDirectTCPX_v7 : found 4 interfaces"),
    ),
    Form(
        "nvls-support",
        "NVLS multicast",
        re.compile(r"NVLS multicast support is (?P<no>not )?available on dev (?P<dev>\d{1,9})"),
        "2.17.1+",
        "whether NVLink SHARP could be used; not that it is",
        (
            "NVLS multicast support is available on dev 0 (NVLS_NCHANNELS 16)",
            "NVLS multicast support is not available on dev 3",
        ),
    ),
    Form(
        "nvls-comm",
        "NVLS comm ",
        re.compile(r"NVLS comm (?P<ptr>0x[0-9a-f]{1,16}) headRank -?\d{1,9} nHeads \d{1,9}"),
        "2.17.1+",
        "NVLink SHARP buffers are set up for this communicator",
        ("NVLS comm 0x55a0 headRank 0 nHeads 8 buffSize 1048576 nvlsPerRankSize 1",),
    ),
    Form(
        "mnnvl",
        "MNNVL busId",
        re.compile(
            r"MNNVL busId 0x[0-9a-f]{1,16} fabric UUID (?P<uuid>[\w.-]{1,80}) "
            r"cliqueId (?P<clique>0x[0-9a-f]{1,16}) state (?P<state>\d{1,9})"
        ),
        "2.20.3+",
        "the NVLink fabric of this GPU; a UUID of zeros is none",
        ("MNNVL busId 0x1b000 fabric UUID 0.0 cliqueId 0x0 state 3 healthMask 0x0",),
    ),
    Form(
        "ras-at",
        "RAS client",
        re.compile(r"RAS client listening socket at (?P<where>\S{1,200})"),
        "2.24.3+",
        "where this process answers NCCL RAS queries",
        (
            "RAS client listening socket at ::1<28028>",
            "RAS client listening socket at 127.0.0.1<28028>",
        ),
    ),
    Form(
        "ring-order",
        "Channel ",
        re.compile(
            r"Channel \d{1,9}/(?P<channels>\d{1,9}) : (?!.{0,400}->)(?P<ranks>[\d. ]{1,400})"
        ),
        "every version; cut after 20 ranks, or 128 characters with `...`",
        "the order of ranks in a ring; never how many they are",
        ("Channel 00/16 : 0 7 6 5 4 3 2 1", "Channel 00/02 :    0   1   2 ..."),
    ),
    Form(
        "trees",
        "Trees ",
        re.compile(r"Trees \[\d{1,9}\] "),
        "2.8+",
        "all ranks agree on a topology",
        ("Trees [0] 1/-1/-1->0->-1 [1] 1/-1/-1->0->-1",),
    ),
    Form(
        "arrow",
        " -> ",
        re.compile(
            r"\A\s{0,4}(?P<file>[\w/.+-]{1,300}\.(?:cc|cpp|h|cu)):(?P<at>\d{1,9})"
            r"(?: \(\w{1,120}\))? -> (?P<code>\d{1,3})(?: \[[\w ]{1,40}\])?\s*\Z"
        ),
        "every version; with the function from 2.30.7",
        "a call gave this code back: no failure alone, healthy ends print it too",
        (
            "misc/socket.cc:543 -> 3",
            "proxy.cc:1458 -> 3 [Proxy Service 2]",
            "init.cc:1912 (ncclCommInitRankFunc) -> 6 [Async thread]",
        ),
    ),
)
"""Every kind of INFO message that is known, first the ones that make up a communicator."""
