"""The wheels that the locks name, fetched once and kept in `build/`: pip checks their hashes."""

import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[2]
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-build.lock")
_KEPT = ROOT / "build" / "wheels"


def wheels() -> Path:
    """A folder with a wheel for each row of LOCKS that this machine's Python takes."""
    _KEPT.mkdir(parents=True, exist_ok=True)
    wanted = {url.rsplit("/", 1)[1]: url for url in _urls(_located())}
    for old in _KEPT.iterdir():
        if old.name not in wanted:
            old.unlink()
    missing = [name for name in wanted if not (_KEPT / name).exists()]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: _fetch(wanted[name], _KEPT / name), missing))
    return _KEPT


def _located() -> dict[str, Any]:
    """The locks' rows with the addresses of their files."""
    uv = Path(sys.executable).with_name("uv")
    words = ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--format=pylock.toml"]
    done = subprocess.run(
        [str(uv), *words, *map(str, LOCKS)], capture_output=True, text=True, check=True
    )
    return tomllib.loads(done.stdout)


def _urls(located: dict[str, Any]) -> Iterator[str]:
    """For each package the wheel that fits this machine best."""
    order = {tag: number for number, tag in enumerate(sys_tags())}
    for package in located["packages"]:
        ranked = [
            (min(order.get(tag, len(order)) for tag in tags), wheel["url"])
            for wheel in package["wheels"]
            for tags in [parse_wheel_filename(wheel["url"].rsplit("/", 1)[1])[3]]
        ]
        rank, url = min(ranked)
        if rank < len(order):
            yield url


def _fetch(url: str, place: Path) -> None:
    with urllib.request.urlopen(url, timeout=60) as answer:
        half = place.with_suffix(".part")
        half.write_bytes(answer.read())
        half.replace(place)
