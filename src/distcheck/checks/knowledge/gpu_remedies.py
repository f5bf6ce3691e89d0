"""What to do about each fault of a GPU, so that no verdict gives advice for another one."""

_AWAY = "Cordon the node and move the group. "
_RESET = (
    "Look at the kernel's log for Xid (`dmesg | grep NVRM`), reset the GPU (`nvidia-smi -r`) or"
    " reboot the node, and have the GPU replaced if that comes back."
)
_MEMORY = "Look at `nvidia-smi -q -d ECC,ROW_REMAPPER`. "
_NVLINK = (
    "Look at `nvidia-smi nvlink -s` and at the fabric manager's log (`journalctl -u"
    " nvidia-fabricmanager`) on that node; reset its GPUs together, or have the link repaired."
)

REMEDIES: dict[str, str] = {
    "gpu_lost": _AWAY + _RESET,
    "gpu_missing": "Restart the device plugin on that node so that it tells the kubelet which GPUs"
    " are there, and look for one that has fallen off the bus (`dmesg | grep NVRM`).",
    "gpu_broken": _AWAY + _MEMORY + _RESET,
    "gpu_ecc": _MEMORY
    + "One error ends the process that meets it: plan to move the group. "
    + _RESET,
    "gpu_remap_pending": _MEMORY + "The next reset of the GPU puts spare rows in place: plan one"
    " for when the group is moved.",
    "gpu_recovery": "Move the group off that GPU, then do what `nvidia-smi -q` names as the"
    " recovery action.",
    "gpu_xid": _AWAY + "Do what the sentence says for that Xid; " + _RESET[0].lower() + _RESET[1:],
    "gpu_throttled": "Look at `nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER` on that node, at its"
    " fans and inlet temperature, and at its power supplies.",
    "nvlink_down": _NVLINK,
    "fabric_not_ready": "Look at `nvidia-smi -q | grep -A4 Fabric` and at that node's fabric"
    " manager (`journalctl -u nvidia-fabricmanager`): it must run in the driver's own version.",
    "pcie_narrow": "Reseat the GPU or its riser, or have the slot looked at: lanes are lost in"
    " hardware. `lspci -vv` shows LnkCap and LnkSta.",
    "driver_old": "Update the node's driver to 535 or newer; 550 is advised.",
    "nccl_old": "Use an image with NCCL 2.18 or newer; 2.21 is advised.",
}
"""By the cause's id."""
