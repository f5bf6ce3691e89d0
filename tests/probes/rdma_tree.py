"""A `/sys` with RDMA devices, in the form that the kernel gives it."""

from collections.abc import Mapping
from pathlib import Path

LINK_UP = {"state": "4: ACTIVE", "phys_state": "5: LinkUp"}
LINK_DOWN = {"state": "1: DOWN", "phys_state": "3: Disabled"}
NDR = {**LINK_UP, "rate": "400 Gb/sec (4X NDR)", "link_layer": "InfiniBand"}
ROCE = {**LINK_UP, "rate": "100 Gb/sec (4X EDR)", "link_layer": "Ethernet"}
ZERO = "0000:0000:0000:0000:0000:0000:0000:0000"


def hca(
    sys: Path,
    name: str,
    files: Mapping[str, str] = NDR,
    *,
    number: int = 0,
    port: int = 1,
    gids: Mapping[int, tuple[str, str]] | None = None,
    netdev: str = "",
    driver: str = "mlx5_core",
) -> Path:
    """One port of the device `name`, whose files are `files`; the port's folder.

    `gids` has (GID, type) by index; a GID that is unset has no readable type.
    """
    pci = f"0000:{number + 16:02x}:00.0"
    bus = sys / "devices" / f"pci0000:{number:02x}" / pci
    folder = bus / "infiniband" / name / "ports" / str(port)
    folder.mkdir(parents=True)
    for path, value in files.items():
        _write(folder / path, value)
    for index, (gid, kind) in (gids or {}).items():
        _write(folder / "gids" / str(index), gid)
        if kind:
            _write(folder / "gid_attrs" / "types" / str(index), kind)
            _write(folder / "gid_attrs" / "ndevs" / str(index), netdev)
    _write(bus / "numa_node", str(number // 4))
    _link(bus / "infiniband" / name / "device", "../../")
    _link(bus / "driver", f"../../../bus/pci/drivers/{driver}")
    (sys / "bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
    _link(
        sys / "class/infiniband" / name, f"../../devices/{bus.parent.name}/{pci}/infiniband/{name}"
    )
    _write(sys / f"class/infiniband_verbs/uverbs{number}/ibdev", name)
    if netdev:
        _write(bus / "net" / netdev / "dev_port", str(port - 1))
    return folder


def _write(path: Path, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(target)
