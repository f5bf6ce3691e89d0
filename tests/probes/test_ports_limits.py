"""What an agent does not let itself be made to do: connect anywhere, wait, or keep descriptors."""

import socket
from pathlib import Path

import pytest

from distcheck.agent.probes.ports import PortTarget, look
from distcheck.checks.evidence import PortProbe

OWN = Path("/proc/self/ns/net")
IP = "127.83.0.2"


def tried(ip: str, port: int, source: str | None = None) -> PortProbe:
    return look(OWN, source, [PortTarget("llm/other", ip, port, "gcs")])[0]


@pytest.mark.parametrize("address", ["169.254.169.254", "localhost", "0.0.0.0", "224.0.0.1"])
def test_an_address_that_no_pod_can_have_is_not_tried(address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen = tried(address, server.getsockname()[1])
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()
    assert (seen.outcome, seen.seconds) == ("error", 0.0)
    assert seen.detail.startswith("not tried: ")


def test_a_source_that_is_not_this_machines_is_an_error_not_a_closed_path() -> None:
    with socket.create_server((IP, 0)) as server:
        assert tried(IP, server.getsockname()[1], "203.0.113.7").outcome == "error"


def test_ipv6_is_tried_as_well() -> None:
    with socket.socket(socket.AF_INET6) as probe:
        if probe.connect_ex(("::1", 9)) == 99:
            pytest.skip("this machine has no IPv6 address")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        assert tried("::1", port).outcome == "open"
    assert tried("::1", port).outcome == "refused"


def test_a_process_that_is_gone_is_an_error_of_the_look() -> None:
    with pytest.raises(OSError, match="No such file"):
        look(Path("/proc/0/ns/net"), None, [PortTarget("p", IP, 1, "gcs")])


def test_what_is_no_namespace_cannot_be_entered(tmp_path: Path) -> None:
    (tmp_path / "net").touch()
    with pytest.raises(OSError, match="cannot enter the pod's network namespace"):
        look(tmp_path / "net", None, [PortTarget("p", IP, 1, "gcs")])


def test_no_targets_are_no_probes() -> None:
    assert look(OWN, None, []) == []


def test_no_descriptor_stays_open() -> None:
    with socket.create_server((IP, 0)) as server:
        port = server.getsockname()[1]
        before = len(list(Path("/proc/self/fd").iterdir()))
        tried(IP, port)
    tried(IP, port)
    assert len(list(Path("/proc/self/fd").iterdir())) < before
