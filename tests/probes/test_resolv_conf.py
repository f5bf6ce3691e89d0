"""Search lists, ndots and fixed addresses, as glibc reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.resolv_conf import read_hosts, read_resolver

POD = """search llm.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
options ndots:5
"""
TAILS = ("llm.svc.cluster.local", "svc.cluster.local", "cluster.local")


def test_a_name_with_few_dots_is_searched_first_and_asked_whole_at_last() -> None:
    asked = read_resolver(POD).names("vllm-head-0.vllm-head")
    assert asked == (*(f"vllm-head-0.vllm-head.{t}" for t in TAILS), "vllm-head-0.vllm-head")


def test_a_name_with_many_dots_is_asked_whole_first() -> None:
    full = "vllm-head-0.vllm-head.llm.svc.cluster.local"
    assert read_resolver(POD).names(full)[0] == full
    assert len(read_resolver(POD).names(full)) == 4


def test_a_dot_at_the_end_ends_the_search() -> None:
    assert read_resolver(POD).names("vllm-head.llm.") == ("vllm-head.llm",)


def test_the_last_search_list_counts_and_three_servers() -> None:
    text = "domain one\nsearch two.\n" + "".join(f"nameserver 10.0.0.{n}\n" for n in range(5))
    seen = read_resolver(text + "nameserver evil.example\noptions ndots:99\nnameserver\n")
    assert (seen.search, len(seen.servers), seen.ndots) == (("two",), 3, 15)


def test_without_a_file_nobody_is_asked() -> None:
    assert read_resolver("").servers == ()


def test_names_that_no_server_takes_are_not_asked_for() -> None:
    assert read_resolver(f"search {'a' * 250}\n").names("vllm-head") == ("vllm-head",)


@pytest.mark.parametrize("name", ["vllm-head", "VLLM-HEAD", "vllm-head."])
def test_hosts_fix_an_address(name: str) -> None:
    text = "# head\n127.0.0.1 localhost\n10.0.0.2\tvllm-head head # the head\nx vllm-head\n"
    assert read_hosts(text, name) == ("10.0.0.2",)
    assert read_hosts(text, "vllm") == ()


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert len(read_resolver(text).servers) <= 3
    read_hosts(text, "vllm-head")
