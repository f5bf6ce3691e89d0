"""What `lint` costs: a thousand manifests of a hundred lines, and the start alone.

Numbers are printed; no time is asserted, for machines are noisy.
"""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench
FILES, LINES = 1000, 100
AIM_S, AIM_START = 10, 4
HEALTHY = Path(__file__).parents[1] / "lint/manifests/healthy/lws-vllm.yaml"
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
        own = text.replace(name, f"{name}-{number}")
        fill = LINES - own.count("\n") - 8
        rows = "\n".join(f'  key-{n}: "value of {n}"' for n in range(max(fill, 0)))
        more = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c-{number}\ndata:\n{rows}"
        (folder / f"{number:04}.yaml").write_text(f"{own}\n---\n{more}\n")


def seconds(*command: str) -> float:
    """Processor time, the best of three runs."""
    found = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def test_a_thousand_manifests(tmp_path: Path) -> None:
    write_manifests(tmp_path)
    lines = (tmp_path / "0000.yaml").read_text().count("\n")
    took = seconds("-m", "distcheck", "lint", str(tmp_path))
    read = seconds("-c", YAML, str(tmp_path))
    told = f"{took:.1f} s of processor for {FILES} files of {lines} lines (aim {AIM_S} s)"
    print(f"{told}; {took / read:.1f} times reading them by yaml.CSafeLoader")  # noqa: T201
    assert took > read > 0


def test_the_start_alone() -> None:
    none, start = seconds("-c", "pass"), seconds("-m", "distcheck", "lint", str(HEALTHY))
    floor = seconds("-c", "import msgspec, yaml")
    print(  # noqa: T201
        f"start: {start / none:.1f} times `python -c pass` (aim {AIM_START}),"
        f" of which {floor / none:.1f} are msgspec and PyYAML"
    )
    assert start > none > 0
