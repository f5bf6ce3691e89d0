"""Whose a process is, when it started, and which connections it has: any text is survived."""

import os
import subprocess
import uuid
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.probes.node_folder import Node, need_root

from distcheck.agent.probes import sockets
from distcheck.agent.probes.proc import Proc, Task
from distcheck.agent.proc_text import container_of, ns_pids_of, pod_of, pods_around, stat_of
from distcheck.checks.evidence import Missing, Process, Processes
from distcheck.checks.evidence.process import host_pid

UID = "5f0c2f64-6a53-4d0b-9a6e-0c4f3e1d7a10"
UNDER = UID.replace("-", "_")
HEX = "ab" * 32
STATIC = "0123456789abcdef" * 2
BURSTABLE = f"kubepods-burstable-pod{UNDER}.slice"
SCOPE = f"cri-containerd-{HEX}.scope"

STATIC_SLICE = f"kubepods-burstable-pod{STATIC}.slice"
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
    "kind, cgroupfs": f"0::/docker/{'ef' * 32}/kubelet/kubepods/burstable/pod{UID}/{HEX}",
    "kind, private": f"0::/../../../kubelet-kubepods-besteffort-pod{UNDER}.slice/{SCOPE}",
    "Docker, cgroupfs": f"4:devices:/kubepods/pod{UID}/{HEX}",
    "within the container": f"0::/kubepods.slice/{BURSTABLE}/{SCOPE}/init.scope",
    "gone": f"0::/kubepods.slice/{BURSTABLE}/{SCOPE} (deleted)",
    "CRI-O, version 1": f"3:cpuset:/\n2:cpu,cpuacct:/kubepods.slice/{BURSTABLE}/crio-{HEX}.scope",
    "hybrid": f"9:name=systemd:/kubepods/pod{UID}/{HEX}\n0::/system.slice/containerd.service",
    "version 1": f"12:pids:/\n5:memory:/kubepods/burstable/pod{UID}/{HEX}\n1:name=systemd:/",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cgroup_names_its_pod_and_container(shape: str) -> None:
    assert pod_of(SHAPES[shape]) == (UID, HEX)


@pytest.mark.parametrize(
    "path", [f"kubepods/burstable/pod{STATIC}/{HEX}", f"kubepods.slice/{STATIC_SLICE}/{SCOPE}"]
)
def test_a_static_pod_has_a_hash_for_its_uid(path: str) -> None:
    assert pod_of(f"0::/{path}") == (STATIC, HEX)


def test_a_pod_without_a_container_yet_has_its_uid_alone() -> None:
    assert pod_of(f"0::/kubepods.slice/{BURSTABLE}") == (UID, "")


OUTER, OUTER_HEX = UID.replace("5f", "00"), "cd" * 32
NESTED = f"0::/kubepods/besteffort/pod{OUTER}/{OUTER_HEX}/kubelet/kubepods/pod{UID}/{HEX}"


def test_no_container_gives_its_processes_to_another_pod_by_a_cgroup_of_its_own() -> None:
    assert pod_of(NESTED) == (OUTER, OUTER_HEX)


def test_the_inner_pod_counts_in_a_cluster_within_a_pod(tmp_path: Path) -> None:
    """The agent is itself in a pod of the inner cluster, so its own cgroup shows how deep."""
    assert pods_around(f"12:pids:/\n{NESTED}") == 1
    assert pod_of(NESTED, 1) == (UID, HEX)
    for name in ("self", "9"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup").write_text(NESTED)
    assert Proc(str(tmp_path)).owner(9) == "pod"
    (tmp_path / "9" / "cgroup").write_text(f"0::/kubepods/besteffort/pod{OUTER}/{OUTER_HEX}")
    assert Proc(str(tmp_path)).owner(9) == "node"


@pytest.mark.parametrize(
    "cgroup",
    [
        "",
        "0::/system.slice/sshd.service",
        "0::/user.slice/podman-1234.scope",
        f"0::/kubepods.slice/{BURSTABLE}/crio-conmon-{HEX}.scope",
        f"0::/machine.slice/machine-libpod_pod_{HEX}.slice/libpod-{HEX}.scope",
        f"0::/machine.slice/libpod{STATIC}.slice/libpod-{HEX}.scope",
        f"0::/kubepods/burstable/pod{HEX}/{HEX}",
        "0::/kubepods.slice",
    ],
)
def test_a_process_of_the_node_is_in_no_pod(cgroup: str) -> None:
    assert pod_of(cgroup) == ("", "")


@settings(deadline=None)
@given(st.text() | st.from_regex(r"0::/.*pod[0-9a-f_-]{20,40}.*"))
def test_any_cgroup_text_is_survived(text: str) -> None:
    for within in (0, 1):
        uid, container = pod_of(text, within)
        assert len(uid) in (0, 32, 36)
        assert len(container) in (0, 64)
    assert pods_around(text) >= 0


PREFIX = st.sampled_from(
    ["", "/", "/../..", "/docker/abc", "/kubelet.slice/kubelet-kubepods.slice"]
)
CASES = st.tuples(PREFIX, st.uuids(), st.binary(min_size=32, max_size=32), st.integers(0, 3))


@given(CASES)
def test_every_driver_and_runtime_names_the_same_pod(
    case: tuple[str, uuid.UUID, bytes, int],
) -> None:
    prefix, made, raw, which = case
    under, container = str(made).replace("-", "_"), raw.hex()
    path = (
        f"/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice/crio-{container}.scope",
        f"/kubepods/pod{made}/{container}",
        f"/kubepods-pod{under}.slice:cri-containerd:{container}",
        f"/kubepods-pod{made.hex}.slice/docker-{container}.scope",
    )[which]
    uid = made.hex if which == 3 else str(made)
    assert pod_of(f"0::{prefix}{path}") == (uid, container)


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


STATUS = "Name:\tVLLM::Worker\nUmask:\t0022\nPid:\t41207\nNSpid:\t41207\t98\t7\nNSsid:\t1\t1\n"
ROOT = "/var/lib/kubelet/pods"
MOUNT = (
    f"9 1 8:1 {ROOT}/{UID}/containers/vllm/0a1b2c3d /dev/termination-log rw - ext4 /dev/sda rw\n"
)


def test_a_process_has_its_numbers_from_the_node_inward() -> None:
    assert ns_pids_of(STATUS) == (41207, 98, 7)


@settings(deadline=None)
@given(st.text() | st.from_regex(r"NSpid:[\t 0-9]{0,60}\n"))
def test_any_status_text_is_survived(text: str) -> None:
    assert all(0 <= n < 10**10 for n in ns_pids_of(text))


def test_the_kubelets_own_mount_names_the_container() -> None:
    assert container_of(f"1 0 0:30 / / rw - overlay overlay rw\n{MOUNT}") == "vllm"


@pytest.mark.parametrize(
    "mount",
    [
        "",
        MOUNT.replace("0a1b2c3d", "0a1b2c3d4e"),
        f"9 1 8:1 / {ROOT}/{UID}/containers/vllm/0a1b2c3d rw - tmpfs tmpfs rw\n",
        MOUNT.replace("vllm", "VLLM_1"),
    ],
)
def test_a_mount_of_another_form_names_no_container(mount: str) -> None:
    assert container_of(mount) == ""


@settings(deadline=None)
@given(st.text() | st.from_regex(r"9 1 8:1 (/containers){1,9}/[a-z]{0,70}/[0-9a-f]{8} "))
def test_any_mount_table_is_survived(text: str) -> None:
    assert len(container_of(text)) < 64


def _described(tmp_path: Path, **environ: str) -> Process:
    folder = Node(tmp_path).start().process(41207, ["VLLM::Worker_TP0"], environ=environ)
    (folder / "status").write_text(STATUS)
    (folder / "mountinfo").write_text(MOUNT)
    proc = Proc(str(tmp_path / "proc"))
    return proc.described(next(proc.tasks()))


def test_a_worker_is_seen_with_its_container_and_its_number_there(tmp_path: Path) -> None:
    seen = _described(tmp_path)
    assert (seen.pid, seen.ns_pids[-1]) == (41207, 7)
    assert (seen.container, len(seen.container_id)) == ("vllm", 64)
    assert seen.started_at == "2023-11-14T22:15:23Z"


def test_the_order_of_its_visible_gpus_is_seen_and_no_other_variable(tmp_path: Path) -> None:
    seen = _described(tmp_path, CUDA_VISIBLE_DEVICES="3,1,0,2", NCCL_DEBUG="INFO")
    assert seen.visible == {"CUDA_VISIBLE_DEVICES": "3,1,0,2"}


def test_what_a_process_does_not_show_stays_empty(tmp_path: Path) -> None:
    folder = Node(tmp_path).start().process(7, ["VLLM::Worker_TP0"])
    for name in ("environ", "mountinfo"):
        (folder / name).unlink()
    proc = Proc(str(tmp_path / "proc"))
    seen = proc.described(next(proc.tasks()))
    assert (seen.ns_pids, seen.container, seen.visible) == ((), "", {})


def test_the_kernels_own_status_names_this_process() -> None:
    one = Task(os.getpid(), 1, ("VLLM::Worker",), UID, HEX, None)
    assert Proc("/proc").described(one).ns_pids[-1] == os.getpid()


def test_a_process_of_a_real_pid_namespace_has_two_numbers() -> None:
    reason = need_root("unshare")
    if reason:
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    command = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", "echo $$; exec sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as outer:
        assert outer.stdout is not None
        number = int(outer.stdout.readline())
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        inside = Task(int(children[0]), outer.pid, ("sh",), UID, HEX, None)
        seen = Proc("/proc").described(inside)
        outer.kill()
    assert number == 1
    assert (seen.ns_pids[0], seen.ns_pids[-1]) == (inside.pid, number)


@pytest.mark.parametrize(
    ("cgroup", "owner"),
    [(SHAPES["CRI-O"], "pod"), ("0::/system.slice/sshd.service", "node"), (None, "unseen")],
)
def test_a_process_on_a_gpu_is_a_pods_the_nodes_or_not_to_be_seen(
    tmp_path: Path, cgroup: str | None, owner: str
) -> None:
    (tmp_path / "9").mkdir()
    if cgroup is not None:
        (tmp_path / "9" / "cgroup").write_text(cgroup)
    assert Proc(str(tmp_path)).owner(9) == owner


@pytest.mark.parametrize(
    ("link", "folder"),
    [("/vllm-workspace", "/vllm-workspace"), ("models", None), ("/a\nb", None), (None, None)],
)
def test_a_working_folder_is_read_as_a_name_only(
    tmp_path: Path, link: str | None, folder: str | None
) -> None:
    (tmp_path / "9").mkdir()
    if link is not None:
        (tmp_path / "9" / "cwd").symlink_to(link)
    assert Proc(str(tmp_path)).folder(9) == folder


def _processes(*seen: Process) -> Processes:
    return Processes(seen)


TWO = _processes(
    Process(500, "VLLM::Worker_TP0", ns_pids=(500, 98), container="a"),
    Process(600, "VLLM::Worker_TP0", ns_pids=(600, 98), container="b"),
    Process(601, "VLLM::Worker_TP1", ns_pids=(601, 99), container="b"),
)


def test_a_logs_pid_is_the_nodes_number_of_that_process() -> None:
    assert host_pid(TWO, 99) == 601


def test_a_pid_that_two_containers_have_is_missing_unless_the_log_is_one_of_theirs() -> None:
    assert host_pid(TWO, 98) == Missing("pid 98 is in 2 containers of the pod")
    assert host_pid(TWO, 98, "b") == 600


def test_the_pid_of_a_process_that_ended_is_missing() -> None:
    seen = host_pid(TWO, 500)
    assert isinstance(seen, Missing)
    assert "no process of the pod that runs now" in seen.reason


def test_without_numbers_of_the_container_no_pid_is_guessed() -> None:
    seen = host_pid(_processes(Process(500, "VLLM::Worker")), 500)
    assert isinstance(seen, Missing)
    assert "were not seen" in seen.reason
    assert host_pid(Missing("no agent"), 500) == Missing("no agent")
