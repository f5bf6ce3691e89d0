"""Wheel and sdist hold exactly the package: nothing forgotten, nothing else."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("distributions")
ROOT = Path(__file__).parents[2]
BESIDE = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """The package's files as git has them."""
    listed = subprocess.run(
        ["git", "ls-files", "src/distcheck"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {line.removeprefix("src/") for line in listed.stdout.splitlines()}


def test_the_wheel_holds_exactly_the_files_of_git(dist: Path, tracked: set[str]) -> None:
    (wheel,) = dist.glob("*.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert names == tracked


def test_the_sdist_holds_the_package_and_what_builds_it(dist: Path, tracked: set[str]) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {m.name.split("/", 1)[1] for m in archive.getmembers() if m.isfile()}
    assert {n.removeprefix("src/") for n in names if n.startswith("src/")} == tracked
    assert {n for n in names if not n.startswith("src/")} <= BESIDE


def test_the_links_at_the_top_lead_into_the_package() -> None:
    for name in ("agent", "checks", "exporters"):
        link = ROOT / name
        assert link.is_symlink()
        assert link.resolve() == ROOT / "src" / "distcheck" / name


def test_the_wheel_carries_its_types_and_its_scenarios(tracked: set[str]) -> None:
    assert "distcheck/py.typed" in tracked
    assert "distcheck/lab/scenarios/replicated.toml" in tracked
