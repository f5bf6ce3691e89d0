"""How the model is cut: what each rank loaded, what it should have, and the engine's worlds."""

from distcheck.checks.facts.engine_worlds import EngineWorld, EngineWorlds, WorldRank
from distcheck.checks.facts.shares import Share
from distcheck.checks.facts.weights_plan import Expected, WeightsPlan
from distcheck.checks.facts.weights_seen import WeightsSeen

__all__ = [
    "EngineWorld",
    "EngineWorlds",
    "Expected",
    "Share",
    "WeightsPlan",
    "WeightsSeen",
    "WorldRank",
]
