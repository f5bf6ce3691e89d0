"""What operators report, and the scenarios that stand for it."""

import pytest
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.checks.catalog import catalog
from distcheck.checks.report import judge
from distcheck.lab.expect import compare
from distcheck.lab.scenario import Scenario
from distcheck.lab.scenarios import load, load_all


@pytest.mark.parametrize("scenario", [s for s in load_all() if s.symptoms], ids=lambda s: s.name)
def test_each_scenario_of_a_symptom_ends_in_a_named_cause(scenario: Scenario) -> None:
    """A check fails or warns, and says by its id what was behind the symptom."""
    assert scenario.expect.verdict in ("fail", "warn")
    loud = [want for want in scenario.expect.checks.values() if want.startswith(("fail ", "warn "))]
    assert loud
    if scenario.expect.verdict == "fail":
        assert scenario.expect.checks[scenario.expect.first].startswith("fail ")


def test_another_first_cause_than_expected_is_a_difference() -> None:
    """A scenario says which check its summary begins with."""
    scenario = load("wrong-interface")
    report = structs.replace(judge(healthy(), catalog()).report, summary="RAY001: another")
    assert "expected NCCL004 first" in " ".join(compare(scenario, report))
