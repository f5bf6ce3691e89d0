import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.logs.nccl_lines import COMM, HOSTS, head, job, text

from distcheck.agent.logs.describe import report
from distcheck.agent.logs.distil import Distilled, Distiller, combine
from distcheck.agent.logs.nccl import NcclReader, merge
from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.knowledge import initialisation, transport_causes, transports
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.logs_report import nccl_part
from distcheck.exporters.logs_text import render_text

AT = "2026-03-01T08:10:41.932415Z"
RAY = "\x1b[36m(RayWorkerWrapper pid=581, ip=10.0.0.2)\x1b[0m "


def read(lines: list[str], source: str = "pod.log", chunk: int = 1 << 16) -> Distilled:
    data, distiller = text(lines), Distiller(source)
    for start in range(0, len(data), chunk):
        distiller.feed(data[start : start + chunk])
    return distiller.finish()


def nccl(lines: list[str]) -> NcclLog:
    return read(lines).nccl


def test_a_job_over_two_hosts_is_one_communicator() -> None:
    log = nccl(job())
    world = world_of(log.communicators)
    assert world is not None
    assert (world.id, world.nranks, world.nodes, len(world.complete)) == (COMM, 16, 2, 16)
    assert log.start_seen
    assert transports.verdict(log) == "rdma"


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_chunk_sizes_do_not_change_what_is_read(chunk: int) -> None:
    assert read(job(), chunk=chunk) == read(job())


def test_every_rank_cites_its_line() -> None:
    lines = job()
    world = world_of(nccl(lines).communicators)
    assert world is not None
    for rank in world.ranks:
        name, _, number = rank.source.rpartition(":")
        assert name == "pod.log"
        assert f" rank {rank.rank} " in lines[int(number) - 1]


def test_cri_lines_with_a_message_in_two_parts_are_read() -> None:
    framed = []
    for line in job():
        middle = line.find("NCCL") + 2
        framed.append(f"{AT} stdout P {line[:middle]}")
        framed.append(f"{AT} stdout F {line[middle:]}")
    log = nccl(framed)
    assert transports.verdict(log) == "rdma"
    assert len(log.communicators[0].complete) == 16
    assert log.communicators[0].ranks[0].stamp == AT


@pytest.mark.parametrize(
    "prefix",
    [RAY, "0: ", "[1,3]<stdout>:", "[default0]:", "(Worker_TP3 pid=221) ", "x\r", AT + " "],
)
def test_prefixes_of_launchers_do_not_matter(prefix: str) -> None:
    log = nccl([prefix + line for line in job()])
    assert log.hosts == HOSTS
    assert transports.verdict(log) == "rdma"


def test_lines_that_ray_folds_are_counted_and_leave_the_ranks_unseen() -> None:
    lines = job(shown=[0, 1])
    lines[-1] += "\x1b[32m [repeated 15x across cluster]\x1b[0m"
    log = nccl([RAY + line for line in lines])
    assert log.folded == 14
    assert len(log.communicators[0].ranks) == 2


def test_folding_hides_ranks_so_a_rank_without_its_end_is_no_failure() -> None:
    lines = job(complete=[0])
    assert initialisation.half_initialised(nccl(lines))
    lines.append(lines[0] + " [repeated 15x across cluster]")
    assert not initialisation.half_initialised(nccl(lines))


def test_two_messages_in_one_line_are_both_read() -> None:
    lines = job()
    log = nccl([*lines[:3], lines[3] + lines[4], *lines[5:]])
    assert len(log.communicators[0].complete) == 16


def test_a_sheared_host_name_makes_no_host() -> None:
    sheared = job()[3].replace("vllm-head-0", "vllm-headvllm-head-0")
    log = nccl([*job(), sheared])
    assert log.hosts == HOSTS
    assert log.sheared == 1


def test_a_rank_outside_its_communicator_is_refused() -> None:
    line = f"{head('a', 1, 0)} comm 0x1 rank 9 nranks 8 cudaDev 0 busId 1a000 - Init COMPLETE"
    assert nccl([line, line]).communicators == ()


def test_communicators_without_an_id_are_put_together_by_rank() -> None:
    tail = "cudaDev {0} busId 1{0}000 - Init COMPLETE"
    lines = []
    for _ in range(2):
        for rank in range(4):
            at = head("old", 100 + rank, rank)
            lines.append(f"{at} comm 0x{rank}{_}f rank {rank} nranks 4 {tail.format(rank)}")
    found = nccl(lines).communicators
    assert [(c.nranks, len(c.complete), c.inferred) for c in found] == [(4, 4, True)] * 2


def test_children_of_a_split_meet_by_their_parent_and_colour() -> None:
    lines = job()
    for rank in range(16):
        at = head(HOSTS[rank // 8], 200 + rank % 8, rank % 8)
        who = f"ncclCommSplit comm 0x77a0{rank:04x} rank {rank % 8} nranks 8 cudaDev {rank % 8}"
        parent = f"parent 0x55a0{rank:04x} splitCount 1 color {rank // 8} key 0"
        lines.append(f"{at} {who} nvmlDev {rank % 8} busId 1a000 {parent}- Init START")
        lines.append(f"{at} {who} nvmlDev {rank % 8} busId 1a000 {parent} - Init COMPLETE")
    children = [c for c in nccl(lines).communicators if c.id != COMM]
    assert {(c.nranks, len(c.complete)) for c in children} == {(8, 8)}
    assert len(children) == 2


def test_channels_belong_to_their_communicator() -> None:
    assert {c.communicator for c in nccl(job()).channels} == {COMM}


def test_rccl_names_the_communicator_on_its_channel_lines() -> None:
    ends = {" 7[7] -> 8[0] [send]": "0x55a00007", " 15[7] -> 0[0] [send]": "0x55a0000f"}
    lines = job()
    for end, pointer in ends.items():
        lines = [f"{x} comm {pointer} nRanks 16" if end in x else x for x in lines]
    sends = [c for c in nccl(lines).channels if c.scope == "inter_node" and c.direction == "send"]
    assert {c.communicator for c in sends} == {COMM}
    assert {c.transport for c in sends} == {"NET/IB/GDRDMA"}


@pytest.mark.parametrize(
    ("via", "transport"),
    [
        ("NET/IB/3(5)/GDRDMA", "NET/IB/GDRDMA"),
        ("NET/IB/0", "NET/IB"),
        ("NET/Socket/1", "NET/Socket"),
        ("NET/AWS Libfabric/2/GDRDMA", "NET/AWS Libfabric/GDRDMA"),
        ("NET/IBext_v8/0/GDRDMA/Shared", "NET/IBext_v8/GDRDMA/Shared"),
        ("NET/IB/0/GDRDMA(PCI)", "NET/IB/GDRDMA(PCI)"),
        ("P2P/CUMEM/read", "P2P/CUMEM/read"),
        ("P2P/direct pointer", "P2P/direct pointer"),
        ("direct shared memory", "direct shared memory"),
        ("SHM/direct/direct", "SHM/direct/direct"),
    ],
)
def test_transports_are_named_without_their_numbers(via: str, transport: str) -> None:
    line = f"{head('a', 1, 0)} Channel 00/0 : 0[0] -> 1[1] [send] via {via}"
    assert [c.transport for c in nccl([line, line]).channels] == [transport]


@pytest.mark.parametrize("via", ["NET/IB/0/GDRDMAhost", "P2P/Cvllm", "NET/IB/", "", "SHM"])
def test_a_cut_transport_is_no_transport(via: str) -> None:
    line = f"{head('a', 1, 0)} Channel 00/0 : 0[0] -> 1[1] [send] via {via}"
    log = nccl([line, line])
    assert (log.channels, log.sheared) == ((), 2)


def test_nvlink_between_hosts_is_told_from_nvlink_within_one() -> None:
    lines = [line.replace("nNodes 2", "nNodes 1") for line in job(transport="P2P/MNNVL")]
    lines = [line.replace(" [send]", "").replace("MNNVL 0", "MNNVL 1") for line in lines]
    lines = [line.replace("P2P/CUMEM", "P2P/MNNVL") for line in lines if "[receive]" not in line]
    log = nccl(lines)
    assert {c.scope for c in log.channels} == {"intra_node", "inter_node"}
    assert transports.verdict(log) == "mnnvl"


@pytest.mark.parametrize(
    ("words", "name", "fatal"),
    [
        ("Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 5", "duplicate-gpu", True),
        ("Error: failed to extend /dev/shm/nccl-x to 9 bytes", "shm-no-space", True),
        ("Connect to 10.0.0.3<41> failed : Connection refused", "bootstrap-connect", True),
        ("Bootstrap : no socket interface found", "iface-none", True),
        ("NET/IB : Got completion from peer 10.0.0.3<41> with status=12 x", "ib-completion", True),
        ("[Service thread] Accept failed Success", "proxy-teardown", False),
        (
            "[Proxy Service 3] Failed to execute operation Setup from rank 3",
            "proxy-operation",
            True,
        ),
        ("NET/IB :SHARP coll init error: Cannot create SHArP job(-11)", "sharp", False),
        ("something that no version says", "warn", False),
    ],
)
def test_a_warning_is_named_and_weighed(words: str, name: str, fatal: bool) -> None:
    lines = [f"{head('a', 1, 0)} Bootstrap: Using eth0:1.2.3.4<0>"]
    lines.append(f"a:1:501 [0] misc/file.cc:12 NCCL WARN {words}")
    (found,) = nccl(lines).failures
    assert (found.id, found.fatal, found.line) == (name, fatal, 2)


def test_a_failure_names_the_peer_address() -> None:
    line = "a:1:501 [0] misc/socket.cc:1 (f) NCCL WARN Connect to 10.0.0.3<41> failed : Refused"
    assert nccl([line, line]).failures[0].peer == "10.0.0.3<41>"


def test_the_words_of_pytorch_are_all_there_is_without_nccl_lines() -> None:
    log = nccl(
        [
            "[rank1]: ncclRemoteError: A call failed possibly due to a network error.",
            "[rank1]: Last error:",
            "[rank1]: Connect to 10.0.0.3<41> failed : No route to host",
        ]
    )
    assert [(f.id, f.line) for f in log.failures] == [("bootstrap-connect", 3)]


def test_a_failure_before_the_process_started_again_is_past() -> None:
    start = f"{head('a', 1, 0)} Bootstrap: Using eth0:1.2.3.4<0>"
    warn = "a:1:501 [0] init.cc:1 NCCL WARN Cuda failure 2 'out of memory'"
    assert [f.fatal for f in nccl([start, warn]).failures] == [True]
    assert [f.fatal for f in nccl([start, warn, start]).failures] == [False]


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (["NET/IB : No device found."], "no-ib-device"),
        (["NCCL_IB_DISABLE set by environment to 1."], "env-NCCL_IB_DISABLE"),
        (["NCCL_NET set by environment to Socket."], "env-NCCL_NET"),
        (["Failed to open libibverbs.so[.1]"], "libibverbs-missing"),
        (
            ["NCCL_IB_HCA set to mlx5_9", "NET/IB : No device found."],
            "env-NCCL_IB_HCA-filter-or-no-device",
        ),
        (["NET/OFI No eligible providers were found"], "efa-plugin-init-failed-no-provider"),
        ([], None),
    ],
)
def test_why_sockets_were_chosen(lines: list[str], cause: str | None) -> None:
    said = [f"{head('a', 1, 0)} {line}" for line in [*lines, "Using network Socket"]]
    log = nccl(said * 2)
    assert transport_causes.socket_fallback_cause(log) == cause
    assert bool(transport_causes.cause_lines(log, cause)) is (cause is not None)


def test_a_log_of_warnings_proves_no_transport() -> None:
    lines = ["NCCL version 2.22.3+cuda12.6", f"{head('a', 1, 0, 'WARN')} x"]
    log = nccl(lines)
    assert (log.info, transports.transport_verdict(log)) == (False, "inconclusive")
    assert log.versions == ("2.22.3+cuda12.6",)


def test_channels_that_are_not_there_yet_prove_nothing() -> None:
    lines = [line for line in job() if " via " not in line and "Connected" not in line]
    assert transports.verdict(nccl(lines)) == "inconclusive"


def test_ranks_that_started_and_never_completed_failed() -> None:
    lines = [line for line in job(complete=[]) if " via " not in line and "Connected" not in line]
    log = nccl(lines)
    assert (initialisation.init_complete_ranks(log), transports.verdict(log)) == (0, "failed")


def test_logs_of_two_pods_merge_by_communicator() -> None:
    parts = [read(job(shown=range(8)), "head"), read(job(shown=range(8, 16)), "worker")]
    merged = combine(parts).nccl
    assert len(merged.communicators) == 1
    assert len(merged.communicators[0].complete) == 16
    assert merged.start_seen
    assert merge([p.nccl for p in parts]) == merged


def test_a_log_without_its_start_says_so() -> None:
    lines = [line for line in job() if "Bootstrap" not in line and "START" not in line]
    assert not nccl(lines).start_seen


def test_the_text_of_a_report_is_short(tmp_path: Path) -> None:
    path = tmp_path / "pod.log"
    path.write_bytes(text(job(network="Socket", transport="NET/Socket/0")))
    shown = render_text(report([str(path)]), 200)
    assert "socket" in shown
    assert len(shown.splitlines()) <= 12


@given(st.lists(st.text(max_size=120), max_size=30))
def test_any_text_gives_facts_or_nothing(lines: list[str]) -> None:
    reader = NcclReader("x")
    for number, line in enumerate(lines, 1):
        reader.line(number, None, line)
    nccl_part(reader.result())


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), cut=st.integers(0, 40_000), noise=st.binary(max_size=300))
def test_a_cut_and_shuffled_log_creates_no_host_rank_or_transport(
    seed: int, cut: int, noise: bytes
) -> None:
    lines = job()
    random.Random(seed).shuffle(lines)
    data = text(lines)[:cut]
    distiller = Distiller("x")
    distiller.feed(data[: cut // 2])
    distiller.feed(b"\n" + noise + b"\n")
    distiller.feed(data[cut // 2 :])
    log = distiller.finish().nccl
    assert set(log.hosts) <= set(HOSTS)
    assert {c.nranks for c in log.communicators} <= {16, 1}
    assert {c.transport for c in log.channels} <= {"NET/IB", "NET/IB/GDRDMA", "P2P/CUMEM"}


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_hostile_lines_after_nccl_heads_never_raise(data: st.DataObject) -> None:
    words = ["comm 0x1 rank ", "nranks ", " - Init START", "Channel 00/0 : ", " via ", "9" * 30]
    parts = st.lists(st.sampled_from(words) | st.text(max_size=9), max_size=8).map("".join)
    levels = st.sampled_from(["INFO", "WARN", "TRACE"])
    lines = [f"{head('h', 5, 0, data.draw(levels))} {data.draw(parts)}" for _ in range(10)]
    nccl_part(nccl(lines))
