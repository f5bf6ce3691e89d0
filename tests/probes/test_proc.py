"""Whose a process is, when it started, and which connections it has: any text is survived."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from distcheck.agent.probes import sockets
from distcheck.agent.probes.proc import Proc, Task, pod_of, stat_of

UID = "5f0c2f64-6a53-4d0b-9a6e-0c4f3e1d7a10"
UNDER = UID.replace("-", "_")
HEX = "ab" * 32
STATIC = "0123456789abcdef" * 2
BURSTABLE = f"kubepods-burstable-pod{UNDER}.slice"
SCOPE = f"cri-containerd-{HEX}.scope"

SHAPES = {
    "systemd, containerd": f"0::/kubepods.slice/{BURSTABLE}/cri-containerd-{HEX}.scope",
    "systemd, guaranteed": f"0::/kubepods.slice/kubepods-pod{UNDER}.slice/{SCOPE}",
    "CRI-O": f"0::/kubepods.slice/{BURSTABLE}/crio-{HEX}.scope",
    "CRI-O, nested": f"0::/kubepods.slice/{BURSTABLE}/crio-{HEX}.scope/container",
    "Docker": f"0::/kubepods.slice/{BURSTABLE}/docker-{HEX}.scope",
    "cgroupfs": f"0::/kubepods/burstable/pod{UID}/{HEX}",
    "mixed drivers": f"0::/system.slice/containerd.service/{BURSTABLE}:cri-containerd:{HEX}",
    "kind": f"0::/kubelet.slice/kubelet-kubepods.slice/kubelet-{BURSTABLE}/{SCOPE}",
    "private namespace": f"0::/../../{BURSTABLE}/cri-containerd-{HEX}.scope",
    "version 1": f"12:pids:/\n5:memory:/kubepods/burstable/pod{UID}/{HEX}\n1:name=systemd:/",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cgroup_names_its_pod_and_container(shape: str) -> None:
    assert pod_of(SHAPES[shape]) == (UID, HEX)


def test_a_static_pod_has_a_hash_for_its_uid() -> None:
    assert pod_of(f"0::/kubepods/burstable/pod{STATIC}/{HEX}") == (STATIC, HEX)


def test_the_innermost_pod_counts_in_a_cluster_within_a_pod() -> None:
    outer = f"/kubepods/besteffort/pod{UID.replace('5f', '00')}/{'cd' * 32}"
    assert pod_of(f"0::{outer}/kubelet/kubepods/pod{UID}/{HEX}") == (UID, HEX)


@pytest.mark.parametrize(
    "cgroup",
    [
        "",
        "0::/system.slice/sshd.service",
        "0::/user.slice/podman-1234.scope",
        f"0::/kubepods.slice/{BURSTABLE}/crio-conmon-{HEX}.scope",
    ],
)
def test_a_process_of_the_node_is_in_no_pod(cgroup: str) -> None:
    assert pod_of(cgroup) == ("", "")


@settings(deadline=None)
@given(st.text() | st.from_regex(r"0::/.*pod[0-9a-f_-]{20,40}.*"))
def test_any_cgroup_text_is_survived(text: str) -> None:
    uid, container = pod_of(text)
    assert len(uid) in (0, 32, 36)
    assert len(container) in (0, 64)


@settings(deadline=None)
@given(st.text(), st.floats(min_value=0, max_value=1e12))
@example(") S 1 " + " ".join(["0"] * 17) + " " + "9" * 30, 1.7e9)
@example(") S 1 " + " ".join(["0"] * 17) + " -" + "9" * 18, 1.7e9)
def test_any_stat_text_is_survived(text: str, boot: float) -> None:
    parent, started = stat_of(text, boot)
    assert isinstance(parent, int)
    assert started is None or started.endswith("Z")


def test_the_start_of_a_process_counts_from_the_boot_of_the_node() -> None:
    stat = "7 (a) b) S 3 " + " ".join(["0"] * 17) + " 1000 0"
    assert stat_of(stat, 1_700_000_000) == (3, "2023-11-14T22:13:30Z")


def test_without_a_boot_time_no_start_is_made_up() -> None:
    stat = "7 (sh) S 3 " + " ".join(["0"] * 17) + " 1000 0"
    assert stat_of(stat, 0.0) == (3, None)


def test_a_process_that_ended_meanwhile_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("btime 1700000000\n")
    (tmp_path / "7").mkdir()
    assert list(Proc(str(tmp_path)).tasks()) == []


def test_a_title_shows_only_its_first_word() -> None:
    one = Task(7, 1, ("/usr/sbin/proxy --api-key s3cret",), UID, HEX, None)
    assert one.title == "proxy"
    assert "s3cret" not in str(one.shown())


def test_an_established_connection_is_read_in_the_machines_byte_order() -> None:
    row = "   0: 0200007F:C001 0300007F:18EB 01 00000000:00000000 00:00000000 0 0 0 1"
    seen = sockets.connection_of(row)
    assert seen is not None
    assert (seen.local, seen.local_port) == ("127.0.0.2", 0xC001)
    assert (seen.remote, seen.remote_port) == ("127.0.0.3", 6379)


def test_a_mapped_address_is_written_as_the_pods_own() -> None:
    mapped = "0000000000000000FFFF00000200007F:18EB"
    seen = sockets.connection_of(f"0: {mapped} {mapped} 01")
    assert seen is not None
    assert seen.local == "127.0.0.2"


def test_a_listener_is_no_connection() -> None:
    assert sockets.connection_of("0: 0200007F:18EB 00000000:0000 0A 0:0") is None


@settings(deadline=None)
@given(st.text() | st.from_regex(r"0: [0-9A-F]{0,40}:[0-9A-F-]{0,8} [0-9A-F]{0,40}:\S{0,8} 01 .*"))
def test_any_row_of_a_connection_table_is_survived(row: str) -> None:
    seen = sockets.connection_of(row)
    assert seen is None or 0 <= seen.local_port <= 65535
