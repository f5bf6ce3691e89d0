"""Every check there is: a file in a family's folder is its own registration."""

import importlib
import pkgutil
from functools import cache

from distcheck import checks
from distcheck.checks.check import Check

FAMILIES = ("cluster", "sharding", "nccl", "shm", "ray", "network", "rdma", "gpu")


@cache
def catalog() -> tuple[Check, ...]:
    """All checks, by id.

    Raises:
        TypeError: two checks of one id, or a module of a family without exactly one check.
    """
    found: dict[str, Check] = {}
    for family in FAMILIES:
        for name in _modules(family):
            one = _check_of(name)
            if one.id in found:
                raise TypeError(f"{one.id} is declared twice, last in {name}")
            found[one.id] = one
    return tuple(found[i] for i in sorted(found))


def _modules(family: str) -> list[str]:
    package = f"{checks.__name__}.{family}"
    path = importlib.import_module(package).__path__
    return [f"{package}.{m.name}" for m in pkgutil.iter_modules(path)]


def _check_of(name: str) -> Check:
    module = importlib.import_module(name)
    found = [v for v in vars(module).values() if isinstance(v, Check)]
    if len(found) != 1:
        raise TypeError(f"{name} must declare exactly one check, not {len(found)}")
    return found[0]
