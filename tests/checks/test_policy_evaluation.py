"""What NetworkPolicies allow, against a slow oracle that asks port by port in its own words."""

import ipaddress
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.checks.evidence.policy import PolicyPod
from distcheck.checks.knowledge.policies import Rules, classes
from distcheck.checks.knowledge.policy_grammar import Unreadable, read_policy
from distcheck.checks.knowledge.port_ranges import lacking, shown

NAMESPACE = {"kubernetes.io/metadata.name": "llm", "team": "ml"}
KEYS, VALUES = ("app", "role", "team"), ("a", "b", "ml")
PORTS = (1, 53, 99, 100, 101, 150, 200, 6379, 40000, 65535)
IPS = ("10.0.0.1", "10.0.1.2", "10.1.0.3", "fd00::1")

labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=3)
values = st.lists(st.sampled_from(VALUES), min_size=1, max_size=2)
expressions = st.one_of(
    st.builds(
        lambda key, op, found: {"key": key, "operator": op, "values": found},
        st.sampled_from(KEYS),
        st.sampled_from(("In", "NotIn")),
        values,
    ),
    st.builds(
        lambda key, op: {"key": key, "operator": op},
        st.sampled_from(KEYS),
        st.sampled_from(("Exists", "DoesNotExist")),
    ),
)
selectors = st.fixed_dictionaries(
    {}, optional={"matchLabels": labels, "matchExpressions": st.lists(expressions, max_size=2)}
)
blocks = st.fixed_dictionaries(
    {"cidr": st.sampled_from(("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "::/0"))},
    optional={"except": st.just(["10.0.1.0/24"])},
)
peers = st.one_of(
    st.builds(lambda s: {"podSelector": s}, selectors),
    st.builds(lambda s: {"namespaceSelector": s}, selectors),
    st.builds(lambda a, b: {"podSelector": a, "namespaceSelector": b}, selectors, selectors),
    st.builds(lambda b: {"ipBlock": b}, blocks),
)
ports = st.one_of(
    st.just({"protocol": "UDP"}),
    st.just({}),
    st.builds(lambda n, p: {"port": n, **p}, st.sampled_from((53, 100, 6379, "gcs")),
              st.sampled_from(({}, {"protocol": "UDP"}, {"protocol": "TCP"}))),
    st.just({"port": 100, "endPort": 150}),
)  # fmt: skip


def _rules(side: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    given_ = {side: st.lists(peers, max_size=2), "ports": st.lists(ports, max_size=2)}
    return st.lists(st.fixed_dictionaries({}, optional=given_), max_size=2)


specs = st.fixed_dictionaries(
    {"podSelector": selectors},
    optional={
        "ingress": _rules("from"),
        "egress": _rules("to"),
        "policyTypes": st.sampled_from((["Ingress"], ["Egress"], ["Ingress", "Egress"])),
    },
)
pods = st.builds(
    PolicyPod,
    st.just("llm/x"),
    labels,
    st.sampled_from(({}, {"gcs": 6379}, {"gcs": 99})),
    st.sampled_from(IPS).map(lambda ip: (ip,)),
)


def _matches(selector: dict[str, Any], have: dict[str, str]) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if key not in have or have[key] != value:
            return False
    for one in selector.get("matchExpressions", []):
        there = one["key"] in have
        among = there and have[one["key"]] in one.get("values", [])
        truth = {"In": among, "NotIn": not among, "Exists": there, "DoesNotExist": not there}
        if not truth[one["operator"]]:
            return False
    return True


def _inside(ip: str, cidr: str) -> bool:
    address, network = ipaddress.ip_address(ip), ipaddress.ip_network(cidr)
    if address.version != network.version:
        return False
    return int(network.network_address) <= int(address) <= int(network.broadcast_address)


def _is_peer(peer: dict[str, Any], pod: PolicyPod) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        excluded = any(_inside(pod.ips[0], c) for c in block.get("except", []))
        return _inside(pod.ips[0], block["cidr"]) and not excluded
    if "namespaceSelector" in peer and not _matches(peer["namespaceSelector"], NAMESPACE):
        return False
    return "podSelector" not in peer or _matches(peer["podSelector"], pod.labels)


def _is_port(rule: dict[str, Any], port: int, protocol: str, target: PolicyPod) -> bool:
    if not rule.get("ports"):
        return True
    for one in rule["ports"]:
        if one.get("protocol", "TCP") != protocol:
            continue
        number = one.get("port")
        if isinstance(number, str):
            number = target.ports.get(number, -1)
        if number is None or number <= port <= one.get("endPort", number):
            return True
    return False


def oracle(
    every: list[dict[str, Any]], source: PolicyPod, target: PolicyPod, port: int, protocol: str
) -> bool:
    """Whether a packet may go: one port at a time, straight from the API's description."""
    for kind, side, own, other in (
        ("Egress", "to", source, target),
        ("Ingress", "from", target, source),
    ):
        isolated = False
        allowed = False
        for spec in every:
            types = spec.get("policyTypes") or ["Ingress"] + ["Egress"] * bool(spec.get("egress"))
            if kind not in types or not _matches(spec["podSelector"], own.labels):
                continue
            isolated = True
            for rule in spec.get(kind.lower(), []):
                named = not rule.get(side) or any(_is_peer(p, other) for p in rule[side])
                allowed = allowed or (named and _is_port(rule, port, protocol, target))
        if isolated and not allowed:
            return False
    return True


@given(every=st.lists(specs, max_size=3), source=pods, target=pods)
@settings(max_examples=120, deadline=None)
def test_every_port_is_as_the_oracle_says(
    every: list[dict[str, Any]], source: PolicyPod, target: PolicyPod
) -> None:
    rules = Rules(tuple(read_policy(f"p{i}", s) for i, s in enumerate(every)), NAMESPACE)
    for protocol in ("TCP", "UDP"):
        out = rules.allowed(source, "egress", target, protocol)
        into = rules.allowed(target, "ingress", source, protocol)
        for port in PORTS:
            mine = not lacking((port, port), out) and not lacking((port, port), into)
            assert mine == oracle(every, source, target, port, protocol), (port, protocol)


@given(every=st.lists(specs, max_size=3), many=st.lists(pods, min_size=2, max_size=5), other=pods)
@settings(max_examples=30, deadline=None)
def test_pods_of_one_class_are_treated_alike(
    every: list[dict[str, Any]], many: list[PolicyPod], other: PolicyPod
) -> None:
    rules = Rules(tuple(read_policy(f"p{i}", s) for i, s in enumerate(every)), NAMESPACE)
    for alike in classes(rules, many):
        for port in PORTS:
            into = {oracle(every, other, pod, port, "TCP") for pod in alike}
            out = {oracle(every, pod, other, port, "TCP") for pod in alike}
            assert len(into) == len(out) == 1


@given(
    wanted=st.tuples(st.integers(1, 60), st.integers(1, 60)).map(lambda t: (min(t), max(t))),
    allowed=st.lists(
        st.tuples(st.integers(1, 60), st.integers(1, 60)).map(lambda t: (min(t), max(t))),
        max_size=4,
    ),
)
def test_what_is_lacking_is_what_no_range_has(
    wanted: tuple[int, int], allowed: list[tuple[int, int]]
) -> None:
    found = {n for a, b in lacking(wanted, allowed) for n in range(a, b + 1)}
    have = {n for a, b in allowed for n in range(a, b + 1)}
    assert found == {n for n in range(wanted[0], wanted[1] + 1) if n not in have}


def test_ranges_are_shown_short() -> None:
    assert shown([(6379, 6379), (32768, 60999)]) == "6379, 32768-60999"


HOSTILE = [
    {"ingress": [{"from": [{}]}]},
    {"ingress": [{"ports": [{"port": 0}]}]},
    {"ingress": [{"ports": [{"port": 70000}]}]},
    {"ingress": [{"ports": [{"port": "gcs", "endPort": 9}]}]},
    {"ingress": [{"ports": [{"port": 100, "endPort": 50}]}]},
    {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/99"}}]}]},
    {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["x"]}}]}]},
    {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Gte"}]}},
    {"podSelector": {"matchLabels": {"a": 1}}},
    {"podSelector": []},
    {"policyTypes": ["Both"]},
    {"ingress": {"from": "everybody"}},
]


@pytest.mark.parametrize("spec", HOSTILE, ids=str)
def test_a_policy_that_cannot_be_understood_is_refused_by_name(spec: dict[str, object]) -> None:
    with pytest.raises(Unreadable, match="NetworkPolicy odd"):
        read_policy("odd", spec)


words = st.sampled_from(("", "In", "podSelector", "ports", "TCP", "\ud800", "x" * 300))
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
FIELDS = ("podSelector", "policyTypes", "ingress", "egress")


@given(spec=st.dictionaries(st.sampled_from(FIELDS), junk))
@settings(max_examples=60, deadline=None)
def test_any_junk_is_read_or_refused(spec: dict[str, object]) -> None:
    with suppress(Unreadable):
        read_policy("junk", spec)


DNS_RULES = [
    ([{"to": [{"podSelector": {}}]}], False),
    ([{"to": [{"podSelector": {}, "namespaceSelector": {}}]}], True),
    ([{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}], True),
    ([{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}], False),
    ([{"ports": [{"port": 53, "protocol": "UDP"}]}], True),
    ([{"ports": [{"port": 53}]}], False),
    ([{"ports": [{"port": 5000, "endPort": 6000, "protocol": "UDP"}]}], True),
    ([{"ports": [{"port": "dns", "protocol": "UDP"}]}], True),
    ([{}], True),
]


@pytest.mark.parametrize(("egress", "may"), DNS_RULES, ids=str)
def test_dns_is_ruled_out_only_where_no_rule_can_allow_it(
    egress: list[dict[str, object]], may: bool
) -> None:
    policy = read_policy("out", {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress})
    assert Rules((policy,), NAMESPACE).may_ask_dns(PolicyPod("llm/x")) is may
    assert Rules((), NAMESPACE).may_ask_dns(PolicyPod("llm/x"))
