"""What `lint` costs: a thousand manifests of a hundred lines, and the start alone.

Numbers are printed; no time is asserted, for machines are noisy.
"""

import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import pytest

pytestmark = pytest.mark.bench
FILES, LINES = 1000, 100
AIM_S, AIM_START = 10, 4
MANIFESTS = Path(__file__).parents[1] / "lint/manifests/healthy"
HEALTHY, ORDINARY = MANIFESTS / "lws-vllm.yaml", MANIFESTS / "deployment-one-pod.yaml"
ROUNDS = 15
LIBRARIES = """\
import gc
gc.disable()
from distcheck.agent.cli import app
from distcheck.pattern import late_patterns
app._import_msgspec()
with late_patterns():
    import yaml
gc.freeze()
"""
READING = f"""{LIBRARIES}
import distcheck.agent.cli.lint
import distcheck.agent.manifests.lint
gc.freeze()
"""
RULES = f"""{READING}
from distcheck.checks.manifest.rules import rules
rules()
gc.freeze()
"""
YAML = """\
import sys, yaml, pathlib
for p in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    list(yaml.load_all(p.read_text(), Loader=yaml.CSafeLoader))
"""


def write_manifests(folder: Path) -> None:
    """Each with a group of its own name, and a ConfigMap that fills up the lines."""
    text = HEALTHY.read_text().rstrip("\n")
    name = text.split("name: ", 1)[1].split("\n", 1)[0].strip(" }")
    for number in range(FILES):
        own = text.replace(f"name: {name}", f"name: {name}-{number}")
        fill = LINES - own.count("\n") - 8
        rows = "\n".join(f'  key-{n}: "value of {n}"' for n in range(max(fill, 0)))
        more = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c-{number}\ndata:\n{rows}"
        (folder / f"{number:04}.yaml").write_text(f"{own}\n---\n{more}\n")


def seconds(*command: str) -> float:
    """Processor time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def medians(commands: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Of runs in turn, so that what slows the machine slows all of them."""
    found = [{name: seconds(*c) for name, c in commands.items()} for _ in range(ROUNDS)]
    return {name: median(one[name] for one in found) for name in commands}


def test_a_thousand_manifests(tmp_path: Path) -> None:
    write_manifests(tmp_path)
    lines = (tmp_path / "0000.yaml").read_text().count("\n")
    took = min(seconds("-m", "distcheck", "lint", str(tmp_path)) for _ in range(5))
    read = min(seconds("-c", YAML, str(tmp_path)) for _ in range(5))
    told = f"{took:.1f} s of processor for {FILES} files of {lines} lines (aim {AIM_S} s)"
    print(f"{told}; {took / read:.1f} times reading them by yaml.CSafeLoader")  # noqa: T201
    assert took > read > 0


def test_the_start_alone(tmp_path: Path) -> None:
    """From `--version` to one file, the ways to it in between: each has the one before in it."""
    lint = ("-m", "distcheck", "lint")
    took = medians(
        {
            "pass": ("-c", "pass"),
            "--version": ("-m", "distcheck", "--version"),
            "lint --help": (*lint, "--help"),
            "lint of an empty folder": (*lint, "--nothing-is-fine", str(tmp_path)),
            "`import typing` alone": ("-c", "import typing"),
            "msgspec and PyYAML alone": ("-c", LIBRARIES),
            "with what reads manifests": ("-c", READING),
            "with the rules": ("-c", RULES),
            "lint of a Deployment": (*lint, str(ORDINARY)),
            "lint of a LeaderWorkerSet": (*lint, str(HEALTHY)),
        }
    )
    none = took.pop("pass")
    for name, start in took.items():
        print(f"start: {start / none:.1f} times `python -c pass`: {name} (aim {AIM_START})")  # noqa: T201
    assert min(took.values()) > none > 0
