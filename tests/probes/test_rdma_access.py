"""What a container has to use RDMA with, over a node folder."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.probes.node_folder import Node

from distcheck.agent.rdma_access import look
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.rdma import RdmaAccess

LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max locked memory         {soft:<20} {soft:<20} bytes
Max address space         unlimited            unlimited            bytes
"""
NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0
  eth0: 5000 9 0 0 0 0 0 0 7000 8 0 0 0 0 0 0
  net1:1234567890 9 0 0 0 0 0 0 42 8 0 0 0 0 0 0
"""


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A process with two HCAs, 64 KiB to lock and a second network."""
    node = Node(tmp_path).start()
    folder = node.process(43, ["VLLM::Worker_TP0"])
    (folder / "limits").write_text(LIMITS.format(soft=65536))
    (folder / "status").write_text("Name:\tx\nCapInh:\t0\nCapEff:\t00000000a80425fb\nSeccomp:\t2\n")
    (folder / "net" / "dev").write_text(NET_DEV)
    for name in ("uverbs0", "uverbs10", "uverbs2", "rdma_cm", "by-path"):
        node.inside(f"/dev/infiniband/{name}", "")
    node.inside("/sys/class/net/net1/mtu", "9000\n")
    node.inside("/sys/class/net/net1/operstate", "up\n")
    node.inside("/sys/class/net/net1/speed", "400000\n")
    node.inside("/sys/class/net/eth0/speed", "-1\n")
    return node


def seen(node: Node) -> RdmaAccess:
    names = {"uverbs0": "mlx5_0", "uverbs2": "mlx5_2"}
    return look(str(node.root / "proc"), 43, lambda name: names.get(name, ""), "now")


def test_device_files_are_named_with_the_hcas_that_they_are(node: Node) -> None:
    access = seen(node)
    assert access.verbs == ("rdma_cm", "uverbs0", "uverbs2", "uverbs10")
    assert access.devices == ("mlx5_0", "mlx5_2")


def test_a_container_without_the_folder_has_no_device(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.process(43, ["x"])
    (node.root / "container/dev").mkdir()
    assert seen(node).verbs == ()


def test_locked_memory_is_the_soft_limit_of_the_ranks_process(node: Node) -> None:
    assert (seen(node).memlock_bytes, seen(node).ipc_lock) == (65536, False)


def test_no_limit_and_the_capability_are_told_apart(node: Node) -> None:
    folder = node.root / "proc" / "43"
    (folder / "limits").write_text(LIMITS.format(soft="unlimited"))
    (folder / "status").write_text("CapEff:\t0000000000004000\n")
    assert (seen(node).memlock_bytes, seen(node).ipc_lock) == (None, True)


def test_a_limits_file_that_is_gone_spoils_the_limit_only(node: Node) -> None:
    (node.root / "proc/43/limits").unlink()
    access = seen(node)
    assert access.memlock_bytes == Missing("limits of the process: No such file or directory")
    assert isinstance(access.verbs, tuple)


def test_interfaces_are_those_of_the_process(node: Node) -> None:
    interfaces = seen(node).interfaces
    assert not isinstance(interfaces, Missing)
    lo, eth0, net1 = interfaces
    assert (lo.name, eth0.speed_mbps, eth0.received_bytes, eth0.sent_bytes) == (
        "lo",
        None,
        5000,
        7000,
    )
    assert (net1.mtu, net1.state, net1.speed_mbps, net1.received_bytes) == (
        9000,
        "up",
        400_000,
        1234567890,
    )


def test_a_container_whose_files_are_out_of_reach_spoils_its_devices_only(node: Node) -> None:
    (node.root / "proc/43/root").unlink()
    access = seen(node)
    assert isinstance(access.verbs, Missing)
    assert (access.devices, access.memlock_bytes) == ((), 65536)


def test_a_link_out_of_the_container_is_not_followed(node: Node, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("9999")
    mtu = node.root / "container/sys/class/net/net1/mtu"
    mtu.unlink()
    mtu.symlink_to(tmp_path / "secret")
    interfaces = seen(node).interfaces
    assert not isinstance(interfaces, Missing)
    assert interfaces[2].mtu is None


@given(limits=st.text(), status=st.binary(), table=st.text())
def test_whatever_the_kernels_files_hold_a_look_ends_well(
    tmp_path_factory: pytest.TempPathFactory, limits: str, status: bytes, table: str
) -> None:
    node = Node(tmp_path_factory.mktemp("node")).start()
    folder = node.process(43, ["x"])
    (folder / "limits").write_text(f"Max locked memory {limits}", errors="replace")
    (folder / "status").write_bytes(b"CapEff:\t" + status)
    (folder / "net" / "dev").write_text(NET_DEV + table, errors="replace")
    assert isinstance(seen(node).interfaces, tuple)
