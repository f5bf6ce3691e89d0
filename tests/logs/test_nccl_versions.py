import gzip
import json
import random
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from tests.logs import nccl_launchers as launchers
from tests.logs.nccl_versions import OFI, RELEASES, VERSIONS, Job, Line, Truth, log, truth

from distcheck.agent.logs.distil import Distilled, Distiller, combine
from distcheck.agent.logs.files import distil_file
from distcheck.checks.logs_report import NcclPart, nccl_part

JOB = Job()
WITHOUT_IDS = tuple(v for v, release in RELEASES.items() if release < (2, 16, 0))
"""Releases whose communicators have no id: nothing tells whose ranks two pods show."""
STARTED = tuple(v for v in VERSIONS if RELEASES.get(v, (2, 22, 3)) >= (2, 18, 3))
LATE = tuple(v for v, release in RELEASES.items() if release >= (2, 22, 0))
STAMPED = tuple(v for v, release in RELEASES.items() if release >= (2, 26, 0))


@cache
def written(version: str, job: Job = JOB) -> tuple[Line, ...]:
    return tuple(log(version, job))


def distilled(data: bytes, source: str = "pod.log") -> Distilled:
    distiller = Distiller(source)
    distiller.feed(data)
    return distiller.finish()


def read(lines: tuple[Line, ...], frame: launchers.Frame = launchers.LAUNCHERS["none"]) -> NcclPart:
    return nccl_part(distilled(launchers.text(frame, lines)).nccl)


def told(part: NcclPart) -> Truth:
    """What the reader found, in the words of the simulator."""
    return Truth(
        hosts=part.hosts,
        network=part.network or "",
        inter_node=part.inter_node_transports,
        intra_node=part.intra_node_transports,
        gdrdma=part.gdrdma,
        nranks=part.nranks,
        complete=part.init_complete_ranks,
        communicators=tuple(sorted((c.nranks, c.ranks_complete) for c in part.communicators)),
        failures=frozenset((f.id, f.fatal) for f in part.failures),
        transport_verdict=part.transport_verdict,
        verdict=part.verdict,
    )


@pytest.mark.parametrize("launcher", launchers.LAUNCHERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_launcher_changes_nothing_of_what_is_read(version: str, launcher: str) -> None:
    part = read(written(version), launchers.LAUNCHERS[launcher])
    assert told(part) == truth(version, JOB)
    assert part.start_seen


@pytest.mark.parametrize("stamp", launchers.STAMPS)
@pytest.mark.parametrize("version", STAMPED)
def test_a_stamp_of_nccls_own_changes_nothing(version: str, stamp: str) -> None:
    assert told(read(written(version), launchers.STAMPS[stamp])) == truth(version, JOB)


JOBS = {
    "roce-no-gdr": Job(gdr=(False, False)),
    "one-side-gdr": Job(gdr=(True, False)),
    "one-node": Job(hosts=("gpu-a",), per_host=4, gdr=(True,)),
    "socket": Job(network="Socket", gdr=(False, False), no_device=True),
    "shared-memory": Job(local="SHM"),
    "pxn": Job(pxn=True),
    "c2c": Job(c2c=True),
    "one-visible-gpu": Job(one_visible=True),
    "one-gpu-a-host": Job(hosts=("gpu-a", "gpu-b", "gpu-c", "gpu-d"), per_host=1, gdr=(True,) * 4),
    "hpcx": Job(network="IBext_v8"),
    "gib": Job(network="gIB"),
    "tcpxo": Job(network="FasTrak"),
    "tcpx": Job(network="GPUDirectTCPX_v7"),
    "efa": Job(network="AWS Libfabric"),
    "efa-1.13": Job(network="Libfabric"),
    "slingshot": Job(network="OFI", provider="cxi"),
    "ofi-tcp": Job(network="Libfabric", provider="tcp", gdr=(False, False)),
    "split-twice": Job(split_twice=True),
    "digits-first": Job(hosts=("10-1-16-226", "10-1-16-227")),
    "capitals": Job(hosts=("XE9640H100x480GSXM5", "ip-0A230412")),
}


SAME_IDS = tuple(v for v in VERSIONS if (2, 18, 0) <= RELEASES.get(v, (2, 22, 3)) < (2, 23, 0))
"""Releases that give two children of one parent and one color the same commId."""


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_transport_is_read_at_every_release(version: str, name: str) -> None:
    assert told(read(written(version, JOBS[name]))) == truth(version, JOBS[name])


@pytest.mark.parametrize("failure", ["unreachable", "duplicate", "shm", "completion", "teardown"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_failure_is_named_at_every_release(version: str, failure: str) -> None:
    job = Job(failure=failure)
    assert told(read(written(version, job))) == truth(version, job)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_release_itself_is_read(version: str) -> None:
    part = read(written(version))
    want = "2.22.3-HEAD:271856d" if version not in RELEASES else version
    assert [v.partition("+")[0] for v in part.versions] == [want]
    assert part.flavour == ("NCCL" if version in RELEASES else "RCCL")


@pytest.mark.parametrize("version", VERSIONS)
def test_no_line_is_called_sheared(version: str) -> None:
    assert not read(written(version)).notes


@pytest.mark.parametrize("version", VERSIONS)
def test_the_files_of_the_pods_add_up_to_the_job(version: str) -> None:
    lines = written(version)
    parts = (tuple(x for x in lines if x.host == host) for host in JOB.hosts)
    found = combine(distilled(launchers.text(launchers.LAUNCHERS["cri"], p)) for p in parts)
    part, want = told(nccl_part(found.nccl)), truth(version, JOB)
    if version in WITHOUT_IDS:  # two pods' ranks 0 of two ranks may be of one or of two
        part = replace(part, communicators=want.communicators)
    assert part == want


@pytest.mark.parametrize("version", VERSIONS)
def test_a_packed_log_says_the_same(version: str, tmp_path: Path) -> None:
    path = tmp_path / "pod.log.gz"
    path.write_bytes(gzip.compress(launchers.text(launchers.LAUNCHERS["docker"], written(version))))
    assert told(nccl_part(distil_file(str(path)).nccl)) == truth(version, JOB)


def test_the_names_of_libfabric_are_all_tried() -> None:
    assert {j.network for j in JOBS.values()} >= set(OFI)


HEALTHY = ("rdma", "inconclusive")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_log_without_its_start_neither_fails_nor_invents(version: str) -> None:
    lines = written(version)
    for cut in range(1, len(lines), len(lines) // 12):
        part = read(lines[cut:])
        assert part.verdict in HEALTHY
        assert set(part.hosts) <= set(JOB.hosts)
        assert (part.nranks or 0) <= JOB.world


@pytest.mark.parametrize("version", VERSIONS)
def test_lines_that_a_collector_drops_make_no_failure(version: str) -> None:
    chance = random.Random(version)
    for _ in range(8):
        part = read(tuple(x for x in written(version) if chance.random() > 0.1))
        assert part.verdict in HEALTHY


@pytest.mark.parametrize("version", VERSIONS)
def test_one_pod_alone_shows_its_own_ranks_of_all(version: str) -> None:
    part = read(tuple(x for x in written(version) if x.host == "gpu-a"))
    assert (part.nranks, part.init_complete_ranks) == (JOB.world, JOB.per_host)
    assert part.transport_verdict == "rdma"


def folded(lines: tuple[Line, ...]) -> bytes:
    """Ray's deduplication: of lines equal up to numbers one is shown, and one with a count."""
    first: dict[str, int] = {}
    again: dict[str, tuple[int, Line]] = {}
    shown: list[str] = []
    for line in lines:
        key = re.sub(r"\d+", "", line.text.rpartition("NCCL INFO")[2])
        if line.rank and key in first and first[key] != line.rank:
            again[key] = again.get(key, (0, line))[0] + 1, line
            continue
        first.setdefault(key, line.rank)
        shown.append(f"(RayWorkerWrapper pid={line.pid}) {line.text}" if line.rank else line.text)
    for count, line in again.values():
        mark = f"\x1b[32m [repeated {count}x across cluster]\x1b[0m"
        shown.append(f"(RayWorkerWrapper pid={line.pid}) {line.text}{mark}")
    return ("\n".join(shown) + "\n").encode()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_ray_folds_away_makes_no_failure(version: str) -> None:
    part = nccl_part(distilled(folded(written(version))).nccl)
    assert part.verdict in HEALTHY
    assert part.transport_verdict == "rdma"


@pytest.mark.parametrize("version", VERSIONS)
def test_ranks_that_ray_folded_away_are_not_taken_for_dead(version: str) -> None:
    ends = ("Init COMPLETE", "Connected", "Destroy")
    lines = tuple(x for x in written(version) if not any(end in x.text for end in ends))
    assert nccl_part(distilled(folded(lines)).nccl).verdict != "failed"


@pytest.mark.parametrize("version", STARTED)
def test_a_later_communicator_that_hangs_is_no_pass(version: str) -> None:
    assert read(written(version, Job(failure="hang"))).verdict != "rdma"


@pytest.mark.parametrize("version", STARTED)
def test_a_second_world_that_hangs_is_no_pass(version: str) -> None:
    """An engine makes its own communicator of all ranks after PyTorch's."""
    lines = written(version)
    again = (x for x in lines if " Init START" in x.text and f"nranks {JOB.world} " in x.text)
    moved = (x._replace(text=re.sub(r"comm 0x\w+", "comm 0x7700", x.text)) for x in again)
    other = tuple(x._replace(text=re.sub(r"commId 0x\w+", "commId 0x99", x.text)) for x in moved)
    assert read(tuple(x for x in lines if "Destroy" not in x.text) + other).verdict != "rdma"


@pytest.mark.parametrize("version", LATE)
def test_rings_that_are_planned_and_never_connected_are_no_pass(version: str) -> None:
    """With runtime connection COMPLETE comes first: it says nothing of the network."""
    lines = (x for x in written(version) if "Connected" not in x.text and "Destroy" not in x.text)
    assert read(tuple(lines)).verdict != "rdma"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_that_libfabric_fails_is_a_failure(version: str) -> None:
    job = Job(network="AWS Libfabric", provider="cxi", failure="ofi-completion")
    assert read(written(version, job)).verdict == "failed"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_log_of_warnings_alone_names_the_host(version: str) -> None:
    lines = written(version, Job(failure="completion"))
    part = read(tuple(x for x in lines if "NCCL INFO" not in x.text and "DIAG" not in x.text))
    assert part.verdict == "failed"
    assert part.hosts == ("gpu-a",)
    assert not any("sheared" in note for note in part.notes)


@pytest.mark.parametrize("stamp", ["08:31:07", "2026-03-01T08:31:07.208-07:00"])
def test_a_stamp_without_a_space_is_no_part_of_the_host(stamp: str) -> None:
    lines = (f"{stamp if 'NCCL INFO' in x.text else ''}{x.text}" for x in written("2.27.7"))
    part = nccl_part(distilled("\n".join(lines).encode()).nccl)
    assert part.hosts == JOB.hosts


def test_json_of_a_collector_that_drops_the_newline_is_read_by_line() -> None:
    lines = (json.dumps({"log": x.text, "stream": "stdout"}) for x in written("2.27.7"))
    part = nccl_part(distilled("\n".join(lines).encode()).nccl)
    assert told(part) == truth("2.27.7", JOB)


CALLERS = {
    "nccl-tests": "gpu-a: Test NCCL failure common.cu:958 'internal error - please report'",
    "pytorch": "RuntimeError: NCCL Error 2: unhandled system error (run with NCCL_DEBUG=INFO)",
}


@pytest.mark.parametrize("caller", CALLERS)
def test_the_words_of_a_caller_are_a_failure(caller: str) -> None:
    assert nccl_part(distilled(CALLERS[caller].encode() + b"\n").nccl).verdict == "failed"


WARNINGS = (
    "socketPollConnect to 10.0.0.2<45763> failed with error Connection timed out",
    "socketStartConnect: exceeded retries (20000)",
    "NET/Socket : No usable listening interface found",
    "no device found after excluding ^eth0, verify NCCL_OOB_NET_IFNAME",
    "NET/IB : Attempted to connect incompatible devices: [0]mlx5_0:1/IB and [1]mlx5_1:1/RoCE",
    "ibv_post_send() failed with error Cannot allocate memory, Bad WR 0x1, First WR 0x1",
    "NET/OFI Unable to insert remote address into address vector for device 1. RC: 0",
    "NET/OFI Remote write completed with error. RC: -5. Flags: 2. Error: 5 (Input/output error)",
    "NET/OFI Couldn't open CQ. RC: -12, ERROR: Cannot allocate memory",
    "Error: failed to create shared memory file /dev/shm/nccl-a1, error Permission denied (13)",
    "communicator encountered a fatal error (detected in ncclAllReduce)",
)


@pytest.mark.parametrize("words", WARNINGS)
def test_a_warning_after_which_nccl_gives_up_is_a_failure(words: str) -> None:
    head = "gpu-a:200:700 [0] NCCL INFO Using network IB"
    text = f"{head}\n{head}\n\ngpu-a:200:700 [0] misc/socket.cc:483 NCCL WARN {words}\n"
    (found,) = nccl_part(distilled(text.encode()).nccl).failures
    assert found.fatal
