"""A rule's page and the list of rules tell every level that its findings may have."""

import ast
import inspect
from pathlib import Path

import pytest
from tests.lint.judge import judged

from distcheck.checks.manifest.finding import LEVELS, Level
from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules


def written(one: Rule) -> set[Level]:
    """The levels that stand in its module's code, or a rule's whose `level_of` it asks."""
    module = inspect.getmodule(one.body)
    assert module is not None
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
    held = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    asked = (n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom))
    for other in (n.module for n in asked if n.names[0].name.startswith("level_of")):
        held |= {level for r in rules() if r.body.__module__ == other for level in r.others}
    return {level for level in LEVELS if level in held} - {one.level}


@pytest.mark.parametrize("one", rules(), ids=lambda r: r.id)
def test_levels_of_findings_are_declared(one: Rule) -> None:
    assert written(one) == {*one.others}


def test_levels_are_told_from_the_least_grave_on() -> None:
    by_id = {r.id: r for r in rules()}
    assert by_id["CONF113"].levels == "hint to error"
    assert by_id["CONF075"].levels != ""


SCRIPT = (Path(__file__).parent / "manifests/healthy/lws-ray-script.yaml").read_text("utf-8")
MOUNT, LIMIT = "          - {name: dshm, mountPath: /dev/shm}\n", "sizeLimit: 32Gi"


@pytest.mark.parametrize("pods", ["size: 2", "size: 1"])
def test_64_mib_are_as_grave_by_a_limit_as_without_a_volume(pods: str) -> None:
    text = SCRIPT.replace("size: 2", pods)
    volume = text[text.index("        volumes:") : text.index(LIMIT) + len(LIMIT) + 1]
    none = text.replace(MOUNT, "").replace(volume, "").replace("          volumeMounts:\n", "")
    by_rule = [
        judged(none, only="CONF060"),
        judged(text.replace(LIMIT, "sizeLimit: 64Mi"), only="CONF061"),
    ]
    without, limited = ([f.level for f in r.findings] for r in by_rule)
    assert without
    assert without == limited


def test_a_name_that_nothing_sets_is_told_once_with_the_one_that_is_meant() -> None:
    text = SCRIPT.replace("$(LWS_LEADER_ADDRESS)", "$(LWS_LEADER_ADRESS)")
    (one,) = judged(text, only="CONF083").findings
    assert (one.level, one.fix) == ("error", "Write LWS_LEADER_ADDRESS.")
