import re
from collections.abc import Iterable

import msgspec
import pytest
from tests.logs.nccl_lines import HOSTS, head, job, text

from distcheck.agent.logs import nccl_grammar as grammar
from distcheck.agent.logs.distil import Distiller
from distcheck.agent.logs.nccl_comms import Where
from distcheck.agent.logs.nccl_failures import FailureTable
from distcheck.agent.logs.nccl_notes import Notes
from distcheck.checks.evidence.nccl import Failure, NcclLog
from distcheck.checks.knowledge import (
    failure_details,
    gdr_causes,
    nccl_failures,
    settings,
    transports,
)
from distcheck.checks.knowledge import transport_causes as causes
from distcheck.checks.knowledge.transport_remedies import GDR, SOCKETS

NO_DEVICE = "NET/IB : No device found."
REFUSED = "NET/IB : Unable to open device mlx5_0"


def nccl(lines: Iterable[str]) -> NcclLog:
    distiller = Distiller("pod.log")
    distiller.feed(text(lines))
    return distiller.finish().nccl


def says(host: str, *messages: str) -> list[str]:
    """A process of `host` that writes these messages, WARN where it says so."""
    lines = [f"{head(host, 200, 0)} Bootstrap: Using eth0:10.1.0.3<0>"]
    for message in messages:
        level, _, rest = message.partition("WARN ")
        words = rest if not level and rest else message
        lines.append(f"{head(host, 200, 0, 'INFO' if words is message else 'WARN')} {words}")
    return lines


def sockets(*messages: str, host: str = "gpu-a") -> list[str]:
    return says(host, *messages, "Using network Socket")


WHY: list[tuple[str, tuple[str, ...], str | None]] = [
    ("no device", (NO_DEVICE,), "no-ib-device"),
    ("2.24 and an empty list", (NO_DEVICE, "NET/IB : Using [RO]; OOB eth0:10.1.0.3<0>"),
     "no-ib-device"),
    ("disabled", ("NCCL_IB_DISABLE set by environment to 1.",), "env-NCCL_IB_DISABLE"),
    ("disabled, 2.28", ("NCCL_IB_DISABLE set by environment to 1.",
     "Failed to initialize NET plugin IB"), "env-NCCL_IB_DISABLE"),
    ("disabled by a hexadecimal", ("NCCL_IB_DISABLE set by environment to 0x1.",),
     "env-NCCL_IB_DISABLE"),
    ("not disabled", ("NCCL_IB_DISABLE set by environment to 0.",), None),
    ("a word is no number", ("NCCL_IB_DISABLE set by environment to true.",), None),
    ("IB looked for devices, so it was not disabled",
     ("NCCL_IB_DISABLE set by environment to 1.", NO_DEVICE), "no-ib-device"),
    ("asked for", ("NCCL_NET set by environment to socket.", NO_DEVICE), "env-NCCL_NET"),
    ("asked for IB", ("NCCL_NET set by environment to IB.",), None),
    ("filter", ("NCCL_IB_HCA set to mlx5_9", NO_DEVICE), "env-NCCL_IB_HCA-filter-or-no-device"),
    ("filter without an end", ("NCCL_IB_HCA set to mlx5_9",), None),
    ("the filter is right, the device closed",
     ("NCCL_IB_HCA set to mlx5_0", f"WARN {REFUSED}", NO_DEVICE), "ib-open-device"),
    ("the filter is wrong, another device closed",
     ("NCCL_IB_HCA set to =mlx5_7", f"WARN {REFUSED}", NO_DEVICE),
     "env-NCCL_IB_HCA-filter-or-no-device"),
    ("closed device", (f"WARN {REFUSED}", NO_DEVICE), "ib-open-device"),
    ("one closed device among others does no harm",
     (f"WARN {REFUSED}", "NET/IB : Using [0]mlx5_1:1/IB [RO]; OOB eth0:10.1.0.3<0>"), None),
    ("no address", ("WARN NET/IB : No IP interface found.",), "ib-no-ip"),
    ("no library", ("Failed to open libibverbs.so[.1]",), "libibverbs-missing"),
    ("2.30, the second name loads", ("Count not open libibverbs.so", NO_DEVICE), "no-ib-device"),
    ("2.30, the first name fails, nothing else known", ("Count not open libibverbs.so",), None),
    ("2.30, both names fail", ("Count not open libibverbs.so", "Count not open libibverbs.so.1"),
     "libibverbs-missing"),
    ("no EFA", ("NET/OFI No eligible providers were found", NO_DEVICE),
     "efa-plugin-init-failed-no-provider"),
    ("no EFA, 2.28", ("Failed to initialize NET plugin Libfabric", NO_DEVICE),
     "efa-plugin-init-failed-no-provider"),
    ("no plugin is normal on InfiniBand", ("NET/Plugin: Could not find: libnccl-net.so",), None),
    ("plugin too old", ("NET/Plugin: ncclNetPlugin symbols v4 and lower are not supported.",),
     "plugin-unsupported"),
    ("nothing said", (), None),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "cause"), [w[1:] for w in WHY], ids=[w[0] for w in WHY])
def test_the_first_cause_of_sockets_is_told_with_its_line(
    messages: tuple[str, ...], cause: str | None
) -> None:
    log = nccl(sockets(*messages))
    assert causes.socket_fallback_cause(log) == cause
    assert bool(causes.cause_lines(log, cause)) is (cause is not None)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("NET/Plugin: Could not find: libnccl-net.so", "plugin-missing"),
        (
            "NET/Plugin: Plugin load returned 2 : libfabric.so.1: cannot open shared object file",
            "plugin-failed",
        ),
        ("NCCL_NET_PLUGIN set by environment to none.", "plugin-missing"),
    ],
)
def test_a_missing_plugin_is_a_cause_only_where_rdma_needs_one(message: str, cause: str) -> None:
    log = nccl(sockets(message, NO_DEVICE))
    assert causes.socket_fallback_cause(log) == "no-ib-device"
    assert causes.socket_fallback_cause(log, plugin_needed=True) == cause
    assert causes.cause_lines(log, cause)


def test_a_cause_on_one_host_explains_that_host_only() -> None:
    log = nccl(sockets(NO_DEVICE, host="gpu-a") + sockets(host="gpu-b"))
    assert causes.socket_fallback_causes(log) == {"gpu-a": "no-ib-device"}


def test_a_cause_on_a_host_with_rdma_explains_no_socket_elsewhere() -> None:
    log = nccl(says("gpu-a", "NCCL_IB_DISABLE set by environment to 1.", "Using network IB"))
    assert causes.socket_fallback_cause(log) is None
    both = [*says("gpu-a", NO_DEVICE, "Using network IBext"), *sockets(host="gpu-b")]
    assert causes.socket_fallback_cause(nccl(both)) is None


def test_folded_lines_of_one_host_speak_for_all() -> None:
    lines = [*says("gpu-a", f"{NO_DEVICE} [repeated 7x across cluster]"), *sockets(host="gpu-b")]
    assert causes.socket_fallback_causes(nccl(lines)) == {"gpu-b": "no-ib-device"}


def test_every_cause_of_sockets_or_of_lost_gpudirect_has_a_remedy() -> None:
    assert {*causes.CAUSE_EVIDENCE, *causes.PLUGIN_EVIDENCE} == set(SOCKETS)
    assert set(gdr_causes.GDR_EVIDENCE) == set(GDR)
    assert {w[2] for w in WHY if w[2]} == set(causes.CAUSE_EVIDENCE)


def test_every_mark_that_shows_a_cause_is_in_the_grammar() -> None:
    known = {f.id for f in grammar.MARK_FORMS} | {f.id for f in grammar.FAILURES}
    tables = {**causes.CAUSE_EVIDENCE, **causes.PLUGIN_EVIDENCE, **gdr_causes.GDR_EVIDENCE}
    for wanted in tables.values():
        assert all(w in known or w.startswith("NCCL_") for w in wanted)


@pytest.mark.parametrize(
    ("spec", "device", "through"),
    [
        ("mlx5", "mlx5_0", True),
        ("mlx5_1", "mlx5_10", True),
        ("=mlx5_1", "mlx5_10", False),
        ("=mlx5_1:1,mlx5_3", "mlx5_1", True),
        ("^mlx5_2", "mlx5_2", False),
        ("^=mlx5_2", "mlx5_20", True),
        ("", "mlx5_0", False),
    ],
)
def test_ib_hca_filters_by_prefix_whole_name_or_exclusion(
    spec: str, device: str, *, through: bool
) -> None:
    assert settings.names_device(spec, device) is through


GDR_OFF = "NET/IB : GPU Direct RDMA Disabled for HCA 0 'mlx5_0'"
TOO_FAR = "GPU Direct RDMA Disabled for GPU 0 / HCA 1 (distance 8 > 4)"


def lacking(host: str, *messages: str, both: bool = True) -> list[str]:
    plain = [f"Channel 00/0 : 0[0] -> 8[0] [send] via NET/IB/{n}" for n in range(2)]
    back = f"Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0{'' if both else '/GDRDMA'}"
    return says(host, *messages, *plain, back)


@pytest.mark.parametrize(
    ("messages", "cause"),
    [
        ((GDR_OFF,), "no_peermem"),
        ((GDR_OFF, "DMA-BUF is available on GPU device 0"), None),
        ((TOO_FAR, GDR_OFF), "gdr-topology"),
        (("network path /sys/x is not a PCI device (vmbus). Attaching to CPU",), "gdr-topology"),
        (("NCCL_NET_GDR_LEVEL set by environment to LOC.",), "env-gdr"),
        (("NCCL_NET_GDR_LEVEL set by environment to 0.",), "env-gdr"),
        (("NCCL_NET_GDR_LEVEL set by environment to SYS.", GDR_OFF), "no_peermem"),
        (("NCCL_DMABUF_ENABLE set by environment to 0.", GDR_OFF), "env-gdr"),
        (("NCCL_DMABUF_ENABLE set by environment to 0.",), None),
        (("NET/OFI Could not disable CUDA API usage for HMEM, disabling GDR",), "gdr-plugin"),
        ((), None),
    ],
)
def test_why_gpudirect_is_off_is_told_with_its_line(
    messages: tuple[str, ...], cause: str | None
) -> None:
    log = nccl(lacking("gpu-a", *messages))
    assert gdr_causes.gdr_causes(log) == ({"gpu-a": cause} if cause else {})
    assert bool(causes.cause_lines(log, cause)) is (cause is not None)


def test_a_ban_on_reads_explains_sending_only() -> None:
    ban = "NCCL_NET_GDR_READ set by environment to 0."
    assert gdr_causes.gdr_cause(nccl(lacking("gpu-a", ban, both=False))) == "env-gdr"
    assert gdr_causes.gdr_cause(nccl(lacking("gpu-a", ban))) is None


def test_gpudirect_lost_on_one_node_is_explained_by_that_node() -> None:
    lines = [x for x in job() if not x.startswith(HOSTS[1])] + lacking(HOSTS[1], GDR_OFF)
    log = nccl(lines)
    assert gdr_causes.gdr_causes(log) == {HOSTS[1]: "no_peermem"}
    lost = [s for s in gdr_causes.gdr_sides(log) if s.direct < s.lines]
    assert {(s.host, s.direction) for s in lost} == {(HOSTS[1], "send"), (HOSTS[1], "receive")}
    assert transports.verdict(log) == "rdma-no-gdr"


def test_gpudirect_in_one_direction_only_is_seen() -> None:
    lines = [x.replace("/GDRDMA", "") if "[send]" in x else x for x in job()]
    sides = gdr_causes.gdr_sides(nccl(lines))
    assert {s.direction for s in sides if s.direct < s.lines} == {"send"}
    assert transports.verdict(nccl(lines)) == "rdma-no-gdr"


def failure(name: str, line: int = 1, **more: object) -> Failure:
    made = {"id": name, "fatal": True, "says": name, "source": f"a.log:{line}", "line": line}
    return msgspec.convert({**made, **more}, Failure)


@pytest.mark.parametrize("detail", failure_details.DETAILS, ids=lambda d: f"{d.failure}-{d.id}")
def test_a_detail_is_told_by_its_own_words_and_has_a_remedy(detail: failure_details.Detail) -> None:
    form = grammar.failure_of(detail.example)
    assert form is not None
    assert form.id == detail.failure
    assert failure_details.detail_of(failure(detail.failure, says=detail.example)) is detail
    assert detail.remedy.endswith(".")


def test_the_memlock_limit_is_told_from_other_refusals_to_register_memory() -> None:
    log = nccl(says("a", "WARN Call to ibv_reg_mr failed with error Cannot allocate memory"))
    (found,) = log.failures
    detail = failure_details.detail_of(found)
    assert (found.id, detail and detail.id) == ("ib-mr", "memlock")
    assert detail is not None
    assert "IPC_LOCK" in detail.remedy


def test_a_failure_without_telling_words_has_no_detail() -> None:
    assert failure_details.detail_of(failure("ib-mr", says="Call to ibv_reg_mr failed")) is None


def test_a_link_that_went_down_is_found_beside_the_error_that_follows() -> None:
    log = nccl(says("a", "WARN NET/IB : mlx5_0:1 Got async event : port error",
                    "WARN NET/IB : Got completion from peer b<4> with status=12 op"))  # fmt: skip
    root = nccl_failures.first_failure(log.failures)
    assert root is not None
    assert root.id == "ib-completion"
    assert [f.line for f in nccl_failures.link_events(log.failures)] == [2]


@pytest.mark.parametrize("name", ["peer-closed", "watchdog-timeout", "nccl-remote-error"])
def test_a_consequence_is_the_root_only_when_it_is_alone(name: str) -> None:
    alone = failure(name, 1)
    assert nccl_failures.first_failure([alone]) == alone
    assert nccl_failures.first_failure([alone, failure("cuda", 9)]) == failure("cuda", 9)
    result = failure("nccl-system-error", 9)
    assert nccl_failures.first_failure([alone, result]) == result


def test_a_bare_result_code_comes_after_a_cause() -> None:
    found = nccl_failures.first_failure(
        [failure("nccl-system-error", 1), failure("shm-no-space", 9)]
    )
    assert found is not None
    assert found.id == "shm-no-space"


def test_of_two_causes_the_earlier_one_is_the_root_however_its_time_is_written() -> None:
    late = failure("cuda", 1, stamp="2026-03-01T08:10:41.932415Z")
    early = failure("ib-mr", 9, stamp="2026-03-01T08:10:41.93Z")
    unknown = failure("nranks", 1)
    assert nccl_failures.first_failure([unknown, late, early]) == early


def test_noise_is_never_the_root() -> None:
    assert nccl_failures.first_failure([failure("sharp", fatal=False)]) is None


def caller(*lines: str) -> tuple[Failure, ...]:
    table = FailureTable()
    for number, line in enumerate(lines, 1):
        table.wrapped(line, Where(("", 0), f"a.log:{number}", None), number, carried=False)
    return table.result(())


WATCHDOG = (
    "[rank{0}]:[E301 08:31:07.4 ProcessGroupNCCL.cpp:563] [Rank {0}] Watchdog caught collective "
    "operation timeout: WorkNCCL(SeqNum=3, OpType=BROADCAST, NumelIn=1, Timeout(ms)=600000)"
)


def test_every_victim_of_a_watchdog_is_named_with_what_it_waited_for() -> None:
    found = caller(WATCHDOG.format(0), WATCHDOG.format(1), WATCHDOG.format(0))
    assert [(f.rank, f.operation, f.sequence, f.count) for f in found] == [
        (0, "BROADCAST", 3, 2),
        (1, "BROADCAST", 3, 1),
    ]
    assert all(f.symptom for f in found)


def test_a_broken_gpu_explains_what_the_others_say() -> None:
    xid = "[ 812.1] NVRM: Xid (PCI:0000:1b:00): 79, pid=71, GPU has fallen off the bus."
    found = caller("ncclRemoteError: A call failed possibly due to a network error.", xid)
    assert [f.id for f in found] == ["cuda"]
    detail = failure_details.detail_of(found[0])
    assert detail is not None
    assert detail.id == "gpu-broken"


def test_a_bus_error_explains_a_connection_that_closed() -> None:
    table, here = FailureTable(), Where(("a", 1), "a.log:1", None)
    closed = "socketProgress: Connection closed by remote peer b<41000>"
    table.warned(closed, here, 1, after_end=False)
    table.wrapped("worker: 71 Bus error (core dumped)", here, 2, carried=False)
    table.wrapped("ncclRemoteError: x", here, 3, carried=False)
    found = table.result(("a",))
    assert [f.id for f in found] == ["peer-closed", "bus-error"]
    root = nccl_failures.first_failure(found)
    assert root is not None
    assert root.id == "bus-error"


def test_what_nccl_goes_on_without_is_no_failure_any_more() -> None:
    table, here = FailureTable(), Where(("a", 1), "a.log:1", None)
    table.warned("Failed to bind NVLink SHARP (NVLS) Multicast memory", here, 1, after_end=False)
    table.forgiven("nvls", ("a", 2))
    assert [f.fatal for f in table.result(("a",))] == [True]
    table.forgiven("nvls", ("a", 1))
    assert [f.fatal for f in table.result(("a",))] == [False]


def test_the_tables_can_be_kept_and_read_again() -> None:
    table, notes, here = FailureTable(), Notes(), Where(("a", 1), "a.log:1", None)
    table.warned("Cuda failure 2 'out of memory'", here, 1, after_end=False)
    notes.mark(NO_DEVICE, "a", "a.log:2")
    notes.echo("NCCL_IB_HCA", "mlx5.", "a", "a.log:3")
    for one in (table, notes):
        packed = msgspec.msgpack.encode(one)
        assert msgspec.msgpack.decode(packed, type=type(one)) == one


@pytest.mark.parametrize(
    ("using", "mark"),
    [
        ("lo:127.0.0.1<0>", "iface-loopback"),
        ("docker0:172.17.0.1<0>", "iface-bridge"),
        ("pod-id-link0:169.254.8.2<0>", "iface-link-local"),
        ("eth0:10.1.0.3<0>", None),
        ("ib0:10.1.0.3<0>", None),
    ],
)
def test_an_interface_that_others_may_not_reach_is_marked(using: str, mark: str | None) -> None:
    line = f"{head('a', 1, 0)} Bootstrap: Using {using}"
    found = nccl_failures.bad_interfaces(nccl([line, line]).marks)
    assert [m.id for m in found] == ([] if mark is None else [mark])


@pytest.mark.parametrize(
    ("network", "via", "verdict"),
    [
        ("IBext_v11", "NET/IBext_v11/0/GDRDMA", "rdma"),
        ("gIB", "NET/gIB/0/GDRDMA", "rdma"),
        ("SPCX", "NET/SPCX/0/GDRDMA", "rdma"),
        ("UCX", "NET/UCX/0", "inconclusive"),
        ("NCCL RDMA Plugin v10", "NET/NCCL RDMA Plugin v10/0", "rdma-no-gdr"),
        ("FasTrak", "NET/FasTrak/0/GDRDMA", "inconclusive"),
        ("GPUDirectTCPX_v7", "NET/GPUDirectTCPX_v7/0", "inconclusive"),
        ("Libfabric", "NET/Libfabric/0", "inconclusive"),
        ("Socket", "NET/Socket/0", "socket"),
    ],
)
def test_a_network_is_judged_by_what_it_is(network: str, via: str, verdict: str) -> None:
    log = nccl(job(network=network, transport=via))
    assert transports.transport_verdict(log) == verdict
    assert transports.network(log) == network


@pytest.mark.parametrize(
    ("provider", "verdict"),
    [("efa", "rdma"), ("cxi", "rdma"), ("verbs;ofi_rxm", "rdma"), ("tcp;ofi_rxm", "socket")],
)
def test_libfabric_is_judged_by_its_provider(provider: str, verdict: str) -> None:
    lines = job(network="OFI", transport="NET/OFI/0/GDRDMA")
    said = f"{head(HOSTS[0], 200, 0)} NET/OFI Selected Provider is {provider} (found 4 nics)"
    assert transports.transport_verdict(nccl([said, *lines])) == verdict


def test_the_worst_communicator_between_nodes_decides() -> None:
    other = [x.replace("0x5dca21b0e1f3aa07", "0xbad0") for x in job(transport="NET/Socket/0")]
    other = [re.sub(r":20(\d):70", r":30\1:80", x) for x in other]
    log = nccl([*job(), *other])
    assert transports.communicator_verdicts(log) == {
        "0x5dca21b0e1f3aa07": "rdma",
        "0xbad0": "socket",
    }
    assert transports.transport_verdict(log) == "socket"


def test_reduction_in_the_switches_proves_no_network() -> None:
    lines = job(transport=None)
    lines += [f"{head(h, 200, 0)} CollNet 00/0 : 0 [send] via COLLNET/SHARP/0" for h in HOSTS]
    assert transports.transport_verdict(nccl(lines)) == "inconclusive"
