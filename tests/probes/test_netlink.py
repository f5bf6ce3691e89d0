"""Answers of the kernel over netlink: recorded ones, cut ones, and none at all."""

import contextlib
import errno
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent import netlink, rights
from distcheck.agent.netlink import attributes, dump_request, messages
from distcheck.agent.probes import flows, queue_pairs
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence.flows import TcpFlow
from distcheck.checks.evidence.rdma import QueuePair, QueuePairs
from distcheck.lab import netlink_answers as kernel

NOW = "2026-01-15T09:30:00Z"
HERE = Path("/proc/thread-self/ns/net")
NEAR = TcpFlow("10.0.0.2", 48_000, "10.0.1.2", 36_000, 5_000_000_001, 42)
FAR = TcpFlow("fd00::2", 48_001, "fd00::3", 36_001, 7, 8)
LONGER = st.binary(max_size=300)


def told(*rows: bytes) -> dict[int, list[bytes]]:
    """What the kernel answers, by family of addresses: all rows to the first question."""
    return {2: kernel.answer(20, rows), 10: kernel.answer(20, [])}


def look(answers: dict[int, list[bytes]], owners: dict[int, int] | None = None) -> list[TcpFlow]:
    def ask(_: Path, family: int, request: bytes) -> list[bytes]:
        assert family == netlink.SOCK_DIAG
        return answers[request[16]]

    return list(flows.look(HERE, owners or {}, NOW, ask).flows)


def test_a_connection_has_its_addresses_counts_and_owner() -> None:
    rows = told(kernel.connection(NEAR, 77), kernel.connection(FAR, 78))
    seen = look(rows, {77: 4711})
    assert [(f.local, f.remote_port, f.sent_bytes, f.received_bytes) for f in seen] == [
        ("10.0.0.2", 36_000, 5_000_000_001, 42),
        ("fd00::2", 36_001, 7, 8),
    ]
    assert [f.pid for f in seen] == [4711, 0]


def test_an_ipv4_address_in_a_socket_of_ipv6_is_one_of_ipv4() -> None:
    row = bytearray(kernel.connection(FAR, 1))
    row[8:24] = bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 2])
    assert look(told(bytes(row)))[0].local == "10.0.0.2"


@pytest.mark.parametrize(("length", "kept"), [(104, 0), (135, 0), (136, 1), (0, 1)])
def test_a_kernel_that_does_not_count_bytes_tells_of_no_flow(length: int, kept: int) -> None:
    assert len(look(told(kernel.connection(NEAR, 1, length)))) == kept


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.2"])
def test_a_connection_to_itself_is_left_out(ip: str) -> None:
    own = TcpFlow(ip, 1, ip, 2)
    assert look(told(kernel.connection(own, 1))) == []


def test_a_kernel_that_cannot_tell_is_named_by_what_it_lacks() -> None:
    with pytest.raises(ProbeError, match="has no module tcp_diag"):
        look({2: kernel.refusal(errno.ENOENT)})
    with pytest.raises(ProbeError, match="Cannot allocate memory"):
        look({2: kernel.refusal(errno.ENOMEM)})


def test_a_kernel_without_ipv6_tells_of_the_rest() -> None:
    rows = told(kernel.connection(NEAR, 1)) | {10: kernel.refusal(errno.ENOENT)}
    assert len(look(rows)) == 1


def test_a_namespace_that_may_not_be_entered_names_the_missing_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shut(*_: object) -> list[bytes]:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(rights, "granted", lambda: frozenset(rights.READING))
    with pytest.raises(ProbeError, match="SYS_ADMIN is not granted to the agent: the bytes"):
        flows.look(HERE, {}, NOW, shut)


def test_an_answer_without_an_end_is_no_answer() -> None:
    with pytest.raises(ProbeError, match="no end"):
        look({2: [kernel.message(20, kernel.connection(NEAR, 1))]})


@given(LONGER, st.integers(0, 400))
@settings(deadline=None)
def test_any_bytes_of_a_row_give_a_connection_or_none(noise: bytes, at: int) -> None:
    row = kernel.connection(NEAR, 1)
    seen = flows.flow_of(row[:at] + noise + row[at:])
    assert seen is None or seen[1].sent_bytes >= 0


@given(st.lists(LONGER, max_size=4))
@settings(deadline=None)
def test_any_datagrams_end_or_are_an_error(datagrams: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        assert all(len(m.body) <= 300 for m in messages(datagrams))


@given(LONGER)
@settings(deadline=None)
def test_any_attributes_fit_their_bytes(data: bytes) -> None:
    assert sum(4 + len(value) for _, value in attributes(data)) <= len(data)


def test_a_request_is_a_header_and_what_is_asked() -> None:
    sent = dump_request(20, bytes(56))
    assert struct.unpack_from("=IHHII", sent) == (72, 20, 0x301, 1, 0)


class Rdma:
    """A kernel with HCAs, in some namespaces only."""

    def __init__(
        self, *pairs: QueuePair, broken: int = 0, shut: tuple[Path, ...] = (), hcas: int = 2
    ) -> None:
        self.pairs, self.broken, self.shut, self.hcas = pairs, broken, shut, hcas
        self.asked: list[Path] = []

    def __call__(self, namespace: Path, family: int, request: bytes) -> list[bytes]:
        self.asked.append(namespace)
        assert family == netlink.RDMA
        if namespace in self.shut:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        kind = struct.unpack_from("=H", request, 4)[0]
        names = [f"mlx5_{n}" for n in range(self.hcas)]
        if kind == (5 << 10) + 1:
            return kernel.answer(kind, [kernel.device(n, name) for n, name in enumerate(names)])
        index = dict(attributes(request[16:]))[1][0]
        if index == self.broken - 1:
            return kernel.refusal(errno.EOPNOTSUPP)
        mine = [p for p in self.pairs if p.device == names[index]]
        return kernel.answer(kind, kernel.tables(index, names[index], mine), at_once=1)


CONNECTED = QueuePair("mlx5_0", 1, 0x4A1, "RC", "RTS", 4711, 0x9B2)
SRD = QueuePair("mlx5_1", 1, 5, "SRD", "RTS", 4711)


@pytest.fixture
def sys(tmp_path: Path) -> str:
    for name in ("mlx5_0", "mlx5_1"):
        (tmp_path / "class" / "infiniband" / name).mkdir(parents=True)
    return str(tmp_path)


def test_queue_pairs_are_those_of_the_pods_processes(sys: str) -> None:
    other = QueuePair("mlx5_1", 1, 9, "RC", "RTS", 9999, 3)
    own_kernels = QueuePair("mlx5_0", 1, 1, "UD", "RTS", 0)
    seen = queue_pairs.look(sys, [HERE], {4711}, NOW, Rdma(CONNECTED, SRD, other, own_kernels))
    assert seen.pairs == (CONNECTED, SRD)
    assert (seen.devices, seen.shared) == (("mlx5_0", "mlx5_1"), ("mlx5_1",))


def test_what_the_kernel_itself_connected_shares_the_hca(sys: str) -> None:
    """NFS over RDMA, Lustre, NVMe: their queue pairs belong to no process."""
    storage = QueuePair("mlx5_0", 1, 7, "RC", "RTS", 0, 8)
    assert queue_pairs.look(sys, [HERE], {4711}, NOW, Rdma(SRD, storage)).shared == ("mlx5_0",)


def test_an_hca_that_does_not_tell_is_named_and_the_others_count(sys: str) -> None:
    seen = queue_pairs.look(sys, [HERE], {4711}, NOW, Rdma(CONNECTED, SRD, broken=1))
    assert seen.pairs == (SRD,)
    assert seen.unread[0].startswith("mlx5_0: ")


def test_where_the_pods_namespace_is_shut_the_agents_own_is_asked(sys: str) -> None:
    kernel_of = Rdma(CONNECTED, shut=(Path("/pod"),))
    seen = queue_pairs.look(sys, [Path("/pod"), HERE], {4711}, NOW, kernel_of)
    assert seen.pairs == (CONNECTED,)


def test_a_node_without_an_hca_is_not_asked(tmp_path: Path) -> None:
    asked = Rdma()
    with pytest.raises(ProbeError, match="no HCA"):
        queue_pairs.look(str(tmp_path), [HERE], {1}, NOW, asked)
    assert asked.asked == []


def test_a_kernel_that_refuses_everywhere_says_why(sys: str) -> None:
    with pytest.raises(ProbeError, match="not permitted"):
        queue_pairs.look(sys, [HERE], {1}, NOW, Rdma(shut=(HERE,)))


@given(LONGER, st.integers(0, 200))
@settings(deadline=None)
def test_any_bytes_of_a_table_give_queue_pairs_or_none(noise: bytes, at: int) -> None:
    body = kernel.tables(0, "mlx5_0", [CONNECTED, SRD])[0]
    for pair in queue_pairs.pairs_of("mlx5_0", body[:at] + noise + body[at:]):
        assert pair.type.isprintable()


def test_no_more_queue_pairs_are_kept_than_the_bound(sys: str) -> None:
    many = (QueuePair("mlx5_0", 1, n, "RC", "RTS", 4711, n + 1) for n in range(4_100))
    seen = queue_pairs.look(sys, [HERE], {4711}, NOW, Rdma(*many))
    assert (len(seen.pairs), seen.dropped) == (4096, 4)


@pytest.mark.parametrize(("hcas", "unread"), [(64, 0), (65, 1)])
def test_hcas_beyond_those_that_are_asked_are_told(sys: str, hcas: int, unread: int) -> None:
    seen = queue_pairs.look(sys, [HERE], {4711}, NOW, Rdma(CONNECTED, hcas=hcas))
    assert (len(seen.devices), len(seen.unread)) == (64, unread)


def test_each_hca_is_asked_once_in_a_round_for_all_pods(sys: str) -> None:
    """A node of many pods and thousands of queue pairs is not asked for each of them."""
    asked, dumps, pod = Rdma(CONNECTED, SRD, broken=2), queue_pairs.Dumps(), Path("/pod")

    def seen(pid: int, space: Path, now: str) -> QueuePairs:
        return queue_pairs.look(sys, [space], {pid}, now, asked, dumps)

    first, second = seen(4711, HERE, NOW), seen(9999, pod, NOW)
    assert (first.pairs, first.shared) == ((CONNECTED,), ())
    assert (second.pairs, second.shared) == ((), ("mlx5_0",))
    assert first.unread == second.unread
    assert asked.asked == [HERE, HERE, HERE, pod]
    seen(4711, HERE, "2026-01-15T09:31:00Z")
    assert len(asked.asked) == 7
