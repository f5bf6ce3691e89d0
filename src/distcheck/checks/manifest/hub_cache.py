"""Where engines look for the models of the hub, and the volume that holds it."""

from distcheck.checks.knowledge.mounts import mounted_at
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.flags import given
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.server_words import server_words


def hub_cache(container: Container) -> str | None:
    """Where the engine looks for models of the hub; None where a variable is not seen."""
    engine = container.asks.engine if container.asks else ""
    for one in given(list(server_words(container, engine))):
        if one.flag == "--download-dir":
            return _path(container, one.value or "")
    for name, rest in VARIABLES:
        found = container.value(name)
        if found or (found is None and container.variable(name)):
            return _path(container, f"{found}{rest}" if found else None)
    return _path(container, "~/.cache/huggingface")


def _path(container: Container, path: str | None) -> str | None:
    """`path` with the user's home put in; None where it, or that home, is not known."""
    if not path or "$" in path:
        return None
    if not path.startswith("~"):
        return mounted_at(path)
    home = container.value("HOME") if container.variable("HOME") else _ROOT
    return mounted_at(home + path[1:]) if home and path[1:2] == "/" and "$" not in home else None


_ROOT = "/root"
VARIABLES = (
    ("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", ""),
    ("XDG_CACHE_HOME", "/huggingface"),
)  # fmt: skip
"""huggingface_hub/constants.py, in the order in which they win."""


def mount_around(container: Container, cache: str) -> Place | None:
    """The deepest mount that the cache lies in, where it is mounted as a whole."""
    found = [m for m in container.place.each("volumeMounts") if _holds(m, cache)]
    best = max(found, key=lambda m: len(m.text("mountPath")), default=None)
    inside = f"{cache.rstrip('/')}/"
    under = (mounted_at(m.text("mountPath")) for m in container.place.each("volumeMounts"))
    return None if best is None or any(u.startswith(inside) for u in under) else best


def _holds(mount: Place, cache: str) -> bool:
    at = mounted_at(mount.text("mountPath")).rstrip("/")
    return bool(at) and f"{cache}/".startswith(f"{at}/")
