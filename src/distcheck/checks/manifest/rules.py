"""Every CONF rule there is: a file in `checks/config` is its own registration."""

import importlib
import pkgutil
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
    for module in pkgutil.iter_modules(config.__path__):
        one = _rule_of(f"{config.__name__}.{module.name}")
        if one.id in found:
            raise TypeError(f"{one.id} is declared twice, last in {module.name}")
        found[one.id] = one
    return tuple(found[i] for i in sorted(found))


def _rule_of(name: str) -> Rule:
    module = importlib.import_module(name)
    found = [v for v in vars(module).values() if isinstance(v, Rule)]
    if len(found) != 1:
        raise TypeError(f"{name} must declare exactly one rule, not {len(found)}")
    return found[0]
