"""What one GPU's rank holds, and the interval that it leaves for the weights."""

from msgspec import Struct

from distcheck.checks.evidence import Cite
from distcheck.checks.facts.sharding_cache import CacheSize
from distcheck.checks.facts.sharding_layouts import Expected


class HeldMemory(Struct, frozen=True):
    """What the rank on one GPU (or MIG slice) holds in all, and what of it is not weights.

    `others` is the range of everything but weights and KV cache. `own` is the cache of an
    engine that could be this pod's alone, `group` of one that spans pods. `stage` is the
    pipeline stage where a line of the rank names it, `guests` how many other processes of the
    pod are on the GPU, None where NVML does not list what each holds. GiB.
    """

    uuid: str
    pod: str
    pod_gpus: int
    used: float
    others: tuple[float, float]
    own: CacheSize
    group: CacheSize
    cite: Cite
    stage: int | None = None
    guests: int | None = None

    def weights(self, layout: Expected, stage: int) -> tuple[float, float]:
        """The interval of weights, were this a rank of `stage` of `layout`."""
        cache = self.own if layout.degree <= self.pod_gpus else self.group
        low, high = cache.gib(layout.kv[stage] if layout.kv else None, layout.pp)
        return max(0.0, self.used - high - self.others[1]), self.used - low - self.others[0]

    def fits(self, layout: Expected) -> bool:
        """Whether some rank of `layout` may hold what this GPU holds."""
        known = self.stage is not None and 0 <= self.stage < layout.pp
        stages = range(layout.pp) if not known or self.stage is None else (self.stage,)
        return any(
            least <= high and most >= low
            for stage in stages
            for low, high in (self.weights(layout, stage),)
            for least, most in layout.sizes(stage)
        )

    def too_little(self, layout: Expected) -> bool:
        """Whether it holds less than `layout` needs, so that something may not be loaded yet."""
        return all(
            self.weights(layout, stage)[1] < least
            for stage in range(layout.pp)
            for least, _ in layout.sizes(stage)
        )
