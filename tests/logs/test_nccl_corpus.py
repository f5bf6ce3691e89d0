import gzip
from pathlib import Path

import pytest
from tests.logs import corpus

from distcheck.agent.logs.describe import describe, report

LABELS = corpus.labels()
FIELDS = (
    "network",
    "inter_node_transports",
    "intra_node_transports",
    "gdrdma",
    "nranks",
    "hosts",
    "init_complete_ranks",
    "socket_fallback_cause",
    "verdict",
    "transport_verdict",
)


def test_labelled_logs_are_there_or_it_is_said() -> None:
    corpus.need(LABELS)
    assert len(LABELS) >= 17


@pytest.mark.parametrize("label", LABELS, ids=lambda p: p.stem)
def test_every_field_of_a_label_is_met(label: Path) -> None:
    want = corpus.expected(label)
    found = describe([str(label.with_suffix(".log"))])["nccl"]
    assert isinstance(found, dict)
    assert {f: _plain(found[f]) for f in FIELDS} == {f: want[f] for f in FIELDS}


@pytest.mark.parametrize("label", LABELS, ids=lambda p: p.stem)
def test_failures_of_a_label_are_found_and_weighed(label: Path) -> None:
    want = {_failure(text) for text in corpus.expected(label)["failures"]}
    part = report([str(label.with_suffix(".log"))]).nccl
    assert {(f.id, f.fatal) for f in part.failures} == want


@pytest.mark.parametrize("label", LABELS, ids=lambda p: p.stem)
def test_every_cited_line_is_where_the_citation_says(label: Path) -> None:
    path = label.with_suffix(".log")
    lines = path.read_bytes().split(b"\n")
    for _, source in report([str(path)]).nccl.evidence:
        assert b"NCCL" in lines[int(source.rpartition(":")[2]) - 1]


@pytest.mark.parametrize("label", LABELS[:3], ids=lambda p: p.stem)
def test_a_gzip_log_says_the_same(label: Path, tmp_path: Path) -> None:
    path = label.with_suffix(".log")
    packed = tmp_path / "packed.log.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert report([str(packed)]).nccl.verdict == report([str(path)]).nccl.verdict


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _failure(label: str) -> tuple[str, bool]:
    noise = label.startswith("(non-fatal) ")
    return label.removeprefix("(non-fatal) ").split(":")[0], not noise
