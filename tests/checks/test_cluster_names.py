"""Names as the cluster's DNS completes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.checks.evidence.policy import Services, ServiceSeen
from distcheck.checks.knowledge.cluster_names import Meaning, by_specs, meanings, names_for

HOST = Meaning("svc", "llm", "host")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("svc", [Meaning("svc", "llm")]),
        ("host.svc", [HOST, Meaning("host", "svc")]),
        ("host.svc.llm", [HOST]),
        ("HOST.svc.llm.svc", [HOST]),
        ("host.svc.llm.svc.cluster.local.", [HOST]),
        ("svc.llm.svc.cluster.local", [Meaning("svc", "llm")]),
        ("a.b.c.d.example.com", []),
        ("svc.llm.svc", [Meaning("svc", "llm")]),
    ],
)
def test_a_name_is_read_by_the_search_list(name: str, read: list[Meaning]) -> None:
    assert list(meanings(name, "llm")) == read


def test_a_name_that_may_be_of_another_namespace_is_not_certain() -> None:
    nothing = Services((), "")
    assert by_specs("host.svc", "llm", nothing).certain is False
    assert by_specs("svc", "llm", nothing).certain is True
    assert by_specs("host.svc.prod", "llm", nothing).result == "elsewhere"


def test_an_alias_to_another_name_is_not_followed() -> None:
    alias = ServiceSeen("svc", "llm", external_name="head.example.com")
    assert by_specs("svc", "llm", Services((alias,), "")).result == "unknown"


def test_a_service_whose_endpoints_were_not_read_leads_to_nobody_knows_whom() -> None:
    virtual = ServiceSeen("svc", "llm", cluster_ips=("10.96.0.7",))
    assert by_specs("svc", "llm", Services((virtual,), "")).result == "no_endpoints"
    unread = Services((virtual,), "", unasked=("EndpointSlices could not be listed: 403",))
    assert by_specs("svc", "llm", unread).result == "unknown"


def test_names_that_lead_to_one_pod_are_told_by_its_hostname_first() -> None:
    both = ServiceSeen("all", "llm", addresses=("10.0.0.2", "10.0.0.3"))
    one = ServiceSeen("one", "llm", addresses=("10.0.0.2",))
    own = ServiceSeen("own", "llm", headless=True, hostnames={"head-0": "10.0.0.2"})
    assert list(names_for("10.0.0.2", Services((both, one, own), ""))) == ["head-0.own", "one"]


@given(st.text(max_size=80))
def test_any_name_is_read(name: str) -> None:
    assert len(meanings(name, "llm")) <= 2
    by_specs(name, "llm", Services((), ""))
