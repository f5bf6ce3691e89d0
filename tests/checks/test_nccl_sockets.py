"""NCCL002: why sockets, host by host, and when a missing plugin is the cause."""

import pytest
from tests.checks.test_nccl import judge, read
from tests.logs.nccl_lines import HOSTS, head, job

from distcheck.checks.facts.nccl_sockets import sockets_because
from distcheck.checks.knowledge.transport_causes import PLUGIN_EVIDENCE
from distcheck.checks.knowledge.transport_remedies import SOCKETS
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes

NO_DEVICE = "NET/IB : No device found."
DISABLED = "NCCL_IB_DISABLE set by environment to 1."
NO_PLUGIN = "NET/Plugin: Could not find: libnccl-net.so"
BROKEN = "NET/Plugin: Plugin load returned 2 : libfabric.so.1: cannot open shared object file"


def sockets(*said: tuple[str, str]) -> list[str]:
    """A job over sockets whose hosts wrote these words and nothing else of RDMA."""
    lines = job(network="Socket", transport="NET/Socket/{nic}")
    own = [f"{head(host, 200, 0)} {words}" for host, words in said]
    return [x for x in lines if "NET/IB" not in x] + own


def test_one_cause_of_all_hosts_is_told_once_with_its_own_remedy() -> None:
    verdict = judge(rdma_between_nodes, sockets(*((h, DISABLED) for h in HOSTS)))
    assert verdict.cause == "env-NCCL_IB_DISABLE"
    assert verdict.says.endswith("over TCP sockets because NCCL_IB_DISABLE=1 switches RDMA off")
    assert verdict.remedy == SOCKETS["env-NCCL_IB_DISABLE"].remedy


def test_hosts_with_different_causes_are_each_told_theirs() -> None:
    verdict = judge(rdma_between_nodes, sockets((HOSTS[0], NO_DEVICE), (HOSTS[1], DISABLED)))
    assert verdict.cause == "no-ib-device"
    assert "NCCL found no RDMA device on vllm-head-0" in verdict.says
    assert "NCCL_IB_DISABLE=1 switches RDMA off on vllm-worker-0" in verdict.says
    assert verdict.remedy is not None
    assert "On vllm-head-0: Give the pod" in verdict.remedy
    assert "On vllm-worker-0: Take NCCL_IB_DISABLE out" in verdict.remedy
    assert {c.what for c in verdict.cites} >= {NO_DEVICE, "NCCL_IB_DISABLE set to 1"}


def test_a_cause_that_one_host_tells_is_that_hosts() -> None:
    verdict = judge(rdma_between_nodes, sockets((HOSTS[1], NO_DEVICE)))
    assert verdict.says.endswith("because NCCL found no RDMA device on vllm-worker-0")


def test_without_a_word_of_why_there_is_no_cause_and_the_checks_own_remedy() -> None:
    verdict = judge(rdma_between_nodes, sockets())
    assert (verdict.outcome, verdict.cause, verdict.remedy) == ("fail", None, None)
    assert "because" not in verdict.says


@pytest.mark.parametrize(
    ("words", "cause"), [(NO_PLUGIN, "plugin-missing"), (BROKEN, "plugin-failed")]
)
@pytest.mark.parametrize(
    "intent",
    [
        "NCCL_NET set by environment to AWS Libfabric.",
        "NCCL_NET set by environment to gIB.",
        "NCCL_NET_PLUGIN set by environment to aws-ofi.",
        "NET/OFI Selected provider is efa, fabric is efa",
        "NET/OFI Selected provider is cxi, fabric is cxi",
    ],
)
def test_a_plugin_is_the_cause_where_something_asks_for_it(
    words: str, cause: str, intent: str
) -> None:
    said = [(HOSTS[0], intent), *((h, w) for h in HOSTS for w in (words, NO_DEVICE))]
    verdict = judge(rdma_between_nodes, sockets(*said))
    assert verdict.cause == cause
    assert any(words in c.what for c in verdict.cites)


@pytest.mark.parametrize(
    "intent", ["NCCL_NET set by environment to IB.", "NET/OFI Selected provider is tcp, fabric x"]
)
def test_on_infiniband_a_plugin_that_is_not_there_is_no_cause(intent: str) -> None:
    said = [(HOSTS[0], intent), *((h, w) for h in HOSTS for w in (NO_PLUGIN, NO_DEVICE))]
    assert judge(rdma_between_nodes, sockets(*said)).cause == "no-ib-device"


def test_every_cause_of_a_plugin_is_documented_with_a_remedy() -> None:
    assert set(PLUGIN_EVIDENCE) <= set(rdma_between_nodes.page.causes)
    assert all(SOCKETS[name].remedy for name in PLUGIN_EVIDENCE)


def test_many_hosts_are_named_in_part() -> None:
    hosts = [f"h{n}" for n in range(5)]
    lines = [
        f"{head(h, 200, 0)} {words}" for h in hosts for words in (NO_DEVICE, "Using network Socket")
    ]
    said = sockets_because(read(lines, "pod"), [*hosts, "other"])
    assert said.says == " because NCCL found no RDMA device on h0, h1, h2 and 2 more"
    assert len(said.cites) == 3
