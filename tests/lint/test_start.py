"""What `lint` loads, and what it leaves alone: most of a start is imports."""

import re
import subprocess
import sys
from ast import literal_eval
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from distcheck.agent import redact
from distcheck.agent.manifests import lint
from distcheck.checks.knowledge import known_models
from distcheck.checks.manifest.rules import rules
from distcheck.pattern import Late, Near, late_patterns, pattern

HEALTHY = Path(__file__).parent / "manifests/healthy/lws-vllm.yaml"
LOADED = """\
import contextlib, io, sys
from distcheck.agent.cli.app import main
loaded = []
for argv in eval(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()):
        main(argv)
    loaded.append(sorted(sys.modules))
print(loaded)
"""
LIBRARIES = """\
import re
from distcheck.agent.cli import app
app._import_msgspec()
from distcheck.agent.manifests.yaml_tree import load_parser
load_parser()
import textwrap, yaml
from distcheck.pattern import Late
late = [yaml.reader.Reader.NON_PRINTABLE, textwrap._whitespace_only_re]
assert [type(one) for one in late] == [Late] * 2, late
assert not [name for one in late for name in vars(one) if name != "_given"]
assert yaml.safe_load("[yes, 1.5, 2020-02-03, x]")[:2] == [True, 1.5]
assert textwrap.fill("a b", 1) == "a\\nb"
assert textwrap.dedent("  a") == "a" and isinstance(re.compile("a"), re.Pattern)
"""
NEVER = {
    "ast", "asyncio", "distcheck.checks.evidence.node", "inspect", "json", "kubernetes", "shlex",
    "pathlib", "pkgutil", "pydantic", "ruamel.yaml", "shutil", "subprocess", "tempfile",
    "threading", "typer", "typing_extensions", "urllib.parse", "heapq", "ipaddress", "unicodedata",
    "distcheck.agent.manifests.joined_groups", "distcheck.checks.knowledge.policies",
    "distcheck.agent.manifests.bugs", "distcheck.agent.manifests.chart_values",
    "distcheck.agent.cluster.intent.resources", "distcheck.agent.manifests.making_dynamo",
    "distcheck.agent.manifests.dynamo_words", "distcheck.checks.manifest.dynamo",
}  # fmt: skip
"""The last are of workloads that join by address, policies, bugs, Helm values, Ray, Dynamo."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """By what was asked for, one after the other in one process, the modules that were there."""
    asked = {
        "version": ["--version"],
        "help": ["lint", "--help"],
        "nothing": ["lint", str(tmp_path_factory.mktemp("empty"))],
        "file": ["lint", str(HEALTHY)],
    }
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, repr([*asked.values()])],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return dict(zip(asked, map(set, literal_eval(ran.stdout.splitlines()[-1])), strict=True))


def test_a_plain_file_needs_nothing_heavy(loaded: dict[str, set[str]]) -> None:
    assert "distcheck.checks.config.heads_divide" in loaded["file"]
    assert loaded["file"] & NEVER == set()


def test_help_needs_neither_typer_nor_rules_nor_yaml(loaded: dict[str, set[str]]) -> None:
    assert "distcheck.agent.cli.help_page" in loaded["help"]
    assert loaded["help"] & (NEVER | {"yaml", "distcheck.checks.manifest.rules"}) == set()


def test_an_empty_folder_needs_neither_rules_nor_yaml(loaded: dict[str, set[str]]) -> None:
    assert not [m for m in loaded["nothing"] if m.startswith(("yaml", "distcheck.checks.config"))]


def test_the_version_needs_neither(loaded: dict[str, set[str]]) -> None:
    assert not [m for m in loaded["version"] if m.startswith(("yaml", "msgspec"))]


def known_patterns() -> list[Late | Near]:
    modules = [m for name, m in sorted(sys.modules.items()) if name.startswith("distcheck.")]
    held = [value for module in modules for value in vars(module).values()]
    flat = [one for value in held for one in (value if isinstance(value, tuple) else (value,))]
    return [one for one in flat if isinstance(one, Late | Near)]


def holds(parsed: Iterable[tuple[Any, Any]], near: tuple[str, ...]) -> bool:
    """Whether every match of a parsed pattern holds one of these words, by its letters alone."""
    run = ""
    for kind, held in parsed:
        run = run + chr(held) if str(kind) == "LITERAL" else ""
        if any(word in run for word in near) or any(holds(i, near) for i in inner(str(kind), held)):
            return True
        if str(kind) == "BRANCH" and all(holds(way, near) for way in held[1]):
            return True
    return False


def inner(kind: str, held: Any) -> list[Any]:
    """What must match within: a group, or what is repeated at least once."""
    if kind == "SUBPATTERN" or (kind == "MAX_REPEAT" and held[0] > 0):
        return [held[-1]]
    return []


def test_no_match_is_far_from_its_words() -> None:
    rules()
    near = [one for one in known_patterns() if isinstance(one, Near)]
    assert len(near) > 10
    for one in near:
        assert not one.flags & re.IGNORECASE
        assert holds(re._parser.parse(one.pattern), one.near), one.pattern  # type: ignore[attr-defined]
    assert not holds(re._parser.parse("(?:ray|(?:node)?)x*"), ("ray", "node", "x"))  # type: ignore[attr-defined]


def test_a_pattern_is_sought_near_its_words_alone() -> None:
    one = pattern("ra(y)", near=("ray",))
    assert (one.search("x"), list(one.finditer("x")), one.findall("x")) == (None, [], [])
    assert (one.sub("-", "x"), one.sub("-", "a ray")) == ("x", "a -")
    found = one.search("a ray")
    assert found is not None
    assert (found[1], one.findall("ray"), len(list(one.finditer("ray")))) == ("y", ["y"], 1)


def test_no_module_of_ours_compiles_a_pattern_as_it_loads(loaded: dict[str, set[str]]) -> None:
    rules()
    ours = [n for n in loaded["file"] if n.startswith("distcheck.") and n in sys.modules]
    eager = [(n, k) for n in ours for k, v in vars(sys.modules[n]).items() if type(v) is re.Pattern]
    assert (len(ours) > 100, eager) == (True, [])


def test_libraries_compile_what_is_used_of_them() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LIBRARIES], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_pattern_is_late_only_meanwhile() -> None:
    with late_patterns():
        one: Any = re.compile("a(b)", re.IGNORECASE)
        assert isinstance(one, Late)
        assert one.match("AB")
    assert isinstance(re.compile("a(b)c"), re.Pattern)


def test_every_late_pattern_compiles() -> None:
    rules()
    assert "lint_texts" in vars(lint)
    late = known_patterns()
    assert len(late) > 50
    for one in late:
        assert isinstance(one.pattern, str)
    with pytest.raises(re.error):
        pattern("(").match("")


def test_no_model_is_of_an_unlisted_family() -> None:
    rows = (*known_models._TABLE, *known_models._STORED)
    assert [r for r in rows if not any(f in r[0] for f in known_models.FAMILIES)] == []


def test_a_text_that_tells_of_no_secret_has_none() -> None:
    """The short way leaves nothing in that the long way takes out."""
    heads = (
        "bearer", "apikey", "Authorization", "cookie", "passphrase", "signature", "hf_token",
        "secret", "api-key", "passwd", "pwd", "PWD", "-u", "--user", "--proxy-user", "credentials",
        "name", "http://u:p@h?", "x", "K", "API_TOKEN", "-----BEGIN PRIVATE KEY-----",
    )  # fmt: skip
    for head, between, value in product(heads, (" ", "=", ": ", ' is "', ""), ("ab1:cdefgh2", "8")):
        text = f"{head}{between}{value}"
        whole = text
        for form, instead in redact._secrets():
            whole = form.sub(instead, whole)
        assert redact.scrubbed(text) == whole, text
