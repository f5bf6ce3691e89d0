"""People read `GPU 3 of gpu-1`; machines, and commands, the UUID."""

import pytest
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Cite
from distcheck.checks.judging import judge
from distcheck.checks.report import Report
from distcheck.exporters.formats import Page, render
from distcheck.exporters.gpu_names import with_gpu_names

FOURTH = "GPU-00000001-0000-4000-8000-000000000003"
STRANGE = "GPU-99999999-0000-4000-8000-000000000003"


@pytest.fixture
def told() -> Report:
    """A report whose first finding speaks of one GPU of the group, and of a stranger's."""
    report = judge(healthy(), catalog()).report
    first = structs.replace(
        report.checks[0],
        outcome="fail",
        says=f"{FOURTH} is full, {STRANGE} is not",
        subjects=(FOURTH,),
        cites=(Cite(f"a process holds {FOURTH}", "NVML"),),
        remedy=f"See {FOURTH}: `nvidia-smi -i {FOURTH}`.",
    )
    return structs.replace(report, checks=(first, *report.checks[1:]), summary=f"{FOURTH} is full")


@pytest.mark.parametrize("name", ["text", "html"])
def test_people_read_the_number_and_the_node(name: str, told: Report) -> None:
    """Also in the summary, the subjects, and what was seen."""
    said = " ".join(render(name, [told], Page(width=200)).split())
    assert "GPU 3 of gpu-1 is full" in said
    assert "a process holds GPU 3 of gpu-1" in said
    assert "See GPU 3 of gpu-1:" in said


def test_markdown_names_it_too(told: Report) -> None:
    """In a comment of a pull request."""
    assert "GPU 3 of gpu-1 is full" in render("markdown", [told], Page())


def test_gpus_that_follow_each_other_are_told_as_a_range(told: Report) -> None:
    """Sixteen names in a row say no more than two."""
    gpus = [f"GPU-{node:08x}-0000-4000-8000-{gpu:012x}" for node in (0, 1) for gpu in range(8)]
    few = (*reversed(gpus), "vllm-head-0")
    one = structs.replace(told.checks[0], subjects=few)
    named = with_gpu_names(structs.replace(told, checks=(one,))).checks[0]
    assert named.subjects == ("GPU 0 to 7 of gpu-0", "GPU 0 to 7 of gpu-1", "vllm-head-0")
    one = structs.replace(one, subjects=(gpus[3], gpus[1], gpus[0]))
    named = with_gpu_names(structs.replace(told, checks=(one,))).checks[0]
    assert named.subjects == ("GPU 0 of gpu-0", "GPU 1 of gpu-0", "GPU 3 of gpu-0")


@pytest.mark.parametrize("name", ["text", "html", "markdown"])
def test_commands_and_strangers_keep_the_uuid(name: str, told: Report) -> None:
    """Nobody can say of a GPU that is on no map where it is."""
    said = " ".join(render(name, [told], Page(width=200)).replace("\\-", "-").split())
    assert f"nvidia-smi -i {FOURTH}" in said
    assert STRANGE in said


def test_machines_read_the_uuid(told: Report) -> None:
    """JSON says it as NVML does."""
    assert f"{FOURTH} is full" in render("json", [told], Page())
    assert "GPU 3 of" not in render("json", [told], Page())
