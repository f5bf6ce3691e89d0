"""`docs/metrics.md` names what the pages have, and the contract's names are among them."""

import re
from pathlib import Path

from distcheck.agent.families import FAMILIES as AGENT
from distcheck.agent.openmetrics import BUILD, Family
from distcheck.agent.serve.families import FAMILIES as SERVE

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
GPU = {"gpu_memory_used_bytes", "gpu_memory_total_bytes", "gpu_process_memory_bytes"}
NCCL = {"nccl_ranks", "nccl_channels", "nccl_gdr_channels", "nccl_failures_total"}
SHM = {"shm_size_bytes", "shm_used_bytes", "shm_leaked_bytes"}
RAY = {"ray_nodes", "ray_gpus", "ray_gpus_expected"}
NETWORK = {"port_reachable", "rdma_link_up", "rdma_link_rate_bits"}
PROCESS = {"probe_success", "probe_duration_seconds", "build_info"}
CONTRACT_AGENT = {"gpu_weights_bytes", *GPU, *NCCL, *SHM, *RAY, *NETWORK, *PROCESS}
CONTRACT_SERVE = {
    *("check_status", "verdict", "verify_duration_seconds"),
    *("verify_last_success_timestamp_seconds", "degraded_gpu_seconds_total"),
}
"""What users rely on: a name leaves these lists only with a note in the changelog."""


def name(one: Family) -> str:
    return f"{one.name}_total" if one.kind == "counter" else one.name


def test_the_contracts_names_are_there() -> None:
    assert {name(f) for f in (BUILD, *AGENT)} >= CONTRACT_AGENT
    assert {name(f) for f in SERVE} >= CONTRACT_SERVE


def test_every_family_is_in_the_document_and_no_other() -> None:
    agent, _, serve = PAGE.read_text(encoding="utf-8").partition("\n## Serve\n")
    told = [
        set(re.findall(r"^\| `distcheck_(\w+)` \|", part, re.MULTILINE)) for part in (agent, serve)
    ]
    assert told == [{name(f) for f in (BUILD, *AGENT)}, {name(f) for f in (BUILD, *SERVE)}]


def test_every_family_of_what_is_seen_says_when_it_has_no_series() -> None:
    assert {f.name for f in (*AGENT, *SERVE) if not f.none} == set()
