"""Which addresses an agent lets itself be sent to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.peer_address import resolved, too_far, too_far_here, why_no_peer, why_not


@pytest.mark.parametrize(
    "address",
    ["10.0.0.2", "127.77.0.2", "100.64.1.1", "fd00::2", "2001:db8::1", "::1", "64:ff9b::a00:2"],
)
def test_an_address_that_a_pod_can_have_is_taken(address: str) -> None:
    assert why_not(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "fe80::1",
        "fe80::1%eth0",
        "2001:db8::1%eth0",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd00:ec2::253",
        "fd20:ce::254",
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "255.255.255.255",
        "240.0.0.1",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "::169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
    ],
)
def test_a_metadata_service_and_what_is_no_host_are_refused(address: str) -> None:
    assert why_not(address) is not None


@pytest.mark.parametrize(
    "name", ["localhost", "metadata.google.internal", "", "0x7f.1", "2852039166", "10.0.0.2 "]
)
def test_what_is_no_ip_literal_is_refused(name: str) -> None:
    assert "is not an IP address" in (why_not(name) or "")


@settings(deadline=None)
@given(st.text())
def test_any_text_is_taken_or_refused(text: str) -> None:
    assert why_not(text) is None or text in str(why_not(text)) or repr(text) in str(why_not(text))


def test_a_name_is_resolved_before_it_is_tested() -> None:
    assert resolved("10.0.0.2") == ("10.0.0.2", None)
    assert resolved("localhost")[1] is None
    assert resolved("0xa9fea9fe")[1] is not None
    assert resolved("fe80::1")[1] is not None


@pytest.mark.parametrize("address", ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_a_public_address_is_too_far_however_it_is_written(address: str) -> None:
    assert too_far(address, "10.0.0.2") is not None
    assert too_far("34.100.0.1", "34.101.0.1") is None


def test_the_kubernetes_api_is_no_peer_however_it_is_written() -> None:
    assert why_no_peer("::ffff:10.96.0.1", ("10.96.0.1",)) is not None
    assert why_no_peer("fd00::0:1", ("fd00::1",)) is not None
    assert why_no_peer("10.96.0.2", ("10.96.0.1", "")) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_a_loopback_counts_only_in_the_namespace_of_the_pod(address: str) -> None:
    assert too_far_here(address, shared=True) is None
    assert "loopback" in (too_far_here(address, shared=False) or "")
