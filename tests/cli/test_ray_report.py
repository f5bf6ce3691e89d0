"""What `distcheck ray` reports, before any rendering."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from distcheck.agent.cli.ray_report import ray_report, read_expectation, split_expectation
from distcheck.exporters.text import render_text
from distcheck.lab.ray import ReplayedRay
from distcheck.lab.ray_server import ReplayServer

HEAD, WORKER = "127.77.41.2", "127.77.41.3"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    ray = ReplayedRay([(HEAD, 8), (WORKER, 8)])
    ray.start()
    yield ray.address
    ray.stop()


def verdict(address: str, expect: str = "", token_file: Path | None = None) -> str:
    wanted = split_expectation(expect) if expect else {}
    judged = ray_report(address, wanted, token_file)
    assert judged.bugs == ()
    return judged.report.verdict


def test_what_was_expected_and_is_there_passes(address: str) -> None:
    assert verdict(address, "nodes=2,gpus=16,world=16") == "pass"
    assert verdict(address, f"nodes={HEAD},{WORKER},gpus=16") == "pass"


def test_what_was_expected_and_is_not_there_fails(address: str) -> None:
    assert verdict(address, "nodes=3") == "fail"
    assert verdict(address, "gpus=24") == "fail"
    assert verdict(address, "gpus=16,world=24") == "fail"
    assert verdict(address, f"nodes={HEAD},127.77.41.9") == "fail"


def test_nodes_alone_decide_where_only_they_were_expected(address: str) -> None:
    assert verdict(address, "nodes=2") == "pass"


def test_without_an_expectation_the_whole_is_unknown(address: str) -> None:
    assert verdict(address) == "unknown"


def test_the_report_names_the_target_and_where_the_expectation_came_from(address: str) -> None:
    report = ray_report(address, {"nodes": "2", "world": "16"}).report
    assert (report.target.kind, report.target.name) == ("ray", address)
    assert report.intent.sources == dict.fromkeys(("nodes", "gpus", "ranks"), "--expect")
    assert [f.id for f in report.checks] == ["RAY001", "RAY002", "RAY003"]


def test_a_gcs_that_cannot_be_reached_is_unknown_with_the_reason() -> None:
    report = ray_report("127.77.41.2:1", {"nodes": "2"}).report
    assert report.verdict == "unknown"
    assert report.summary.count("connection refused") == 1
    assert "undecided" not in report.summary
    assert "6379" in report.checks[0].remedy
    assert all("see RAY001" in f.says for f in report.checks[1:])
    assert "intent      2 nodes" in render_text(report)


def test_a_port_that_no_address_has_is_told_the_highest() -> None:
    with pytest.raises(ValueError, match="65535 is the highest port"):
        ray_report("127.0.0.1:99999", {})


def test_a_token_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    replies = ReplayedRay([(HEAD, 8), (WORKER, 8)]).replies
    server = ReplayServer(dict(replies), "127.0.0.1:0", token="s3cret")
    try:
        address = f"127.0.0.1:{server.port}"
        assert verdict(address, "nodes=2", token_file=file) == "pass"
        assert "needs a token" in ray_report(address, {}).report.summary
    finally:
        server.stop()


def test_a_token_file_that_is_no_use_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        ray_report("127.0.0.1:1", {}, tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="empty"):
        ray_report("127.0.0.1:1", {}, tmp_path / "empty")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nodes=0", "at least 1"),
        ("gpus=x", "at least 1"),
        ("gpus=", "at least 1"),
        ("tp=4", "known are"),
        ("nodes=10.0.0.2,10.0.0.2", "twice"),
        ("nodes=10.0.0.2,worker", "no IP address"),
        ("gpus=8,gpus=9", "twice"),
        ("16", "looks like"),
    ],
)
def test_an_expectation_that_cannot_be_read_is_an_input_error(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_expectation(split_expectation(text))


def test_an_address_of_another_form_is_an_input_error() -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        ray_report("vllm-head", {})
