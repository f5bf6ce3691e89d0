"""Failures in NCCL's words (after `NCCL WARN`) and in its callers', told from noise.

Source: NCCL src/misc/socket.cc, shmutils.cc, ibvwrap.cc, bootstrap.cc, init.cc, proxy.cc,
transport/*.cc, os/linux.cc, tags v2.8.3 to v2.30.7; aws-ofi-nccl; RCCL; PyTorch's
ProcessGroupNCCL.cpp; vLLM's pynccl. The examples are made up after the format strings.
"""

import re
from typing import Literal, NamedTuple

Weight = Literal["fatal", "symptom", "noise"]


class FailureForm(NamedTuple):
    """One failure by its words. A symptom is fatal too, but follows from another rank's."""

    id: str
    weight: Weight
    pattern: re.Pattern[str]
    versions: str = ""
    examples: tuple[str, ...] = ()


_PEER_GONE = r"(?:Connection reset by peer|Broken pipe)"

_FAILURES: tuple[tuple[str, Weight, str, str, tuple[str, ...]], ...] = (
    (
        "shm-attach",
        "fatal",
        r"Error while attaching to shared memory segment|failed to create shared memory file",
        "2.8+; `create` 2.22+",
        (
            "Error while attaching to shared memory segment /dev/shm/nccl-a1 (size 9637888)",
            "Error: failed to create shared memory file /dev/shm/nccl-a1, error Permission denied",
        ),
    ),
    (
        "shm-no-space",
        "fatal",
        (
            r"failed to extend \S{0,200}/dev/shm|Error while creating shared memory segment"
            r"|posix_fallocate failed ?: No space"
        ),
        "posix_fallocate until 2.11; none from 2.12.7 to 2.18.6 (a bus error); fallocate 2.19.1+",
        (
            "Call to posix_fallocate failed : No space left on device",
            "Error: failed to extend /dev/shm/nccl-Zk3q to 33030532 bytes, error: No space (28)",
            "Error while creating shared memory segment nccl-shm-recv-9a-0-1-0 (size 9637888)",
        ),
    ),
    (
        "duplicate-gpu",
        "fatal",
        r"Duplicate GPU detected|Multiple Ranks are using the same",
        "until 2.29.7; 2.30.7+ `Multiple Ranks`",
        (
            "Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 1b000",
            "Multiple Ranks are using the same GPU/Partition: rank 0 and rank 1",
        ),
    ),
    (
        "iface-none",
        "fatal",
        (
            r"no socket interface found|NET/Socket ?: no interface found"
            r"|No usable listening interface|no device found after excluding"
            r"|no device found matching (?!.{0,300}ignoring)|is neither AF_INET"
        ),
        "2.8+; NCCL_OOB_NET_IFNAME 2.24+; the family is garbage in 2.27",
        (
            "Bootstrap : no socket interface found",
            "NET/Socket : no interface found",
            "no device found matching eth9, verify NCCL_OOB_NET_IFNAME",
            "no device found after excluding ^eth0, verify NCCL_OOB_NET_IFNAME",
            "NET/Socket : No usable listening interface found",
            (
                "ncclSocketInit: connecting to address  with family 59936 is neither AF_INET(2) nor"
                " AF_INET6(10)"
            ),
        ),
    ),
    (
        "bootstrap-connect",
        "fatal",
        (
            r"[Cc]onnect to .{1,200}? (?:failed ?:|failed with error|returned )"
            r"|exceeded (?:error retry count|(?:retries|timeouts) \()"
            r"|Call to (?:recv|send) .{1,200}? failed ?: (?:Connection timed out|No route to host)"
        ),
        "`Connect to` until 2.23; no address 2.24 to 2.26; `connect to` with it from 2.27",
        (
            "Connect to 10.1.0.4<41000> failed : Connection refused",
            "Connect to fd00::4%eth0<41000> failed : No route to host",
            (
                "socketPollConnect: Connect to 10.1.0.4<41000> returned 113(No route to host) errno"
                " 115"
            ),
            (
                "socketPollConnect: connect returned Connection timed out, exceeded error retry"
                " count (35)"
            ),
            (
                "ncclOsSocketPollConnect: connect to vllm-worker-0<41000> returned Connection"
                " refused, exceeded error retry count after 35 attempts"
            ),
            "socketProgressOpt: Call to recv from 10.1.0.4<41000> failed : Connection timed out",
            "socketPollConnect to 10.1.0.4<41000> failed with error Connection refused",
            "socketStartConnect: exceeded retries (20000)",
            "socketStartConnect: exceeded timeouts (20000)",
        ),
    ),
    (
        "peer-closed",
        "symptom",
        (
            r"Connection closed by remote peer|Call to (?:recv|send) .{1,200}? failed ?: "
            + _PEER_GONE
        ),
        "2.8+",
        (
            "socketProgress: Connection closed by remote peer vllm-worker-0<41000>",
            (
                "socketProgressOpt: Call to recv from 10.1.0.4<41000> failed : Connection reset by"
                " peer"
            ),
            "socketProgressOpt: Call to send to 10.1.0.4<41000> failed : Broken pipe",
        ),
    ),
    (
        "nranks",
        "fatal",
        r"mismatch in rank count from procs|mismatch in info from procs|has already checked in",
        "until 2.22 `rank count`; 2.23.4+ `info`; in the root's thread only",
        (
            "Bootstrap Root : mismatch in rank count from procs 16 : 8",
            "Bootstrap Root : mismatch in info from procs, nranks 16 vs 8, nroots 1 vs 1",
            "Bootstrap Root : rank 3 of 16 ranks has already checked in",
        ),
    ),
    (
        "version-mismatch",
        "fatal",
        r"Mismatched NCCL (?:git )?versions? detected",
        "2.23.4+; git 2.32+",
        (
            "Mismatched NCCL version detected : rank 0 version 22703 rank 8 version 22605",
            "Mismatched NCCL git versions detected",
        ),
    ),
    (
        "truncated",
        "fatal",
        r"[Mm]essage truncated ?: receiv",
        "2.8+ `Message`; 2.10+ `peer .. message`",
        (
            "Message truncated : received 64 bytes instead of 128",
            (
                "NET/Socket : peer 10.1.0.4<41000> message truncated : receiving 4096 bytes instead"
                " of 2048"
            ),
        ),
    ),
    (
        "ib-completion",
        "symptom",
        r"Got completion .{0,300}?with (?:error 5,|status=5 |status=IBV_WC_WR_FLUSH_ERR)",
        "status 5 is the flush after another error",
        (
            "NET/IB : Got completion from peer 10.1.0.4<41000> with status=5 opcode=0 len=0",
            "NET/IB: Got completion from peer 10.1.0.4<41000> with status=IBV_WC_WR_FLUSH_ERR(5)",
        ),
    ),
    (
        "ib-completion",
        "fatal",
        r"Got completion .{0,300}?with (?:error|status)|ibv_post_\w{1,20}\(\) failed",
        "`error` until 2.19; `status=12` 2.20.3+; `status=IBV_WC_..(12)` 2.28.7+",
        (
            "NET/IB : Got completion from peer 10.1.0.4<41000> with error 12, opcode 0, len 0",
            (
                "NET/IB : Got completion from peer 10.1.0.4<41000> with status=12 opcode=0 len=0"
                " vendor err 129 (Send) hca mlx5_0"
            ),
            (
                "NET/IB: Got completion from peer 10.1.0.4<4> with status=IBV_WC_RETRY_EXC_ERR(12)"
                " opcode=IBV_WC_SEND(0)"
            ),
        ),
    ),
    (
        "ib-modify-qp",
        "fatal",
        r"Call to ibv_modify_qp failed",
        "`with error TEXT` until 2.23; number, device and GIDs 2.24.3+",
        (
            "Call to ibv_modify_qp failed with error Invalid argument",
            (
                "Call to ibv_modify_qp failed with 110 Connection timed out, on dev mlx5_0:1, curr"
                " state INIT, next state RTR, local GID index 3, local GID ::, remote"
                " GID ::ffff:10.1.0.4"
            ),
        ),
    ),
    (
        "ib-open-device",
        "noise",
        r"ibv_open_device failed|Unable to open device",
        "2.8+",
        ("Call to ibv_open_device failed", "NET/IB : Unable to open device mlx5_9"),
    ),
    (
        "ib-gid",
        "noise",
        r"ncclIbRoceGetVersionNum",
        "2.23.4+",
        ("NET/IB: read failed in ncclIbRoceGetVersionNum: Invalid argument",),
    ),
    (
        "ib-mr",
        "fatal",
        r"Call to ibv_(?:reg_\w{0,20}mr\w{0,20}|create_cq|create_qp\w{0,10}) failed",
        "2.8+; with the error's text from 2.19",
        (
            "Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory",
            "Call to ibv_create_cq failed with error Cannot allocate memory",
            "Call to ibv_reg_mr failed with error Bad address",
        ),
    ),
    (
        "ib-async",
        "fatal",
        r"async fatal event",
        "2.23.4+",
        ("NET/IB : mlx5_0:1 async fatal event: local catastrophic error",),
    ),
    (
        "ib-async",
        "noise",
        r"Got (?:non-fatal )?async (?:error )?event|GID table changed",
        "until 2.22 `Got async event`; 2.23 to 2.28 `error event`; 2.28.7+ `non-fatal`",
        (
            "NET/IB : mlx5_0:1 Got async event : port error",
            "NET/IB : mlx5_0:1 Got async error event: GID table change",
            "NET/IB : mlx5_0:1 Got non-fatal async event: port error(10)",
            "NET/IB : mlx5_0:1 GID table changed",
        ),
    ),
    (
        "ofi-mr",
        "fatal",
        r"NET/OFI .{0,200}?(?:Unable to register memory|[Mm]emory registration fail)",
        "aws-ofi-nccl",
        ("NET/OFI Unable to register memory (type = 2) for device 4. RC: -22, Error: Invalid",),
    ),
    (
        "ofi-completion",
        "fatal",
        (
            r"NET/OFI .{0,300}?(?:completed with error|Unable to insert remote address"
            r"|Couldn't (?:open (?:CQ|AV)|allocate endpoint)"
            r"|Creating new endpoint .{0,100}? failed)"
        ),
        "aws-ofi-nccl",
        (
            "NET/OFI Request 0x7f completed with error. RC: 107. Error: 4 (Transport endpoint)",
            "NET/OFI Unable to insert remote address into address vector for device 1. RC: 0",
            "NET/OFI Couldn't open CQ. RC: -12, ERROR: Cannot allocate memory",
            "NET/OFI Creating new endpoint for domain 0x55 failed",
        ),
    ),
    (
        "async-error",
        "symptom",
        r"communicator encountered a fatal error",
        "2.14+: a call found that something had failed before",
        ("communicator encountered a fatal error (detected in ncclAllReduce)",),
    ),
    (
        "ofi-no-provider",
        "noise",
        (
            r"NET/OFI (?:Couldn't find any optimal provider|No eligible)"
            r"|aws-ofi-nccl initialization failed"
        ),
        "aws-ofi-nccl: NCCL goes on with another network",
        (
            "NET/OFI Couldn't find any optimal provider",
            "NET/OFI aws-ofi-nccl initialization failed",
        ),
    ),
    (
        "sharp",
        "noise",
        r"SHARP coll init error|Cannot initialize CollNet|Cannot create SHArP job",
        "HPC-X; 2.8+: the point-to-point network does its work",
        (
            "NET/IB :SHARP coll init error: Cannot create SHArP job(-11)",
            "Cannot initialize CollNet, using point-to-point network instead",
        ),
    ),
    (
        "nvls",
        "fatal",
        r"Failed to bind NVLink SHARP",
        "2.27.3+; forgiven where `Proceeding without NVLS` follows (2.27 and 2.28)",
        ("Failed to bind NVLink SHARP (NVLS) Multicast memory of size 2097152 : CUDA error 1",),
    ),
    (
        "mnnvl",
        "fatal",
        r"MNNVL .{0,120}?not (?:working|supported) on this system",
        "2.24 `supported`; 2.25.1+ `working`",
        (
            (
                "MNNVL (cliqueSize 8) is available but not working on this system. Check the IMEX"
                " channel configuration (/dev/nvidia-caps-imex-channels)"
            ),
            "MNNVL is not supported on this system",
        ),
    ),
    (
        "p2p-hw",
        "fatal",
        r"P2P is disabled between NVLINK connected GPUs",
        "2.12.7+",
        ("P2P is disabled between NVLINK connected GPUs 1 and 0. This should not be the case",),
    ),
    (
        "no-transport",
        "fatal",
        r"No transport found for rank",
        "2.12.7+",
        ("No transport found for rank 1[1b000] -> rank 0[1a000]",),
    ),
    (
        "net-mismatch",
        "fatal",
        r"Detected mixed local Net device counts|Attempted to connect incompatible devices",
        "2.30.3+; incompatible devices 2.24+",
        (
            "Detected mixed local Net device counts across ranks (min 7, max 8).",
            "NET/IB : Attempted to connect incompatible devices: [0]mlx5_0/IB and [1]mlx5_1/RoCE",
        ),
    ),
    (
        "network-not-found",
        "fatal",
        r"network \S{1,100} not found|Failed to initialize any NET plugin",
        "2.10.3 to 2.26.6 `not found`; 2.27.3+ `any NET plugin`",
        ("Error: network Sockets not found.", "Failed to initialize any NET plugin"),
    ),
    (
        "proxy-teardown",
        "noise",
        (
            r"\[Service thread\] (?:Accept failed|Could not receive type)"
            r"|Failed to execute operation (?:Close|Abort|Stop|Deregister)"
        ),
        "2.22: at every end of a healthy run",
        (
            "[Service thread] Accept failed Resource temporarily unavailable",
            "[Service thread] Could not receive type from localRank 3, res=3, closed=0",
            "[Proxy Service 3] Failed to execute operation Close from rank 3, retcode 3",
        ),
    ),
    (
        "proxy-operation",
        "fatal",
        r"Failed to execute operation",
        "2.12.7+",
        ("[Proxy Service 3] Failed to execute operation Connect from rank 3, retcode 3",),
    ),
    (
        "cleanup",
        "noise",
        r"commReclaim|Legacy IPC cleanup callback failed",
        "2.14.3+: after another error",
        ("commReclaim: cleanup comm 0x55a0 rank 3 failed in destroy/abort, error 3",),
    ),
    (
        "rccl-mscclpp",
        "noise",
        r"MSCCL\+\+",
        "RCCL",
        ("MSCCL++: Cannot enable MSCCL++; environment is not MSCCL compatible",),
    ),
    (
        "ib-path",
        "noise",
        r"Could not find real path of",
        "2.8+: a device without PCI address, such as Soft-RoCE",
        ("Could not find real path of rxe0 (/sys/class/infiniband/rxe0/device)",),
    ),
    (
        "cuda-end",
        "noise",
        r"Cuda failure.{0,20}'(?:driver shutting down|context is destroyed)'",
        "2.8+: the process is at its end",
        ("Cuda failure 4 'driver shutting down'",),
    ),
    (
        "cuda",
        "fatal",
        r"Cuda failure",
        "2.8+; with a number for driver calls from 2.19",
        ("Cuda failure 'out of memory'", "Cuda failure 214 'uncorrectable ECC error encountered'"),
    ),
)

FAILURES: tuple[FailureForm, ...] = tuple(
    FailureForm(name, weight, re.compile(pattern), versions, examples)
    for name, weight, pattern, versions, examples in _FAILURES
)
"""What stands after `NCCL WARN`; the first that matches names the failure."""

_XID = r"48|62|74|79|94|95|119|120|136|140|143|154"
"""Kernel events after which a GPU does not go on (NVIDIA, Xid errors): memory, NVLink, GSP."""

_WRAPPED: tuple[tuple[str, Weight, str, tuple[str, ...]], ...] = (
    (
        "watchdog-timeout",
        "symptom",
        r"Watchdog caught collective operation timeout",
        (
            (
                "[rank0]:[E301 08:31:07.4 ProcessGroupNCCL.cpp:563] [Rank 0] Watchdog caught"
                " collective operation timeout: WorkNCCL(SeqNum=3, OpType=BROADCAST,"
                " NumelIn=1, Timeout(ms)=9)"
            ),
        ),
    ),
    (
        "cuda",
        "fatal",
        (
            r"uncorrectable ECC error encountered"
            r"|NVRM: Xid \(PCI:[0-9a-fA-F:.]{1,20}\): (?:" + _XID + r")\b"
        ),
        (
            "RuntimeError: CUDA error: uncorrectable ECC error encountered",
            "NVRM: Xid (PCI:0000:1b:00): 79, GPU has fallen off the bus.",
        ),
    ),
    ("bus-error", "fatal", r"\bBus error\b", ("/bin/sh: line 1:    71 Bus error (core dumped)",)),
    (
        "nccl-remote-error",
        "symptom",
        r"\bncclRemoteError\b|NCCL (?:[Ee]rror|failure).{0,200}(?:remote process|remote error)",
        (
            "ncclRemoteError: A call failed possibly due to a network error.",
            (
                "DistBackendError: NCCL error in: NCCLUtils.hpp:317, remote process exited or there"
                " was a network error, NCCL version 2.21.5"
            ),
        ),
    ),
    (
        "nccl-system-error",
        "fatal",
        r"\bncclSystemError\b|NCCL (?:[Ee]rror|failure).{0,200}unhandled system error",
        (
            "ncclSystemError: System call (e.g. socket, malloc) or external library call failed",
            "RuntimeError: NCCL error: unhandled system error (run with NCCL_DEBUG=INFO)",
        ),
    ),
    (
        "nccl-cuda-error",
        "fatal",
        r"\bncclUnhandledCudaError\b|NCCL (?:[Ee]rror|failure).{0,200}unhandled cuda error",
        (
            "RuntimeError: NCCL error: unhandled cuda error (run with NCCL_DEBUG=INFO for details)",
            "NCCL Error 1: unhandled cuda error",
        ),
    ),
    (
        "nccl-invalid-usage",
        "fatal",
        r"\bncclInvalid(?:Usage|Argument)\b|NCCL (?:[Ee]rror|failure).{0,200}invalid",
        ("RuntimeError: NCCL error: invalid usage (run with NCCL_DEBUG=WARN for details)",),
    ),
    (
        "nccl-internal-error",
        "fatal",
        r"\bncclInternalError\b|NCCL (?:[Ee]rror|failure).{0,200}internal error",
        (
            "ncclInternalError: Internal check failed.",
            "gpu-a: Test NCCL failure common.cu:958 'internal error - please report this issue'",
        ),
    ),
)

WRAPPED_FORMS: tuple[FailureForm, ...] = tuple(
    FailureForm(name, weight, re.compile(pattern), "", examples)
    for name, weight, pattern, examples in _WRAPPED
)
"""What the caller says of a failure (PyTorch, vLLM's pynccl): all there is without NCCL_DEBUG."""

WRAPPED: tuple[tuple[str, re.Pattern[str]], ...] = tuple((f.id, f.pattern) for f in WRAPPED_FORMS)
"""The same as `(id, pattern)`."""

GENERIC = frozenset(f.id for f in WRAPPED_FORMS if f.id.startswith("nccl-"))
"""Callers' words for a result code: they name no cause."""

VICTIM = re.compile(
    r"Rank (?P<rank>\d{1,9})\] Watchdog caught collective operation timeout: WorkNCCL\("
    r"(?:SeqNum=(?P<seq>\d{1,18}), )?OpType=(?P<op>\w{1,40})"
)
"""The rank that waited, and for what: PyTorch from 2.0; the number from 2.1."""

PEER = re.compile(
    r"(?:[Cc]onnect to|from peer|remote peer|recv from|send to) "
    r"(?P<peer>[0-9A-Za-z\[][\w.:%\[\]-]{0,254}<\d{1,9}>)"
)
"""The other end: `10.1.0.4<41000>`, `fd00::4%eth0<41000>`, `vllm-worker-0<41000>`."""
