"""The node's RDMA devices, over a folder in the form of `/sys`."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.probes.rdma_tree import LINK_DOWN, NDR, ROCE, ZERO, hca

from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.rdma import _RATE, RdmaSysfs, _parsed
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.rdma import RdmaPort

V1, V2 = "IB/RoCE v1", "RoCE v2"
LOCAL, ROUTED = "fe80:0000:0000:0000:b83f:d2ff:fe00:0001", "0000:0000:0000:0000:0000:ffff:0a00:0102"


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    """An empty `/sys` of a node."""
    for name in ("class", "module"):
        (tmp_path / name).mkdir()
    return tmp_path


def seen(sys: Path) -> tuple[RdmaPort, ...]:
    return RdmaSysfs(str(sys)).look("now").ports


def test_an_infiniband_port_is_read(sys: Path) -> None:
    hca(sys, "mlx5_0", {**NDR, "counters/link_downed": "3"}, number=5)
    (port,) = seen(sys)
    assert (port.device, port.port, port.state, port.phys_state) == (
        "mlx5_0",
        1,
        "ACTIVE",
        "LinkUp",
    )
    assert (port.rate_gbps, port.link_layer, port.counters) == (
        400,
        "InfiniBand",
        {"link_downed": 3},
    )
    assert (port.pci, port.numa, port.driver, port.verbs) == (
        "0000:15:00.0",
        1,
        "mlx5_core",
        "uverbs5",
    )


def test_gids_of_zeroes_are_left_out_and_the_others_have_types(sys: Path) -> None:
    gids = {0: (LOCAL, V1), 1: (LOCAL, V2), 2: (ROUTED, V1), 3: (ROUTED, V2), 4: (ZERO, "")}
    hca(sys, "mlx5_0", ROCE, gids=gids, netdev="eth2")
    (port,) = seen(sys)
    assert port.gids == {"0": V1, "1": V2, "2": V1, "3": V2}
    assert (port.link_layer, port.netdev) == ("Ethernet", "eth2")


def test_a_bond_is_named_by_its_gids_and_not_by_one_of_its_ports(sys: Path) -> None:
    port = hca(sys, "mlx5_bond_0", ROCE, gids={3: (ROUTED, V2)}, netdev="ens1f0")
    (port / "gid_attrs/ndevs/3").write_text("bond0\n")
    assert [p.netdev for p in seen(sys)] == ["bond0"]


def test_an_ipoib_interface_is_found_without_gids_that_name_it(sys: Path) -> None:
    hca(sys, "mlx5_0", NDR, netdev="ib0")
    assert [p.netdev for p in seen(sys)] == ["ib0"]


def test_devices_are_in_the_order_of_their_numbers(sys: Path) -> None:
    for number in (10, 2, 1):
        hca(sys, f"mlx5_{number}", number=number)
    assert [p.device for p in seen(sys)] == ["mlx5_1", "mlx5_2", "mlx5_10"]


def test_efa_has_no_layer_and_no_gid_table_of_types(sys: Path) -> None:
    files = {**NDR, "rate": "100 Gb/sec (4X EDR)", "link_layer": "Unspecified"}
    hca(sys, "efa_0", {**files, "hw_counters/rx_drops": "0"}, driver="efa")
    (port,) = seen(sys)
    assert (port.driver, port.link_layer, port.counters) == ("efa", "Unspecified", {"rx_drops": 0})


def test_a_virtual_function_says_so(sys: Path) -> None:
    hca(sys, "mlx5_0")
    (sys / "class/infiniband/mlx5_0/device/physfn").mkdir()
    assert [p.virtual for p in seen(sys)] == [True]


def test_a_port_that_is_down_is_told_in_the_kernels_words(sys: Path) -> None:
    hca(sys, "mlx5_0", {**NDR, **LINK_DOWN})
    assert [(p.state, p.phys_state) for p in seen(sys)] == [("DOWN", "Disabled")]


def test_one_bad_file_spoils_one_value_only(sys: Path) -> None:
    port = hca(sys, "mlx5_0", {**NDR, "counters/link_downed": "0"})
    (port / "rate").unlink()
    (port / "rate").mkdir()
    (found,) = seen(sys)
    assert (found.rate_gbps, found.state, found.counters) == (None, "ACTIVE", {"link_downed": 0})
    assert found.unread == ("rate: Is a directory",)


def test_a_counter_that_cannot_be_read_is_never_read_again(sys: Path) -> None:
    port = hca(sys, "mlx5_0", {**NDR, "counters/link_downed": "0"})
    bad = port / "counters" / "symbol_error"
    bad.mkdir()
    looker = RdmaSysfs(str(sys))
    first = looker.look("").ports
    bad.rmdir()
    bad.write_text("7\n")
    again = looker.look("").ports
    assert first == again
    assert again[0].unread == ("counters/symbol_error: Is a directory",)


def test_a_pipe_in_place_of_a_name_of_a_port_is_left_out(sys: Path) -> None:
    hca(sys, "mlx5_0")
    os.mkfifo(sys / "class/infiniband/mlx5_0/ports/x")
    assert len(seen(sys)) == 1


def test_a_node_without_rdma_has_no_device_and_a_folder_that_is_no_sys_is_not_seen(
    sys: Path, tmp_path: Path
) -> None:
    assert seen(sys) == ()
    with pytest.raises(ProbeError, match="it has no folder `class`"):
        RdmaSysfs(str(tmp_path / "nothing")).look("")


@pytest.mark.parametrize("name", ["module/nvidia_peermem", "kernel/mm/memory_peers/nv_mem"])
def test_a_module_for_gpu_memory_is_seen(sys: Path, name: str) -> None:
    assert RdmaSysfs(str(sys)).look("").peermem is False
    (sys / name).mkdir(parents=True)
    assert RdmaSysfs(str(sys)).look("").peermem is True


def test_modules_that_cannot_be_seen_are_not_said_to_be_absent(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    assert isinstance(RdmaSysfs(str(tmp_path)).look("").peermem, Missing)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("400 Gb/sec (4X NDR)", "400"),
        ("2.5 Gb/sec (1X SDR)", "2.5"),
        ("1600 Gb/sec (8X XDR)", "1600"),
        ("10 Gb/sec", "10"),
        ("unknown", None),
        ("", None),
    ],
)
def test_rates_are_read_in_every_form(text: str, rate: str | None) -> None:
    assert _parsed(_RATE, text) == rate


@given(st.dictionaries(st.sampled_from([*NDR, "counters/link_downed", "gids/0"]), st.binary()))
def test_whatever_the_files_hold_a_look_ends_well(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    root = tmp_path_factory.mktemp("sys")
    (root / "class").mkdir()
    port = hca(root, "mlx5_0")
    for name, data in files.items():
        (port / name).parent.mkdir(exist_ok=True)
        (port / name).write_bytes(data)
    assert len(seen(root)) == 1
