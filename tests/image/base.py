"""A stand-in for the image's base, made of this machine's own Python: no registry is reached.

Like the official image it has an interpreter under /usr/local, pip beside it, and a shell.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pip

_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
_LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "idlelib", "tkinter", "_tkinter*", "lib2to3", "turtledemo", "ensurepip",
    "*-packages", "config-*", "__pycache__", "_test*", "_ctypes_test*",
)  # fmt: skip
_TOOLS = ("sh", "rm")
_OF_EVERY_DEBIAN = (
    "libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1",
    "libutil.so.1", "libresolv.so.2", "libnss_files.so.2", "libnss_dns.so.2",
)  # fmt: skip


def lay_out(root: Path) -> None:
    """Write the files of the base under `root`, which must not exist."""
    here, library = Path(sys.base_prefix), root / "usr/local/lib" / _VERSION
    shutil.copytree(here / "lib" / _VERSION, library, ignore=_LEFT_OUT)
    bundled = shutil.ignore_patterns("__pycache__", "*.exe")
    shutil.copytree(Path(pip.__file__).parent, library / "site-packages/pip", ignore=bundled)
    for folder in ("usr/local/bin", "bin", "etc", "proc", "sys", "dev", "var/tmp", "tmp"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy2(here / "bin" / _VERSION, root / "usr/local/bin" / _VERSION)
    (root / "usr/local/bin/python3").symlink_to(_VERSION)
    for tool in _TOOLS:
        shutil.copy2(str(shutil.which(tool)), root / "bin" / tool)
    programs = [here / "bin" / _VERSION, *(root / "bin").iterdir()]
    for name, source in _libraries([*programs, *library.glob("lib-dynload/*.so")]).items():
        _copy(source, root / name.lstrip("/"))


def _libraries(programs: Iterable[Path]) -> dict[str, Path]:
    """Where the loader will look for each library, and where it is here."""
    words = ["ldd", *map(str, programs)]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found: dict[str, Path] = {}
    for line in told.splitlines():
        path = next((w for w in line.split() if w.startswith("/") and not w.endswith(":")), None)
        if path is not None:
            found[_place(path)] = Path(path)
    beside = [path.parent for path in found.values() if path.name.startswith("libc.so")]
    more = [folder / name for folder in beside for name in _OF_EVERY_DEBIAN]
    found.update({_place(str(path)): path for path in more if path.exists()})
    return found


def _place(path: str) -> str:
    """The system's own place for a library that only this machine's Python has elsewhere."""
    return path if path.startswith(("/lib", "/usr/lib")) else f"/usr/lib/{Path(path).name}"


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, place)
