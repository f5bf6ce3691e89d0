"""Why ranks talk over a slower path than they could, and what to do: one table for each path.

Ids are those of `transport_causes` and `gdr_causes`, which have the sources.
"""

from distcheck.checks.knowledge.nccl_remedies import Cause

SOCKETS: dict[str, Cause] = {
    "no-ib-device": Cause(
        "NCCL found no RDMA device: none in the container, its port is down, or NCCL_IB_HCA"
        " filters it away",
        "Give the pod its RDMA device (rdma/hca or the like in its limits), and look at the"
        " port's state and at NCCL_IB_HCA with `ibv_devinfo` in the container.",
    ),
    "env-NCCL_IB_HCA-filter-or-no-device": Cause(
        "no RDMA device is left after NCCL_IB_HCA: none has such a name, or there is none",
        "Let NCCL_IB_HCA name devices that `ibv_devinfo` lists in the container, or unset it.",
    ),
    "env-NCCL_IB_DISABLE": Cause(
        "NCCL_IB_DISABLE=1 switches RDMA off",
        "Take NCCL_IB_DISABLE out of the environment and out of /etc/nccl.conf.",
    ),
    "env-NCCL_NET": Cause(
        "NCCL_NET asks for sockets",
        "Take NCCL_NET=Socket out of the environment and out of /etc/nccl.conf.",
    ),
    "libibverbs-missing": Cause(
        "the image has no libibverbs",
        "Install libibverbs and the RDMA provider libraries (rdma-core) in the image.",
    ),
    "ib-open-device": Cause(
        "an RDMA device is there and cannot be opened: the container was not given it",
        "Request the RDMA device plugin's resource in the pod's limits.",
    ),
    "ib-no-ip": Cause(
        "no IP interface belongs to the RDMA device",
        "Give the pod a secondary network on the RDMA device's interface.",
    ),
    "efa-plugin-init-failed-no-provider": Cause(
        "libfabric offers no EFA provider",
        "Request vpc.amazonaws.com/efa in the pod's limits, and use an image whose libfabric"
        " fits the instance.",
    ),
    "plugin-missing": Cause(
        "the network plugin that RDMA needs here is not loaded: it is not in the image, or"
        " NCCL_NET_PLUGIN=none",
        "Put the plugin of this network (aws-ofi-nccl, gIB) into the image and its folder into"
        " LD_LIBRARY_PATH; take NCCL_NET_PLUGIN=none out of the environment.",
    ),
    "plugin-failed": Cause(
        "the network plugin that RDMA needs here cannot be loaded",
        "Look at the library that the cited line names: put it into the image and its folder"
        " into LD_LIBRARY_PATH.",
    ),
    "plugin-unsupported": Cause(
        "the network plugin does not fit this NCCL: it is too old or too new",
        "Use a network plugin that is built for this NCCL version.",
    ),
}
"""Why NCCL chose sockets."""
NO_DEVICE = ("no-ib-device", "env-NCCL_IB_HCA-filter-or-no-device", "ib-open-device")
"""Those of which the node's own state may show more than NCCL's log."""

GDR: dict[str, Cause] = {
    "env-gdr": Cause(
        "a setting of NCCL switches it off: NCCL_NET_GDR_LEVEL, NCCL_NET_GDR_READ or"
        " NCCL_DMABUF_ENABLE",
        "Take NCCL_NET_GDR_LEVEL, NCCL_NET_GDR_READ and NCCL_DMABUF_ENABLE out of the environment.",
    ),
    "gdr-topology": Cause(
        "NCCL finds the NIC too far from the GPU: they are apart on PCIe, or a virtual machine"
        " hides how it is laid out",
        "Give each pod NICs near its GPUs, and let the virtual machine show the PCIe topology;"
        " raise NCCL_NET_GDR_LEVEL only if the path is known to be good.",
    ),
    "gdr-plugin": Cause(
        "the network plugin switched it off",
        "Update libfabric and the plugin in the image.",
    ),
    "no_peermem": Cause(
        "the kernel offers neither nvidia-peermem nor DMA-BUF",
        "Load nvidia-peermem on the named nodes (`modprobe nvidia-peermem`), or use the open GPU"
        " kernel modules with CUDA 11.7 or newer, which offer DMA-BUF.",
    ),
}
"""Why GPUDirect RDMA is off."""

ON_NODE: dict[str, Cause] = {
    "env-NCCL_P2P_DISABLE": Cause(
        "NCCL_P2P_DISABLE=1 switches peer-to-peer off",
        "Take NCCL_P2P_DISABLE out of the pods' environment: it is often left over from an older"
        " fault.",
    ),
    "env-NCCL_P2P_LEVEL": Cause(
        "NCCL_P2P_LEVEL allows peer-to-peer only for nearer GPUs",
        "Take NCCL_P2P_LEVEL out of the pods' environment.",
    ),
    "p2p-unavailable": Cause(
        "NCCL found no peer access between these GPUs: they have no NVLink and are too far apart"
        " on PCIe, or ACS, the IOMMU or a virtual machine keeps them from each other",
        "Look at `nvidia-smi topo -m` and `nvidia-smi topo -p2p r` on the node: between GPUs"
        " joined by NVLink the fabric manager must run. Without NVLink, turn ACS off on the PCIe"
        " switches, or prefer pipeline over tensor parallelism.",
    ),
    "pods-apart": Cause(
        "NCCL takes two pods on one node for two hosts: it cannot use NVLink or shared memory"
        " between pods, and goes through the network",
        "Give one pod all GPUs that the group uses on a node.",
    ),
    "no-shm": Cause(
        "neither peer-to-peer nor shared memory was open to them: both are switched off, or"
        " refused",
        "Take NCCL_P2P_DISABLE and NCCL_SHM_DISABLE out of the pods' environment, and see that"
        " the ranks share one /dev/shm.",
    ),
}
"""Why ranks of one node do not reach each other from GPU to GPU."""
