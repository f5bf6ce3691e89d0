"""Packets dropped by who sends them, in a network of the lab's own."""

import socket
from contextlib import closing
from pathlib import Path

import pytest
from tests.probes.namespaces import need_namespaces

from distcheck.agent.cli import lab
from distcheck.agent.cli.app import main
from distcheck.lab import firewall
from distcheck.lab.layout import make_members
from distcheck.lab.ray import ReplayedRay
from distcheck.lab.scenario import Drop, Scene

HEAD, WORKER = "127.77.0.2", "127.77.0.3"
SCENARIO = "ray-port-filtered"


def connects(source: str, target: str, port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(0.3)
        client.bind((source, 0))
        return client.connect_ex((target, port)) == 0


def home() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def test_only_what_one_pod_sends_to_that_port_is_dropped() -> None:
    need_namespaces()
    before = home()
    members = make_members(Scene(), Path("/nowhere"), "127.77.0")
    with firewall.own_network():
        assert home() != before
        ray = ReplayedRay([(HEAD, 8), (WORKER, 8)])
        with (
            closing(socket.create_server((HEAD, ray.gcs_port))),
            closing(socket.create_server((WORKER, 7001))),
        ):
            firewall.drop([Drop("gpu-b", "gpu-a", "gcs")], members, ray)
            assert not connects(WORKER, HEAD, ray.gcs_port)
            assert connects(HEAD, HEAD, ray.gcs_port)
            assert connects(HEAD, WORKER, 7001)
    assert home() == before


def test_a_rule_that_nftables_refuses_is_told_and_this_thread_comes_home() -> None:
    need_namespaces()
    before = home()
    with pytest.raises(OSError, match="nft: "), firewall.own_network():
        firewall._run("nft", "-f", "-", text="no rule")
    assert home() == before


def test_without_root_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["lab", "run", SCENARIO]) == 2
    said = capsys.readouterr().err
    assert f"{SCENARIO} cannot run here: it drops packets by nftables" in said
    assert "run it as root" in said


def test_tools_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert firewall.why_not().endswith("install ip and nft")


def test_a_check_of_all_scenarios_tells_which_it_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = {SCENARIO: lab._scenarios()[SCENARIO]}
    monkeypatch.setattr(lab, "_scenarios", lambda: one)
    monkeypatch.setattr(lab, "why_not", lambda: "run it as root")
    assert lab.check() == 0
    assert capsys.readouterr().out == f"not run  {SCENARIO}: run it as root\n"
