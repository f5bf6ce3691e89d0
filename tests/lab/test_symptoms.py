"""What operators report, and the scenarios that stand for it."""

import pytest
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.checks.catalog import catalog
from distcheck.checks.judging import judge
from distcheck.lab.expect import compare
from distcheck.lab.scenario import Scenario
from distcheck.lab.scenarios import load, load_all
from distcheck.lab.symptoms import WORDS, Symptom

ASKED: dict[Symptom, tuple[str, ...]] = {
    "nccl-timeout": ("wrong-interface", "no-route", "nccl-bootstrap-blocked"),
    "half-of-the-gpus": (
        *("ray-worker-missing", "ray-worker-no-gpus"),
        *("ray-group-on-one-node", "half-of-the-gpus"),
    ),
    "out-of-memory": ("kv-cache-too-large", "out-of-memory-second-copy", "out-of-memory-tenant"),
    "slower-than-one-node": (
        *("socket-fallback", "gdr-lost", "tp-over-25g", "tp-over-100g", "pcie-for-nvlink"),
    ),
    "connect-failed": ("nccl-bootstrap-blocked", "peer-died-first"),
    "one-gpu-fuller": ("one-gpu-fuller", "second-tenant"),
    "hangs-on-two-nodes": (
        *("shm-64m", "port-blocked", "rendezvous-waits-for-node"),
        *("nccl-versions", "ray-version-mismatch"),
    ),
    "system-error": ("shm-64m", "memory-lock", "no-interface"),
    "no-ray-head": (
        *("rendezvous-name-wrong", "rendezvous-name-unresolved"),
        *("ray-port-filtered", "policy-without-dns"),
    ),
    "hangs-at-start": ("nccl-bootstrap-blocked", "rendezvous-waits-for-node", "ray-group-held"),
    "first-request-hangs": ("rank-stuck",),
    "dead-rank": ("rank-dead", "engine-dead", "engine-vanished", "ray-node-dead"),
    "shm-fills": ("shm-leaked",),
    "two-copies": ("replicated",),
}
"""For each symptom, a scenario for each cause that it has to end in."""


@pytest.mark.parametrize("scenario", [s for s in load_all() if s.symptoms], ids=lambda s: s.name)
def test_each_scenario_of_a_symptom_ends_in_a_named_cause(scenario: Scenario) -> None:
    """A check fails or warns, and says by its id what was behind the symptom."""
    assert scenario.expect.verdict in ("fail", "warn")
    first = scenario.expect.checks[scenario.expect.first]
    assert first.startswith(f"{scenario.expect.verdict} ")


@pytest.mark.parametrize("symptom", WORDS)
def test_each_cause_of_a_symptom_has_a_scenario(symptom: Symptom) -> None:
    """None stands for two causes: checks, cause ids or what they say differ."""
    behind = {s.name: s for s in load_all() if symptom in s.symptoms}
    assert behind.keys() >= set(ASKED[symptom])
    ends = {_end(behind[name]) for name in ASKED[symptom]}
    assert len(ends) == len(ASKED[symptom])


def _end(scenario: Scenario) -> tuple[object, ...]:
    """What the summary begins with: a check, its cause and its words, where they are asked for."""
    expect = scenario.expect
    return expect.first, expect.checks[expect.first], expect.says.get(expect.first)


def test_another_first_cause_than_expected_is_a_difference() -> None:
    """A scenario says which check its summary begins with."""
    scenario = load("wrong-interface")
    report = structs.replace(judge(healthy(), catalog()).report, summary="RAY001: another")
    assert "expected NCCL004 first" in " ".join(compare(scenario, report))
