import json
from collections.abc import Callable
from typing import Any

import pytest

from distcheck.checks.facts import sharding_layouts, sharding_sizes


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each model is cut once in each way: the arithmetic has tests of its own."""
    for where, name in ((sharding_layouts, "rank_weights"), (sharding_sizes, "kv_bytes_per_token")):
        monkeypatch.setattr(where, name, _remembered(name, getattr(where, name)))


KNOWN: dict[object, Any] = {}


def _remembered(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def remembered(config: dict[str, Any], *how: Any) -> Any:
        key = (name, json.dumps(config, sort_keys=True), *how)
        if key not in KNOWN:
            KNOWN[key] = real(config, *how)
        return KNOWN[key]

    return remembered
