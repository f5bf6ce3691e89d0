"""What NCCL's SHM transport takes of `/dev/shm`: a segment a channel and direction.

Ranks of one node that do not reach each other from GPU to GPU copy through host memory: CUDA's
own where NCCL may allocate it (cuMem host memory), else a file in `/dev/shm`. The receiver's
holds the buffers of the three protocols and a page (src/transport/shm.cc, shmRecvSetup;
ncclShmAllocateShareableBuffer takes CUDA's memory only with NCCL_CUMEM_ENABLE and
NCCL_CUMEM_HOST_ENABLE, which is on by default with a driver for CUDA 12.6 and newer).
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from distcheck.checks.knowledge.counted import counted
from distcheck.pattern import pattern

_MIB = 1 << 20
_LL, _LL128, _SIMPLE, _PAGE = 524_288, 4_915_200, 4_194_304, 4_096
SEGMENT: Final = _LL + _LL128 + _SIMPLE + _PAGE
"""9,637,888 bytes, as NCCL's own message about a full `/dev/shm` has it."""
_FEWEST_CHANNELS, _USUAL_CHANNELS = 1, 4
_FIRST_CUMEM_HOST = (2, 23)
_FIRST_DRIVER = 560
"""The first branch of the driver for CUDA 12.6."""
_NUMBER = pattern(r"[0-9]{1,12}\Z")
_VERSION = pattern(r"(\d{1,9})\.(\d{1,9})")
_DRIVER = pattern(r"(\d{1,9})\.")
_OFF = ("LOC", "0")


class Copies(Struct, frozen=True):
    """Segments of the SHM transport: what is sure to be taken, and what may be, in bytes."""

    sure_bytes: int = 0
    may_bytes: int = 0
    sure_says: str = ""
    may_says: str = ""


NO_COPIES: Final = Copies()


class Told(Struct, frozen=True):
    """What tells of them: `lines` of channels over SHM that the log shows of the pod's ranks.

    `settings` are NCCL_* as NCCL read them, or as the environment has them. `fell_back`:
    NCCL said that CUDA's host memory does not work. `driver` is NVML's.
    """

    ranks: int
    lines: int = 0
    settings: Mapping[str, str] = {}
    fell_back: bool = False
    version: str | None = None
    driver: str = ""


def copies(told: Told) -> Copies:
    """Segments of a pod: as many as its log shows, or by its settings before there is a log."""
    if told.settings.get("NCCL_SHM_DISABLE") == "1":
        return NO_COPIES
    each = SEGMENT - _SIMPLE + _simple(told.settings)
    if told.lines:
        says, total = _says(told.lines, "channel", each), told.lines * each
        why = in_dev_shm(told)
        if why is None:
            return Copies(0, total, "", f"{says} if CUDA's host memory is not used")
        return Copies(total, total, f"{says} ({why})", says)
    if not _without_p2p(told.settings) or told.ranks < 2:
        return NO_COPIES
    return _planned(told, each)


def _planned(told: Told, each: int) -> Copies:
    """A ring passes every rank of the node but, at most, the one at which it leaves."""
    sure, may = (told.ranks - 1) * _FEWEST_CHANNELS, told.ranks * _USUAL_CHANNELS
    says = f"{_says(may, 'channel', each)} between ranks without peer-to-peer"
    why = in_dev_shm(told)
    if why is None:
        return Copies(0, may * each, "", f"{says}, if CUDA's host memory is not used")
    return Copies(sure * each, may * each, f"{_says(sure, 'channel', each)} ({why})", says)


def in_dev_shm(told: Told) -> str | None:
    """Why SHM's buffers are files in `/dev/shm`; None where they may be CUDA's host memory."""
    settings = told.settings
    for name in ("NCCL_CUMEM_ENABLE", "NCCL_CUMEM_HOST_ENABLE"):
        if settings.get(name) == "0":
            return f"{name}=0"
    if told.fell_back:
        return "NCCL cannot use CUDA's host memory in this container"
    if _before(_VERSION, told.version, _FIRST_CUMEM_HOST):
        return f"NCCL {told.version} has no other way"
    if settings.get("NCCL_CUMEM_HOST_ENABLE") is None and _before(
        _DRIVER, told.driver, (_FIRST_DRIVER,)
    ):
        return f"driver {told.driver} is older than CUDA 12.6"
    return None


def _before(form: re.Pattern[str], text: str | None, first: tuple[int, ...]) -> bool:
    found = form.match(text or "")
    return found is not None and tuple(map(int, found.groups())) < first


def _without_p2p(settings: Mapping[str, str]) -> bool:
    level = settings.get("NCCL_P2P_LEVEL", "").upper()
    return settings.get("NCCL_P2P_DISABLE") == "1" or level in _OFF


def _simple(settings: Mapping[str, str]) -> int:
    given = settings.get("NCCL_BUFFSIZE", "")
    return int(given) if _NUMBER.match(given) and int(given) > 0 else _SIMPLE


def _says(number: int, thing: str, each: int) -> str:
    words = f"{counted(number, f'SHM {thing}')} x {each / _MIB:.1f} MiB"
    return f"{words} = {number * each / _MIB:.0f} MiB"
