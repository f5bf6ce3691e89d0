"""How the model is cut: what each rank loaded, what it should have, and the engine's worlds."""

from distcheck.checks.facts.engine_worlds import EngineWorld, EngineWorlds, WorldRank
from distcheck.checks.facts.sharding_held import HeldMemory
from distcheck.checks.facts.sharding_layouts import Expected
from distcheck.checks.facts.sharding_memory import MemoryHeld
from distcheck.checks.facts.sharding_world import WorldWitness
from distcheck.checks.facts.shares import Share
from distcheck.checks.facts.weights_plan import WeightsPlan
from distcheck.checks.facts.weights_seen import WeightsSeen

__all__ = [
    "EngineWorld",
    "EngineWorlds",
    "Expected",
    "HeldMemory",
    "MemoryHeld",
    "Share",
    "WeightsPlan",
    "WeightsSeen",
    "WorldRank",
    "WorldWitness",
]
