"""Whether RDMA is meant to come from a plugin: EFA, Slingshot, Google's RoCE.

Names: aws-ofi-nccl (networks, NCCL_NET_PLUGIN=aws-ofi or ofi), libfabric's providers, gIB.
"""

import re

from distcheck.checks.evidence.nccl import NcclLog, NcclProcess

_PLUGIN = re.compile(r"(?:\b|_)(?:aws|ofi|libfabric|gib)(?:\b|_)", re.IGNORECASE)
_PLUGIN_NETWORKS = frozenset({"AWS Libfabric", "Libfabric", "OFI", "gIB"})
_PLUGIN_PROVIDERS = frozenset({"efa", "cxi"})


def plugin_intended(log: NcclLog) -> bool:
    """A setting asks for a plugin with RDMA of its own, or a host of the group uses one."""
    names = ("NCCL_NET", "NCCL_NET_PLUGIN")
    asked = any(e.name in names and _PLUGIN.search(e.value) for e in log.echoes)
    return asked or any(_of_plugin(p) for p in log.processes)


def _of_plugin(process: NcclProcess) -> bool:
    if process.provider is not None:
        return process.provider.partition(";")[0] in _PLUGIN_PROVIDERS
    return process.network in _PLUGIN_NETWORKS
