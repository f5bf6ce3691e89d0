"""The node's RDMA devices and their links, from `/sys/class/infiniband`.

Forms: the kernel's Documentation/ABI/stable/sysfs-class-infiniband. Every file is read on its own.
A counter that fails once is not read again: on some devices each try is a line of the kernel's log.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.rdma import RdmaDevices, RdmaPort

_MAX_DEVICES, _MAX_PORTS, _MAX_GIDS, _MAX_FILE = 256, 8, 64, 4096
_STATE = re.compile(r"\s{0,4}[0-9]{1,3}:\s{0,4}(\S[^\n]{0,60})")
_RATE = re.compile(r"\s{0,4}([0-9]{1,6}(?:\.[0-9]{1,3})?)\s{0,4}Gb/sec")
_COUNT = re.compile(r"\s{0,4}([0-9]{1,20})\s{0,4}\Z")
_PCI = re.compile(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]\Z")
_UNSET = frozenset("0:")
_COUNTERS = (
    *("link_downed", "link_error_recovery", "symbol_error", "port_rcv_errors"),
    *("port_xmit_discards", "port_xmit_wait", "local_link_integrity_errors"),
    *("excessive_buffer_overrun_errors", "port_xmit_data", "port_rcv_data"),
)
_HW_COUNTERS = (
    *("out_of_sequence", "packet_seq_err", "local_ack_timeout_err", "rnr_nak_retry_err"),
    *("rx_icrc_encapsulated", "roce_adp_retrans", "np_cnp_sent", "rp_cnp_handled"),
    *("tx_bytes", "rx_bytes", "rx_drops", "retrans_bytes"),
)
_PEERS = ("nv_mem", "nv_mem_nc", "nvidia-peermem")
"""Folders of modules that give HCAs GPU memory (NCCL src/transport/net_ib/gdr.cc)."""


class RdmaSysfs:
    """A `/sys`, the node's own or a folder of the same form."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        self._broken: dict[Path, str] = {}

    def look(self, seen_at: str) -> RdmaDevices:
        """Every port of every device; none where the kernel has no RDMA device.

        Raises:
            ProbeError: this `/sys` has no classes: it is not the node's.
        """
        if not (self._root / "class").is_dir():
            raise ProbeError(f"{self._root} is no /sys: it has no folder `class`")
        verbs = {device: name for name, device in self._verbs()}
        top = self._root / "class" / "infiniband"
        ports = tuple(p for d in _names(top, _MAX_DEVICES) for p in self._ports(top / d, verbs))
        return RdmaDevices(ports, "/sys/class/infiniband", seen_at, self._peermem())

    def device_of(self, verbs: str) -> str:
        """The device of `uverbs0`; empty where the kernel names none."""
        return _text(self._root / "class" / "infiniband_verbs" / verbs / "ibdev")

    def _verbs(self) -> Iterator[tuple[str, str]]:
        for name in _names(self._root / "class" / "infiniband_verbs", _MAX_DEVICES):
            device = self.device_of(name)
            if device:
                yield name, device

    def _ports(self, device: Path, verbs: dict[str, str]) -> Iterator[RdmaPort]:
        for number in _names(device / "ports", _MAX_PORTS):
            if number.isdecimal() and len(number) < 4:
                yield self._port(device, device / "ports" / number, verbs.get(device.name, ""))

    def _port(self, device: Path, port: Path, verbs: str) -> RdmaPort:
        unread: list[str] = []

        def read(name: str) -> str:
            return _told(port / name, name, unread)

        gids = dict(_gids(port))
        layer = read("link_layer")
        state, phys, rate = read("state"), read("phys_state"), read("rate")
        return RdmaPort(
            device.name,
            int(port.name),
            _parsed(_STATE, state),
            _parsed(_STATE, phys),
            float(found) if (found := _parsed(_RATE, rate)) else None,
            layer or None,
            _netdev(device, port, gids),
            _pci(device),
            _numa(device),
            gids,
            dict(self._counters(port, unread)),
            tuple(unread),
            verbs,
            _driver(device),
            (device / "device" / "physfn").exists(),
        )

    def _counters(self, port: Path, unread: list[str]) -> Iterator[tuple[str, int]]:
        wanted = {"counters": _COUNTERS, "hw_counters": _HW_COUNTERS}
        for folder, names in wanted.items():
            there = frozenset(_names(port / folder, 512))
            for name in names:
                if name in there:
                    value = self._count(port / folder / name, f"{folder}/{name}", unread)
                    if value is not None:
                        yield name, value

    def _count(self, path: Path, name: str, unread: list[str]) -> int | None:
        if path in self._broken:
            unread.append(f"{name}: {self._broken[path]}")
            return None
        before = len(unread)
        text = _told(path, name, unread)
        if len(unread) > before:
            self._broken[path] = unread[-1].partition(": ")[2]
        found = _parsed(_COUNT, text)
        return None if found is None else int(found)

    def _peermem(self) -> bool | Missing:
        """NCCL looks for these files; the module's own since 2.23."""
        modules = self._root / "module"
        if not modules.is_dir():
            return Missing(f"{modules} is not there")
        peers = self._root / "kernel" / "mm" / "memory_peers"
        loaded = (modules / "nvidia_peermem", *(peers / name for name in _PEERS))
        return any(path.is_dir() for path in loaded)


def _gids(port: Path) -> Iterator[tuple[str, str]]:
    """The types of GIDs that are set. One that is unset is all zeroes, and has no type."""
    names = (n for n in _names(port / "gids", 1024) if n.isdecimal() and len(n) < 5)
    for index in map(str, sorted(map(int, names))[:_MAX_GIDS]):
        gid = _text(port / "gids" / index)
        if gid and not set(gid) <= _UNSET:
            yield index, _text(port / "gid_attrs" / "types" / index)


def _netdev(device: Path, port: Path, gids: dict[str, str]) -> str:
    """The interface of the port's GIDs; else the device's, the one of this port if it has two."""
    told = (_text(port / "gid_attrs" / "ndevs" / index) for index in gids)
    counted = Counter(name for name in told if name)
    if counted:
        return min(counted, key=len)
    folder = device / "device" / "net"
    found = _names(folder, 64)
    own = (n for n in found if _text(folder / n / "dev_port") == str(int(port.name) - 1))
    return next(own, found[0] if found else "")


def _pci(device: Path) -> str:
    name = Path(os.path.realpath(device / "device")).name
    return name if _PCI.match(name) else ""


def _driver(device: Path) -> str:
    path = device / "device" / "driver"
    return Path(os.path.realpath(path)).name[:64] if path.exists() else ""


def _numa(device: Path) -> int | None:
    found = _parsed(_COUNT, _text(device / "device" / "numa_node"))
    return None if found is None else int(found)


def _parsed(form: re.Pattern[str], text: str) -> str | None:
    found = form.match(text)
    return found[1].strip() if found else None


def _names(folder: Path, most: int) -> list[str]:
    """Names in a folder, in natural order; none where it is not there or may not be read."""
    try:
        with os.scandir(folder) as entries:
            found = [e.name for _, e in zip(range(most), entries, strict=False)]
    except OSError:
        return []
    return sorted(found, key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in re.split(r"([0-9]{1,9})", name)]


def _text(path: Path) -> str:
    """The first line of a file; empty where it cannot be read."""
    return _told(path, "", [])


def _told(path: Path, name: str, unread: list[str]) -> str:
    """As `_text`; why it could not be read goes to `unread`, unless it is not there."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE).decode("ascii", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        unread.append(f"{name}: {error.strerror or error}")
        return ""
    first = text.partition("\n")[0].strip()
    return first if first.isprintable() else ""
