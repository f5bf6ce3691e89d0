"""Which Ray and which Python a container has, by the names of the folders they lie in.

Ray refuses a node whose Ray or Python is not the head's, and some versions say so in other
words or not at all. Nothing is run in the container.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.probe import ProbeError

_RAY_FOLDER = "/ray/core/src/ray/"
_DIST = re.compile(r"ray-([0-9][\w.+!]{0,40})\.dist-info\Z", re.ASCII)
_PYTHON = re.compile(r"python(3\.[0-9]{1,3})\Z")
_IN_PATH = re.compile(r"(.{1,512})/(?:lib|lib64)/python(3\.[0-9]{1,3})/")
_CFG = re.compile(r"^version(?:_info)?\s{0,4}=\s{0,4}(3\.[0-9]{1,3}\.[0-9]{1,3})\b", re.MULTILINE)
_HEADER = re.compile(r'^#define\s{1,8}PY_VERSION\s{1,20}"(3\.[0-9]{1,3}\.[0-9]{1,3})', re.MULTILINE)
_CONDA = re.compile(r"python-(3\.[0-9]{1,3}\.[0-9]{1,3})-[\w.]{1,60}\.json\Z", re.ASCII)
_LARGEST = 1 << 16
_MOST_PYTHONS = 4
_GONE = (OSError, ProbeError)


class Packages(Struct, frozen=True):
    """Versions of Ray and Python, empty where they were not found; `source` is the folder.

    Python's is of three numbers where some file names the third.
    """

    ray: str = ""
    python: str = ""
    source: str = ""


def packages_of(argv: Sequence[str], container: Container) -> Packages:
    """Of the installation that a raylet, a `gcs_server` or a `ray start` runs from."""
    for folder in _folders(argv, container):
        ray = _only(_DIST, container, folder)
        if ray:
            return Packages(ray, _python(folder, container), folder)
    return Packages()


def _folders(argv: Sequence[str], container: Container) -> Iterator[str]:
    """Where packages may lie, the surest first: Ray's own programs lie among them."""
    for word in argv[:2]:
        if _RAY_FOLDER in word:
            yield word.partition(_RAY_FOLDER)[0]
    for word in argv[:2]:
        prefix, found, _ = word.rpartition("/bin/")
        for name in _pythons(container, prefix) if found else ():
            yield f"{prefix}/lib/{name}/site-packages"
            yield f"{prefix}/lib/{name}/dist-packages"


def _pythons(container: Container, prefix: str) -> list[str]:
    try:
        return container.named(f"{prefix}/lib", _PYTHON.match)[0][:_MOST_PYTHONS]
    except _GONE:
        return []


def _python(folder: str, container: Container) -> str:
    """Python's whole version; the two numbers of its folder where nothing names the third."""
    found = _IN_PATH.match(f"{folder}/")
    if found is None:
        return ""
    prefix, minor = found.groups()
    told = (
        _in_file(_CFG, container, f"{prefix}/pyvenv.cfg"),
        _in_file(_HEADER, container, f"{prefix}/include/python{minor}/patchlevel.h"),
        _only(_CONDA, container, f"{prefix}/conda-meta"),
    )
    return next((t for t in told if t.startswith(f"{minor}.")), minor)


def _in_file(pattern: re.Pattern[str], container: Container, path: str) -> str:
    try:
        found = pattern.search(container.read(path, _LARGEST).decode("utf-8", "replace"))
    except _GONE:
        return ""
    return found[1] if found else ""


def _only(pattern: re.Pattern[str], container: Container, folder: str) -> str:
    """What the one name of that form in the folder says; empty where there are several."""
    try:
        names, _ = container.named(folder, pattern.match)
    except _GONE:
        return ""
    found = {m[1] for n in names if (m := pattern.match(n))}
    return found.pop() if len(found) == 1 else ""
