"""What NCCL002 says beside its pass, where GPUDirect is not on every channel."""

import pytest
from tests.checks.test_nccl import judge
from tests.logs.nccl_lines import HOSTS, job

from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes


def lines_without_gdr(*hosts: str) -> list[str]:
    return [x.replace("/GDRDMA", "") if x.startswith(hosts) else x for x in job()]


@pytest.mark.parametrize(
    ("hosts", "says"),
    [
        (
            HOSTS[:1],
            "4 channels between nodes use NET/IB; GPUDirect on a part of them only (NCCL003)",
        ),
        (HOSTS, "4 channels between nodes use NET/IB; none of them has GPUDirect (NCCL003)"),
        (("no host",), "4 channels between nodes use NET/IB/GDRDMA"),
    ],
)
def test_a_pass_tells_all_a_part_and_none_apart(hosts: tuple[str, ...], says: str) -> None:
    verdict = judge(rdma_between_nodes, lines_without_gdr(*hosts))
    assert (verdict.outcome, verdict.says) == ("pass", says)
