"""Lines of NCCL and of its plugins that explain a choice: why sockets, why no GPUDirect.

Source: NCCL src/transport/net_ib, net_socket.cc, src/plugin, src/graph/topo.cc and paths.cc,
src/misc/ibvsymbols.cc, tags v2.8.3 to v2.30.7; HPC-X nccl-rdma-sharp-plugins; aws-ofi-nccl.
"""

import re
from typing import NamedTuple


class MarkForm(NamedTuple):
    """One explaining line. `also` names marks that its examples carry besides."""

    id: str
    needle: str
    pattern: re.Pattern[str]
    versions: str
    proves: str
    examples: tuple[str, ...]
    also: tuple[str, ...] = ()


_NO_OTHER_PLUGIN = r"\A(?!(?:TUNER|PROFILER|ENV|GIN|RMA)/)"
_START = r"Bootstrap ?: Using "
_BRIDGE = r"(?:docker|veth|cni|cali|flannel|cbr|virbr|br-|lxc|tailscale|kube-|nodelocaldns)"

MARK_FORMS: tuple[MarkForm, ...] = (
    MarkForm(
        "no-ib-device",
        "No device found",
        re.compile(r"NET/IB ?: No device found"),
        "every version",
        "no active RDMA port is left; not why: none in the container, down, or filtered away",
        ("NET/IB : No device found.",),
    ),
    MarkForm(
        "ib-devices",
        "NET/IB",
        re.compile(r"NET/IB ?: Using \[\d{1,9}\]"),
        "every version",
        "RDMA ports were found",
        (
            "NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/RoCE [RO]; OOB eth0:10.1.0.3<0>",
            "NET/IB : Using [0]={[0] mlx5_0:1/RoCE, [1] mlx5_1:1/RoCE} [RO]; OOB eth0:10.1.0.3<0>",
        ),
    ),
    MarkForm(
        "ib-empty",
        "NET/IB",
        re.compile(r"NET/IB ?: Using (?:\[RO\])? ?; OOB"),
        "2.24+",
        "the list of RDMA ports is empty; it follows `No device found`",
        ("NET/IB : Using [RO]; OOB eth0:10.1.0.3<0>",),
    ),
    MarkForm(
        "ib-no-ip",
        "No IP interface",
        re.compile(r"NET/IB ?: No IP interface found"),
        "every version",
        "RDMA needs an IP interface for its hand-shake and has none",
        ("NET/IB : No IP interface found.",),
    ),
    MarkForm(
        "libibverbs-missing",
        "libibverbs",
        re.compile(r"Failed to open libibverbs\.so"),
        "until 2.29, after both names failed",
        "the container has no libibverbs",
        ("Failed to open libibverbs.so[.1]",),
    ),
    MarkForm(
        "libibverbs-unnamed",
        "libibverbs",
        re.compile(r"Count not open libibverbs\.so(?!\.?\d)"),
        "2.30.3+ (spelt so)",
        "only that this name does not load: the next one may",
        ("Count not open libibverbs.so",),
    ),
    MarkForm(
        "libibverbs-unnamed-1",
        "libibverbs",
        re.compile(r"Count not open libibverbs\.so\.1"),
        "2.30.3+ (spelt so)",
        "the second name does not load either",
        ("Count not open libibverbs.so.1",),
    ),
    MarkForm(
        "ib-failed",
        "NET plugin IB",
        re.compile(r"Failed to initialize NET plugin IB(?![\w])"),
        "2.28.3+",
        "the built-in RDMA network refused to start; not why",
        ("Failed to initialize NET plugin IB",),
    ),
    MarkForm(
        "efa-no-provider",
        "",
        re.compile(
            r"NET/OFI No eligible providers|NET/OFI Couldn't find any optimal provider"
            r"|aws-ofi-nccl initialization failed"
            r"|Failed to initialize NET plugin (?:AWS Libfabric|Libfabric|OFI)"
        ),
        "aws-ofi-nccl, every version; the last form NCCL 2.28+",
        "libfabric offers no EFA device here",
        (
            "NET/OFI No eligible providers were found",
            "NET/OFI Couldn't find any optimal provider",
            "NET/OFI aws-ofi-nccl initialization failed",
            "Failed to initialize NET plugin Libfabric",
        ),
    ),
    MarkForm(
        "plugin-missing",
        "lugin",
        re.compile(
            _NO_OTHER_PLUGIN + r".{0,300}(?:Could not find: \S{0,200}lib[nr]ccl-net|No plugin found"
            r"|Plugin load returned|Plugin load \(\S{1,200}\) returned)"
        ),
        "until 2.18 `Plugin load (..) returned`; 2.19 to 2.21 `No plugin found`;"
        " 2.22+ `Could not find`",
        "no network plugin was loaded: normal on InfiniBand and RoCE, not on EFA or Slingshot",
        (
            "NET/Plugin : Plugin load (libnccl-net.so) returned 2 : libnccl-net.so: cannot open",
            "NET/Plugin : dlerror=libnccl-net.so: cannot open shared object file No plugin found",
            "NET/Plugin : No plugin found (libnccl-net.so), using internal implementation",
            "NET/Plugin: Could not find: libnccl-net.so. Using internal network plugin.",
            "NET/Plugin: Could not find: libnccl-net.so",
        ),
    ),
    MarkForm(
        "plugin-failed",
        "lugin",
        re.compile(
            _NO_OTHER_PLUGIN
            + r".{0,300}(?:(?<![\w./-])lib(?![nr]ccl-net)[\w+-]{1,80}\.so[.\d]{0,16}: "
            r"cannot open shared object|undefined symbol: \w|Failed to initialize NET plugin "
            r"(?!IB(?!\w)|Socket|AWS Libfabric|Libfabric|OFI)\w)"
        ),
        "every version with plugins; the last form NCCL 2.28+",
        "a network plugin is there and cannot be loaded or started",
        (
            "NET/Plugin: Plugin load returned 2 : libfabric.so.1: cannot open shared object file",
            "NET/Plugin: Plugin load returned 2 : libnccl-net.so: undefined symbol: fi_freeinfo",
            "Failed to initialize NET plugin FasTrak",
        ),
        ("plugin-missing",),
    ),
    MarkForm(
        "plugin-unsupported",
        "supported",
        re.compile(
            r"External network plugin .{1,200} is unsupported"
            r"|symbols? v\d{1,4} and lower are not supported"
        ),
        "2.19 to 2.25 (symbols); 2.28+ (External)",
        "the plugin's interface does not fit this NCCL",
        (
            "NET/Plugin: ncclNetPlugin symbols v4 and lower are not supported.",
            "External network plugin libnccl-net.so is unsupported",
        ),
    ),
    MarkForm(
        "gdr-on",
        "GPU Direct RDMA",
        re.compile(r"GPU Direct RDMA (?:\([\w-]{1,40}\) )?[Ee]nabled for"),
        "NET subsystem; HPC-X names peermem or DMABUF",
        "this HCA may read and write GPU memory",
        (
            "NET/IB : GPU Direct RDMA Enabled for HCA 0 'mlx5_0'",
            "NET/IB : GPU Direct RDMA (nvidia-peermem) enabled for HCA 0 'mlx5_0",
            "NET/IB : GPU Direct RDMA (DMABUF) enabled for HCA 0 'mlx5_0",
            "GPU Direct RDMA Enabled for GPU 0 / HCA 1 (distance 3 <= 4), read 1",
        ),
    ),
    MarkForm(
        "gdr-off-hca",
        "GPU Direct RDMA",
        re.compile(r"GPU Direct RDMA [Dd]isabled for HCA"),
        "NET subsystem, 2.13+",
        "the kernel side is missing, or NCCL looks for it in the wrong place (before 2.23.4)",
        ("NET/IB : GPU Direct RDMA Disabled for HCA 0 'mlx5_0'",),
    ),
    MarkForm(
        "gdr-off-distance",
        "GPU Direct RDMA",
        re.compile(r"GPU Direct RDMA Disabled for (?!HCA).{1,120}\(distance"),
        "NET subsystem, until 2.30; `GPU/x-y (rank r) - NET/x-y` from 2.29",
        "the GPU and the NIC are too far apart on PCIe",
        (
            "GPU Direct RDMA Disabled for GPU 0 / HCA 1 (distance 7 > 4)",
            "GPU Direct RDMA Disabled for GPU/0-1b000 (rank 0) - NET/0-1 (distance 8 > 4)",
        ),
    ),
    MarkForm(
        "gdr-off-hmem",
        "HMEM",
        re.compile(r"Could not disable CUDA API usage for HMEM, disabling GDR"),
        "aws-ofi-nccl",
        "the plugin switched GPUDirect off: libfabric is too old",
        ("NET/OFI Could not disable CUDA API usage for HMEM, disabling GDR",),
    ),
    MarkForm(
        "no-pci-tree",
        "not a PCI device",
        re.compile(r"network path .{0,300} is not a PCI device"),
        "GRAPH or NET subsystem",
        "a virtual machine or a container hides where the NIC is on PCIe",
        ("network path /sys/class/net/eth0/device is not a PCI device (vmbus). Attaching to CPU",),
    ),
    MarkForm(
        "dmabuf",
        "DMA-BUF",
        re.compile(r"DMA-BUF is available on GPU"),
        "2.13+",
        "the driver can export GPU memory; not that it is used",
        ("DMA-BUF is available on GPU device 0",),
    ),
    MarkForm(
        "cumem-host",
        "cuMem host",
        re.compile(r"cuMem host allocations do not appear to be working"),
        "2.26.3+",
        "the container has no NUMA rights; /dev/shm is used instead",
        (
            (
                "cuMem host allocations do not appear to be working; falling back to a "
                "/dev/shm/ based implementation"
            ),
        ),
    ),
    MarkForm(
        "nvls-off",
        "NVLS",
        re.compile(r"Proceeding without NVLS"),
        "2.27.3 to 2.28.9",
        "NVLink SHARP cannot be used and is left out: no failure",
        ("rank 3 failed to set up NVLS. Proceeding without NVLS support.",),
    ),
    MarkForm(
        "connect-retry",
        "retrying",
        re.compile(r"onnect.{0,200}retrying \(?\d{1,9}/\d{1,9}"),
        "2.24+; with the address from 2.27",
        "a connection is refused so far, and tried again for about a minute",
        (
            (
                "socketPollConnect: connect to 10.1.0.4<41000> returned Connection refused, "
                "retrying (3/34) after sleep for 300 msec"
            ),
        ),
    ),
    MarkForm(
        "socket-devices",
        "NET/Socket",
        re.compile(r"NET/Socket ?: Using \[\d{1,9}\]"),
        "every version",
        "the interfaces that TCP traffic would use",
        ("NET/Socket : Using [0]eth0:10.1.0.3<0> [1]ib0:10.2.0.3<0>",),
    ),
    MarkForm(
        "iface-loopback",
        "Using lo",
        re.compile(_START + r"lo:"),
        "every version",
        "the bootstrap listens on the loopback: no other host can reach it",
        ("Bootstrap : Using lo:127.0.0.1<0>", "Bootstrap: Using lo:127.0.0.1<0>"),
    ),
    MarkForm(
        "iface-bridge",
        "Bootstrap",
        re.compile(_START + _BRIDGE + r"[\w.-]{0,32}:"),
        "every version",
        "the bootstrap uses a bridge or an overlay that other hosts may not reach",
        ("Bootstrap: Using docker0:172.17.0.1<0>",),
    ),
    MarkForm(
        "iface-link-local",
        "Bootstrap",
        re.compile(_START + r"(?!lo:)[\w.-]{1,32}:(?:169\.254\.|fe80:)"),
        "every version",
        "the bootstrap uses an address that is valid on one link only",
        (
            "Bootstrap: Using pod-id-link0:169.254.8.2<0>",
            "Bootstrap: Using eth0:fe80::9c3:1ff:fe2a:7%eth0<0>",
        ),
    ),
    MarkForm(
        "ras",
        "RAS",
        re.compile(r"RAS client listening socket at"),
        "2.24.3+",
        "where this process answers NCCL RAS queries",
        ("RAS client listening socket at ::1<28028>",),
    ),
    MarkForm(
        "ras-failed",
        "RAS",
        re.compile(r"RAS failed to establish a client listening socket"),
        "2.24.3+",
        "RAS cannot be asked here: its port is taken",
        ("RAS failed to establish a client listening socket at 127.0.0.1<28028>",),
    ),
)
"""Lines that explain a choice. One line may carry several marks."""

MARKS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (form.id, form.needle, form.pattern) for form in MARK_FORMS
)
"""The same as `(id, needle, pattern)`."""
