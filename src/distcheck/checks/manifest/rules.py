"""Every CONF rule there is: a file in `checks/config` is its own registration."""

import importlib
import os
from functools import cache

from distcheck.checks import config
from distcheck.checks.manifest.rule import Rule


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, by id.

    Raises:
        TypeError: two rules of one id, or a file without exactly one rule.
    """
    found: dict[str, Rule] = {}
    for module in _modules():
        one = _rule_of(f"{config.__name__}.{module}")
        if one.id in found:
            raise TypeError(f"{one.id} is declared twice, last in {module}")
        found[one.id] = one
    return tuple(found[i] for i in sorted(found))


def _modules() -> list[str]:
    """By the files' names: pkgutil would import inspect, and a twentieth of the start with it."""
    files = (name for folder in config.__path__ for name in os.listdir(folder))  # noqa: PTH208
    return [f.removesuffix(".py") for f in files if f.endswith(".py") and f != "__init__.py"]


def _rule_of(name: str) -> Rule:
    module = importlib.import_module(name)
    found = [v for v in vars(module).values() if isinstance(v, Rule)]
    if len(found) != 1:
        raise TypeError(f"{name} must declare exactly one rule, not {len(found)}")
    return found[0]
