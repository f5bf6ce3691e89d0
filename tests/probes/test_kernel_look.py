"""What the kernel really tells of a pod: bytes between two namespaces, and files held open."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from msgspec import structs
from tests.evidence_builder import change_looks, healthy
from tests.probes.node_folder import need_root

from distcheck.agent.earlier import Before
from distcheck.agent.kernel_look import Kernel, KernelLooker
from distcheck.agent.open_files import open_files
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Task
from distcheck.checks.evidence import Evidence, Missing, PodLook, Process, Processes
from distcheck.checks.evidence.flows import TcpFlows
from distcheck.checks.facts import rank_tcp
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes

NEAR, FAR = "10.213.78.2", "10.213.78.3"
NEAR6, FAR6 = "fd77:214::2", "fd77:214::3"
SENT, BOOTSTRAP = 24 << 20, 3000
LISTEN = f"""
import socket, sys
s = [socket.create_server((a, p), family=f) for a, f, p in (
    ("{FAR}", socket.AF_INET, 36001), ("{FAR}", socket.AF_INET, 36002),
    ("{FAR6}", socket.AF_INET6, 36003))]
print("ready", flush=True)
taken = [one.accept()[0] for one in s]
for one, size in zip(taken, ({SENT}, {BOOTSTRAP}, {BOOTSTRAP})):
    while size: size -= len(one.recv(min(size, 1 << 20)))
taken[1].sendall(bytes(100))
print("taken", flush=True)
input()
"""
SEND = f"""
import socket, sys
c = [socket.create_connection(a) for a in (("{FAR}", 36001), ("{FAR}", 36002), ("{FAR6}", 36003))]
for one, size in zip(c, ({SENT}, {BOOTSTRAP}, {BOOTSTRAP})): one.sendall(bytes(size))
c[1].recv(100)
print("ready", flush=True)
while input() == "more":
    c[0].sendall(bytes(1 << 20))
    print("sent", flush=True)
"""
VERBS = """
mount -t tmpfs tmpfs /dev && mkdir -p /dev/infiniband /dev/nvidia-caps-imex-channels &&
exec 7>/dev/infiniband/uverbs0 8>/dev/infiniband/uverbs11 9>/dev/nvidia-caps-imex-channels/channel0
exec 6>/dev/infiniband/rdma_cm 5>/dev/uverbs1 && echo ready && read -r over
"""


def _sh(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def _need(*tools: str) -> None:
    for tool in tools:
        why = need_root(tool)
        if why:
            assert not os.environ.get("CI"), f"CI {why}"
            pytest.skip(why)


class Pods:
    """Two namespaces with a process each, one of which has sent to the other."""

    def __init__(self, near: "subprocess.Popen[bytes]", far: int) -> None:
        self._near, self.far = near, far
        self.near = near.pid

    def send_more(self) -> None:
        assert self._near.stdin is not None
        assert self._near.stdout is not None
        self._near.stdin.write(b"more\n")
        self._near.stdin.flush()
        assert self._near.stdout.readline() == b"sent\n"


@pytest.fixture(scope="module")
def pods() -> Iterator[Pods]:
    _need("ip")
    one, two = (f"distcheck-flow-{os.getpid()}-{n}" for n in "ab")
    with ExitStack() as stack:
        for name in (one, two):
            _sh("ip", "netns", "add", name)
            stack.callback(_sh, "ip", "netns", "del", name)
        veth = f"df{os.getpid()}"
        ends = ("name", f"{veth}b", "netns", two)
        _sh("ip", "link", "add", f"{veth}a", "netns", one, "type", "veth", "peer", *ends)
        for name, end, ip, ip6 in ((one, "a", NEAR, NEAR6), (two, "b", FAR, FAR6)):
            run = ("ip", "-n", name)
            _sh(*run, "addr", "add", f"{ip}/24", "dev", f"{veth}{end}")
            _sh(*run, "addr", "add", f"{ip6}/64", "dev", f"{veth}{end}", "nodad")
            _sh(*run, "link", "set", f"{veth}{end}", "up")
        far = stack.enter_context(_inside(two, LISTEN))
        near = stack.enter_context(_inside(one, SEND))
        assert far.stdout is not None
        assert far.stdout.readline() == b"taken\n"
        yield Pods(near, far.pid)


@contextmanager
def _inside(name: str, code: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = ["ip", "netns", "exec", name, sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.stdin.write(b"over\n")
        process.stdin.close()


def looker(pid: int, kernel: Kernel, now: str = "2026-01-15T09:30:00Z") -> KernelLooker:
    task = Task(pid, 1, ("VLLM::Worker_TP0",), "uid", "", None)
    return KernelLooker(kernel, "uid", [task], now)


def carried(flows: TcpFlows) -> dict[int, tuple[int, int]]:
    """Bytes sent and received, by the listener's port."""
    port = {p for f in flows.flows for p in (f.local_port, f.remote_port) if 36000 < p < 36010}
    return {
        p: (f.sent_bytes, f.received_bytes)
        for p in port
        for f in flows.flows
        if p in (f.local_port, f.remote_port)
    }


def test_both_ends_tell_the_bytes_that_a_connection_carried(pods: Pods) -> None:
    """The sender's count has its SYN, which is acknowledged as a byte is."""
    whole = {36001: (SENT + 1, 0), 36002: (BOOTSTRAP + 1, 100), 36003: (3001, 0)}
    end = time.monotonic() + 60  # the last bytes are acknowledged a little later
    while carried(near := looker(pods.near, Kernel("/proc", "/sys")).flows()) != whole:
        assert time.monotonic() < end, carried(near)
    far = looker(pods.far, Kernel("/proc", "/sys")).flows()
    assert carried(far) == {36001: (0, SENT), 36002: (100, BOOTSTRAP), 36003: (0, BOOTSTRAP)}


def test_each_connection_has_the_process_that_holds_it(pods: Pods) -> None:
    seen = looker(pods.near, Kernel("/proc", "/sys")).flows()
    assert {(f.local, f.remote, f.pid) for f in seen.flows} == {
        (NEAR, FAR, pods.near),
        (NEAR6, FAR6, pods.near),
    }
    assert seen.owned == (pods.near,)


def test_a_second_look_has_the_bytes_of_the_first(pods: Pods) -> None:
    kernel = Kernel("/proc", "/sys")
    first = looker(pods.near, kernel).flows()
    pods.send_more()
    end = time.monotonic() + 60  # a byte counts once it is acknowledged
    while carried(looker(pods.near, Kernel("/proc", "/sys")).flows()) == carried(first):
        assert time.monotonic() < end
    second = looker(pods.near, kernel, "2026-01-15T09:30:09Z").flows()
    assert (first.before, second.before, second.before_at) == ((), first.flows, first.seen_at)
    more = second.flows[0].sent_bytes - second.before[0].sent_bytes
    assert 0 < more <= 1 << 20


def test_devices_that_a_process_of_another_mount_namespace_holds_are_named(tmp_path: Path) -> None:
    _need("unshare")
    hca = tmp_path / "class/infiniband_verbs/uverbs11"
    hca.mkdir(parents=True)
    (hca / "ibdev").write_text("mlx5_5\n")
    pipe = subprocess.PIPE
    with subprocess.Popen(["unshare", "-m", "sh", "-c", VERBS], stdin=pipe, stdout=pipe) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        seen = looker(child.pid, Kernel("/proc", str(tmp_path))).open_devices()
        child.stdin.write(b"over\n")
        child.stdin.close()
    assert [(o.pid, o.files) for o in seen.processes] == [
        (child.pid, ("imex", "uverbs0", "uverbs11"))
    ]
    assert (seen.read, seen.hcas) == ((child.pid,), {"uverbs11": "mlx5_5"})


def test_a_process_that_is_gone_holds_nothing_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="No such file"):
        looker(1, Kernel(str(tmp_path), "/sys")).open_devices()


def test_files_that_may_not_be_read_are_refused_with_the_right_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    seen = open_files(str(tmp_path), [1])
    assert seen.read == ()
    assert seen.refused is not None
    assert "open files of processes" in seen.refused


def test_no_more_files_are_read_than_the_bound(tmp_path: Path) -> None:
    folder = tmp_path / "7" / "fd"
    folder.mkdir(parents=True)
    for number in range(40):
        (folder / str(number)).symlink_to(f"socket:[{number + 1}]")
    assert len(open_files(str(tmp_path), [7]).sockets) == 40
    assert open_files(str(tmp_path), [7]).read == (7,)


def test_a_look_is_compared_with_one_that_is_seconds_old_and_not_hours() -> None:
    """A question has two rounds, which may come at once; the next question is a minute later."""
    times = iter([0.0, 60.0, 60.5, 61.0, 7200.0, 7200.5])
    looks = Before[TcpFlows](5.0, clock=lambda: next(times))
    seen = [TcpFlows((), "inet_diag", f"look {n}") for n in range(6)]
    before = [looks.before_of("uid", one) for one in seen]
    assert [b.seen_at if b else None for b in before] == [
        None,
        "look 0",
        "look 0",
        "look 0",
        "look 3",
        "look 4",
    ]


def _as_a_rank(pods: Pods) -> Evidence:
    """A group of two pods whose ranks are the two processes, with what the kernel tells of them."""
    group = healthy()
    real = {"llm/vllm-head-0": (pods.near, NEAR), "llm/vllm-worker-0": (pods.far, FAR)}

    def change(look: PodLook) -> PodLook:
        kernel = looker(real[look.pod][0], Kernel("/proc", "/sys"))
        rank = Process(real[look.pod][0], "VLLM::Worker_TP0")
        return structs.replace(
            look,
            nccl=Missing("NCCL logs nothing"),
            processes=Processes((rank,)),
            flows=kernel.flows(),
            open_devices=kernel.open_devices(),
        )

    nodes = tuple(structs.replace(n, gpus=Missing("no GPU")) for n in group.nodes)
    placed = tuple(structs.replace(p, ip=real[p.key][1]) for p in group.pods)
    return change_looks(structs.replace(group, nodes=nodes, pods=placed), change)


def test_real_bulk_between_two_namespaces_fails_and_real_setting_up_does_not(
    pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 MiB stand for gigabytes: the bound is lowered, not what is counted."""
    assert rdma_between_nodes.judge_evidence(_as_a_rank(pods)).outcome == "unknown"
    monkeypatch.setattr(rank_tcp, "DATA", 16 << 20)
    verdict = rdma_between_nodes.judge_evidence(_as_a_rank(pods))
    assert (verdict.outcome, verdict.cause) == ("fail", "sockets-without-log")
    assert "MB between vllm-head-0 and vllm-worker-0" in verdict.says
