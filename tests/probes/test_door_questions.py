"""What the evidence door lets itself be asked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.door import MAX_PEERS, BadQuestion, asked_of, to_listen
from distcheck.agent.listening import AskedToListen, ListenAt
from distcheck.agent.node import Asked
from distcheck.agent.probes.ports import PortTarget
from distcheck.agent.settings import SettingsError, read_settings, split_address


def test_pods_and_peers_are_understood() -> None:
    asked = asked_of("pod=llm%2Fa-0&pod=llm/b-0&peer=llm/b-0%7Cfd00::2%7C6379%7Cgcs")
    target = PortTarget("llm/b-0", "fd00::2", 6379, "gcs")
    assert asked == Asked(("llm/a-0", "llm/b-0"), (target,))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "ask for 1 to"),
        ("pod", "malformed query"),
        ("pod=", "ask for 1 to|malformed"),
        ("pod=vllm-head-0", "is not like llm/vllm-head-0"),
        ("pod=llm/a/../b", "is not like"),
        ("pod=llm/a&peer=x|metadata.internal|80|gcs", "is not an IP address"),
        ("pod=llm/a&peer=x|169.254.169.254|80|gcs", "link-local"),
        ("pod=llm/a&peer=x|::ffff:169.254.169.254|80|gcs", "link-local"),
        ("pod=llm/a&peer=x|224.0.0.1|80|gcs", "not an address of one host"),
        ("pod=llm/a&peer=x|0.0.0.0|80|gcs", "not an address of one host"),
        ("pod=llm/a&peer=x|10.0.0.2|0|gcs", "is not like"),
        ("pod=llm/a&peer=x|10.0.0.2|65536|gcs", "is not like"),
        ("pod=llm/a&peer=x|10.0.0.2|%D9%A1|gcs", "is not like"),
        ("pod=llm/a&peer=x|10.0.0.2|80|gcs|more", "is not like"),
        ("pod=llm/a&limit=1", "unknown parameter: limit"),
        ("pod=llm/a" + "&peer=x|10.0.0.2|80|gcs" * (MAX_PEERS + 1), "at most"),
        ("pod=llm/a" + "&peer=x|10.0.0.2|80|gcs" * (3 * MAX_PEERS), "malformed query"),
    ],
)
def test_any_other_question_is_refused_with_the_reason(query: str, says: str) -> None:
    with pytest.raises(BadQuestion, match=says):
        asked_of(query)


@settings(deadline=None)
@given(st.text() | st.from_regex(r"pod=[^&]{0,9}&peer=[^&]{0,9}\|[0-9.:]{0,9}\|[0-9]{0,9}\|.{0,3}"))
def test_any_query_is_understood_or_refused(query: str) -> None:
    try:
        asked = asked_of(query)
    except BadQuestion:
        return
    assert asked.pods


@pytest.mark.parametrize("address", ["", "9411", "127.0.0.1", "a:b", "a:65536", "a:\u0661"])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match=r"is not like 127\.0\.0\.1:9411"):
        split_address(address)


def test_an_address_may_be_ipv6() -> None:
    assert split_address("[::]:9410") == ("::", 9410)


def test_settings_come_from_the_environment_and_an_unknown_one_is_named() -> None:
    settings = read_settings({"DISTCHECK_NODE": "gpu-a", "DISTCHECK_TIMEOUT": "2.5", "PATH": "/"})
    assert (settings.node, settings.timeout, settings.port_probes) == ("gpu-a", 2.5, False)
    with pytest.raises(SettingsError, match="nod"):
        read_settings({"DISTCHECK_NOD": "gpu-a"})


def test_places_to_listen_at_and_expected_addresses_are_understood() -> None:
    asked = to_listen("pod=llm/a-0%7C10.0.0.2&from=10.0.0.3&from=fd00::3")
    assert asked == AskedToListen((ListenAt("llm/a-0", "10.0.0.2"),), ("10.0.0.3", "fd00::3"))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("pod=llm/a-0", "is not like llm/vllm-head-0"),
        ("pod=llm/a-0|169.254.169.254", "link-local"),
        ("pod=llm/a-0|0.0.0.0", "not an address of one host"),
        ("pod=llm/a-0|10.0.0.2&from=vllm", "is not an IP address"),
        ("pod=llm/a-0|10.0.0.2&peer=llm/b|10.0.0.3|80|gcs", "unknown parameter: peer"),
        ("from=10.0.0.3", "ask for 1 to"),
    ],
)
def test_listening_anywhere_else_is_refused(query: str, says: str) -> None:
    with pytest.raises(BadQuestion, match=says):
        to_listen(query)


def test_a_peer_at_a_listener_has_its_nonce_and_any_other_fifth_word_is_refused() -> None:
    peer = "pod=llm/a&peer=llm/b|10.0.0.2|41000|nccl|"
    assert asked_of(peer + "0f" * 16).targets[0].nonce == "0f" * 16
    with pytest.raises(BadQuestion, match="is not like"):
        asked_of(peer + "0F" * 16)


def test_peers_of_another_namespace_are_of_another_group() -> None:
    with pytest.raises(BadQuestion, match="of one namespace"):
        asked_of("pod=llm/a&peer=kube-system/dns|10.0.0.2|53|gcs")
    with pytest.raises(BadQuestion, match="of one namespace"):
        asked_of("pod=llm/a&pod=web/b&peer=llm/c|10.0.0.2|6379|gcs")
