"""Shapes of public models: numbers of their `config.json`, and only those."""

import json
from pathlib import Path
from typing import Any

from distcheck.checks.knowledge.weights import (
    Engine,
    Exact,
    Layout,
    RankWeights,
    rank_weights,
)

MODELS = Path(__file__).parent / "models"


def config(name: str, **changed: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MODELS / f"{name}.json").read_text())
    return found | changed


def exact(
    found: dict[str, Any], layout: Layout, engine: Engine | None = None
) -> tuple[RankWeights, ...]:
    weights = rank_weights(found, layout, engine)
    assert isinstance(weights, Exact), weights
    return weights.ranks


def quantised(name: str, **how: object) -> dict[str, Any]:
    return config(name, quantization_config=how)
