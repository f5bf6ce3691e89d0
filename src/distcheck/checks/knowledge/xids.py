"""Which Xid means what, and what to do.

Numbers and actions: NVIDIA, "Xid Errors", the catalog for Ampere and newer
(https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html), and "GPU Debug Guidelines".
Where an Xid alone decides nothing (63 and 154, whose outcome the driver tells as pending rows and
recovery action; 92, to be ignored; 144 to 150, whose registers only the kernel's log has), it is a
hint here and no warning.
"""

from typing import Literal

from msgspec import Struct

Kind = Literal["hardware", "application", "hint"]


class Known(Struct, frozen=True):
    """What a number means in words, and NVIDIA's first step; `lets_go`: a reset or a reboot."""

    means: str
    do: str
    kind: Kind = "hardware"
    lets_go: bool = False


_RESET, _RESTART = "reset the GPU", "restart the engine"
_HARDWARE = {
    46: Known("the GPU stopped processing", _RESET, lets_go=True),
    48: Known("memory error that ECC could not correct", "drain and reset the GPU", lets_go=True),
    62: Known("the GPU's own controller halted", _RESET, lets_go=True),
    64: Known("bad memory could not be remapped", _RESET, lets_go=True),
    74: Known("NVLink error", "look at `nvidia-smi nvlink -e`, reset the GPU"),
    79: Known("the GPU has fallen off the bus", "restart the node", lets_go=True),
    94: Known("memory error kept to one program", _RESTART),
    95: Known("memory error that may have reached others", _RESET, lets_go=True),
    109: Known("switching contexts timed out", _RESET, lets_go=True),
    110: Known("security fault", _RESET, lets_go=True),
    119: Known("the GPU's system processor does not answer", _RESET, lets_go=True),
    120: Known("error of the GPU's system processor", _RESET, lets_go=True),
    136: Known("NVLink could not be trained", _RESET, lets_go=True),
    140: Known("memory error without recovery", _RESET, lets_go=True),
    143: Known("the GPU could not be initialized", _RESET, lets_go=True),
    158: Known("fatal timeout of the GPU", _RESET, lets_go=True),
}
_APPLICATION = {
    11: "invalid commands",
    13: "exception of a kernel",
    25: "invalid commands",
    31: "access to memory that is not mapped",
    32: "invalid commands",
    43: "a program's fault stopped its work",
    45: "a program's work was removed after another error",
    68: "error of the video decoder",
    69: "invalid class of commands",
    137: "invalid access to another GPU's memory",
}
_HINTS = {
    63: "a row of memory is remapped",
    92: "many errors that ECC corrected",
    121: "error of the link to the CPU",
    154: "the driver changed what it asks for",
    **dict.fromkeys(range(144, 151), "NVLink error, decoded in the kernel's log only"),
    156: "a resource was retired",
    157: "a resource could not be retired",
    999: "a number that the driver does not know",
}
XIDS: dict[int, Known] = {
    **_HARDWARE,
    **{n: Known(says, _RESTART, "application") for n, says in _APPLICATION.items()},
    **{n: Known(says, "", "hint") for n, says in _HINTS.items()},
}
_UNKNOWN = Known("", "", "hint")


def known(number: int) -> Known:
    """What `number` means; a hint without words where this table has it not."""
    return XIDS.get(number, _UNKNOWN)
