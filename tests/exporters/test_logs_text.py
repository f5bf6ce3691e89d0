"""What an engineer reads about a log, in about ten lines."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.logs import corpus
from tests.logs.nccl_lines import head, job, text

from distcheck.agent.logs.describe import report
from distcheck.agent.logs.distil import Distiller
from distcheck.agent.logs.nccl_grammar import FAILURES, WRAPPED
from distcheck.checks.knowledge.nccl_remedies import FAILURES as REMEDIES
from distcheck.checks.knowledge.rank_ranges import gaps, ranges, spans
from distcheck.checks.logs_pairs import HostPair
from distcheck.checks.logs_report import LogsReport, nccl_part
from distcheck.exporters.logs_text import render_text
from distcheck.exporters.logs_traffic import traffic
from distcheck.exporters.typography import columns

FOUR = ("a", "b", "c", "d")


def told(tmp_path: Path, *files: list[str]) -> LogsReport:
    paths = [tmp_path / f"pod-{number}.log" for number in range(len(files))]
    for path, lines in zip(paths, files, strict=True):
        path.write_bytes(text(lines))
    return report([str(p) for p in paths])


def shown(tmp_path: Path, *files: list[str], width: int = 120) -> str:
    return render_text(told(tmp_path, *files), width)


def test_all_pairs_alike_are_one_sentence(tmp_path: Path) -> None:
    assert "all 4 host pairs: NET/IB with GPUDirect" in shown(tmp_path, job(hosts=FOUR))


def test_two_hosts_are_named(tmp_path: Path) -> None:
    assert "vllm-head-0 and vllm-worker-0: NET/IB with GPUDirect" in shown(tmp_path, job())


def test_the_odd_rank_is_named_with_its_host_and_transport(tmp_path: Path) -> None:
    odd = "b:207:707"
    lines = [
        line.replace("NET/IB/0/GDRDMA", "NET/Socket/0") if line.startswith(odd) else line
        for line in job(hosts=FOUR)
    ]
    page = shown(tmp_path, lines)
    assert "FAIL" in page
    assert "Some ranks on different nodes talk over TCP sockets" in page
    assert "rank 15 on b: NET/Socket for what it sends" in page


def test_gpudirect_on_one_host_only_names_the_end_and_the_host(tmp_path: Path) -> None:
    lines = [
        line.replace("/GDRDMA", "") if line.startswith("vllm-head-0") else line for line in job()
    ]
    page = shown(tmp_path, lines)
    assert "vllm-head-0 has none" in page
    assert "vllm-head-0 to vllm-worker-0: NET/IB with GPUDirect at the receiver only" in page
    pair = told(tmp_path, lines).nccl.pairs[0]
    assert (pair.gdr, pair.gdr_send, pair.gdr_receive) == (False, False, True)


def test_a_host_without_a_log_is_said_to_be_one(tmp_path: Path) -> None:
    lines = job(shown=range(8))
    page = shown(tmp_path, lines)
    assert "vllm-head-0 and a host whose log is not here: NET/IB with GPUDirect" in page
    assert "not in these logs: ranks 8 to 15" in page
    pairs = told(tmp_path, lines).nccl.pairs
    assert {(p.from_host, p.to_host) for p in pairs} == {
        ("vllm-head-0", None),
        (None, "vllm-head-0"),
    }


def test_pods_of_one_group_pair_up_across_their_files(tmp_path: Path) -> None:
    page = shown(tmp_path, job(shown=range(8)), job(shown=range(8, 16)))
    assert "vllm-head-0 and vllm-worker-0: NET/IB with GPUDirect" in page
    assert "16 of 16 complete" in page
    assert page.count("8 of 16 ranks") == 2


def test_several_files_are_one_report_and_one_line_each(tmp_path: Path) -> None:
    files = [
        job(hosts=[f"h{i}" for i in range(16)], shown=range(8 * i, 8 * i + 8)) for i in range(16)
    ]
    lines = shown(tmp_path, *files).strip("\n").split("\n")
    assert [line.split()[1] for line in lines[-16:]] == [f"pod-{i}.log" for i in range(16)]
    assert len(lines) <= 30


def test_sockets_that_are_only_chosen_are_not_called_used(tmp_path: Path) -> None:
    lines = [line for line in job(network="Socket", transport=None) if "NET/IB" not in line]
    page = shown(tmp_path, lines)
    assert "UNKNOWN" in page
    assert "NCCL chose sockets; no channel" in page


def test_why_sockets_comes_with_its_line_and_what_to_do(tmp_path: Path) -> None:
    lines = job(network="Socket", transport="NET/Socket/0")
    lines.insert(2, f"{head('vllm-head-0', 200, 0)} NET/IB : No device found.")
    lines = [line for line in lines if "NET/IB : Using" not in line]
    page = shown(tmp_path, lines)
    assert "TCP sockets, not RDMA: NCCL found no RDMA device" in page
    assert "NET/IB : No device found.   pod-0.log:" in page
    assert "Give the pod its RDMA device" in page


def test_without_nccl_lines_the_setting_that_makes_them_is_named(tmp_path: Path) -> None:
    page = shown(tmp_path, ["INFO: Uvicorn running"])
    assert "This holds no NCCL lines" in page
    assert "NCCL_DEBUG=INFO" in page


def test_warnings_alone_ask_for_info(tmp_path: Path) -> None:
    warn = f"{head('a', 1, 0, 'WARN')} NET/IB : Unable to open device mlx5_9"
    page = shown(tmp_path, [warn, warn])
    assert "Only NCCL's warnings are logged" in page
    assert "NCCL_DEBUG=INFO" in page
    assert "ib-open-device (2 lines)" in page


def test_a_failure_has_its_first_line_its_host_and_a_remedy(tmp_path: Path) -> None:
    warn = head("vllm-worker-0", 203, 3, "WARN").replace(" NCCL", " misc/shmutils.cc:87 NCCL")
    says = "Error: failed to extend /dev/shm/nccl-a1 to 33030528 bytes, error: No space left"
    found = told(tmp_path, [*job(), f"{warn} {says}"])
    page = render_text(found, 120)
    assert "NCCL failed on vllm-worker-0: /dev/shm is too small" in page
    assert f"pod-0.log:{len(job()) + 1}" in page
    assert "emptyDir of medium Memory" in page
    assert found.nccl.root_failure is not None
    assert found.nccl.root_failure.host == "vllm-worker-0"


def test_what_a_failures_words_tell_comes_before_what_its_kind_tells(tmp_path: Path) -> None:
    warn = f"{head('vllm-worker-0', 203, 3, 'WARN')} Cuda failure 2 'out of memory'"
    page = shown(tmp_path, [*job(), warn])
    assert "NCCL failed on vllm-worker-0: the GPU's memory is full" in page
    assert "--gpu-memory-utilization" in page


def test_an_interface_that_no_other_pod_reaches_is_told_beside_the_failure(tmp_path: Path) -> None:
    using = f"{head('vllm-head-0', 201, 1)} Bootstrap: Using lo:127.0.0.1<0>"
    words = "Connect to 127.0.0.1<41000> failed : Connection refused"
    warn = f"{head('vllm-worker-0', 203, 3, 'WARN')} {words}"
    page = " ".join(shown(tmp_path, [*job(complete=[], transport=None), using, warn]).split())
    assert "NCCL's bootstrap uses the loopback on vllm-head-0" in page
    assert "Bootstrap: Using lo:127.0.0.1<0>" in page
    assert "Set NCCL_SOCKET_IFNAME" in page


def test_a_link_that_went_down_is_told_beside_the_failure(tmp_path: Path) -> None:
    down = f"{head('vllm-head-0', 201, 1, 'WARN')} NET/IB : mlx5_0:1 Got async event : port error"
    words = "NET/IB : Got completion from peer 10.0.0.2<41000> with status=12 opcode=0 len=0"
    warn = f"{head('vllm-worker-0', 203, 3, 'WARN')} {words}"
    page = " ".join(shown(tmp_path, [*job(), down, warn]).split())
    assert "the link of an RDMA port went down on vllm-head-0" in page
    assert "Look at cable" in page


def test_one_rank_is_not_called_ranks(tmp_path: Path) -> None:
    page = shown(tmp_path, job(shown=[0], hosts=["a"], per_host=1))
    assert "1 ranks" not in page


def test_nothing_that_a_log_says_can_drive_the_terminal(tmp_path: Path) -> None:
    warn = f"{head('a', 1, 0, 'WARN')} No transport found for rank \x1b]0;owned\x07 1"
    page = shown(tmp_path, [warn])
    assert "\x1b" not in page
    assert "\x07" not in page


@pytest.mark.parametrize("label", corpus.labels(), ids=lambda p: p.stem)
@pytest.mark.parametrize("width", [80, 200])
def test_a_real_log_is_told_in_few_lines_that_fit(label: Path, width: int) -> None:
    page = render_text(report([str(label.with_suffix(".log"))]), width)
    lines = page.strip("\n").split("\n")
    assert len(lines) <= (18 if width == 80 else 13)
    assert max(map(columns, lines)) <= width


@given(st.lists(st.integers(0, 40)), st.integers(0, 50))
def test_ranges_and_gaps_together_are_all_ranks(ranks: list[int], size: int) -> None:
    inside = [r for r in ranks if r < size]
    both = [*ranges(inside), *gaps(inside, size)]
    assert sorted(r for a, b in both for r in range(a, b + 1)) == list(range(size))


def test_ranges_in_words() -> None:
    assert spans(ranges([9, 0, 1, 2])) == "0 to 2, 9"


_names = st.sampled_from(["a", "b", "c", None])
_transports = st.sampled_from(["NET/IB/GDRDMA", "NET/IB", "NET/Socket", "P2P/MNNVL", "NET/x y/Q"])


@given(
    st.lists(
        st.builds(
            HostPair,
            from_host=_names,
            to_host=_names,
            transports=st.dictionaries(_transports, st.integers(1, 9), min_size=1),
            gdr=st.none() | st.booleans(),
            gdr_send=st.none() | st.booleans(),
            gdr_receive=st.none() | st.booleans(),
            source=st.just("x:1"),
        ),
        max_size=12,
    )
)
def test_any_pairs_are_told_in_few_sentences(pairs: list[HostPair]) -> None:
    assert len(traffic(pairs, ())) <= 6
    assert bool(traffic(pairs, ())) == bool(pairs)


@given(st.lists(st.sampled_from(job(hosts=FOUR, per_host=2)), max_size=40))
def test_any_lines_of_a_job_give_a_report(lines: list[str]) -> None:
    distiller = Distiller("x")
    distiller.feed(text(lines))
    part = nccl_part(distiller.finish().nccl)
    assert part.summary.says
    assert part.verdict == "inconclusive" or part.summary.why


def test_every_failure_and_cause_of_the_grammar_has_advice() -> None:
    fatal = {f.id for f in FAILURES if f.weight != "noise"} | {name for name, _ in WRAPPED}
    assert fatal <= set(REMEDIES)
