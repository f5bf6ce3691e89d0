"""The one door to prometheus_client: families, and pages of them. A scrape never starts a look."""

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from distcheck import __version__

__all__ = [
    "BUILD",
    "LEFT_OUT",
    "MAX_LABEL",
    "MAX_SERIES",
    "Families",
    "Family",
    "Metric",
    "Page",
    "build",
    "clean",
    "page",
]

_PREFIX = "distcheck_"


class Families(Protocol):
    """What renders itself from memory."""

    def collect(self) -> Iterator[Metric]:
        """All families; takes no look and waits for nothing."""


class Page(Struct, frozen=True):
    """One scrape's answer."""

    body: bytes
    content_type: str
    gzipped: bool


class Family(Struct, frozen=True):
    """A metric family `distcheck_NAME` (a counter's samples end in `_total`), as docs tell it.

    `none` says when there is no series: what was not seen has none, never a default.
    """

    name: str
    says: str
    labels: tuple[str, ...] = ()
    none: str = ""
    kind: Literal["gauge", "counter", "info"] = "gauge"

    def of(self, rows: Iterable[tuple[Sequence[str | int], float]]) -> Metric:
        """The family with these series: the values of its labels, and the value of each.

        Label values are cleaned; of two series that are alike then the first is kept.
        """
        made = _KINDS[self.kind](f"{_PREFIX}{self.name}", self.says, labels=self.labels)
        known: set[tuple[str, ...]] = set()
        for values, value in rows:
            cleaned = tuple(clean(str(v)) for v in values)
            if cleaned not in known:
                known.add(cleaned)
                made.add_metric(cleaned, float(value))
        return made


_KINDS: dict[str, type[GaugeMetricFamily | CounterMetricFamily]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
}
MAX_LABEL = 253
"""Characters of a label's value: as long as a pod's name may be."""


def clean(value: str) -> str:
    """What may stand in a label: printable, of bounded length; anything else becomes `?`."""
    cut = value if len(value) <= MAX_LABEL else f"{value[: MAX_LABEL - 3]}..."
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "?" for c in cut)


MAX_SERIES = 100_000
"""Of one page: a cluster of 300 groups has fewer."""
LEFT_OUT = Family(
    "series_left_out",
    "Series that this page leaves out, as it would be too long",
    none="none is left out",
)
BUILD = Family(
    "build_info",
    "The version that runs; component is `agent` or `serve`",
    ("component", "version"),
    kind="info",
)


def build(component: str) -> Metric:
    """`distcheck_build_info` of `agent` or `serve`: rules know the targets of any job by it."""
    info = InfoMetricFamily(f"{_PREFIX}build", BUILD.says)
    info.add_metric([], {"component": component, "version": __version__})
    return info


def page(families: Families, accept: str, accept_encoding: str) -> Page:
    """The text that the caller's `Accept` asks for: OpenMetrics or Prometheus's own."""
    render, content_type = _encoder(accept)
    body: bytes = render(_registry(families))
    zipped = _takes_gzip(accept_encoding)
    return Page(gzip.compress(body, 1) if zipped else body, content_type, zipped)


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """That of `accept`, else the plain one: a version that is no number ends choose_encoder."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):
        return choose_encoder("")


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether `gzip`, or else `*`, is named and not with `q=0` (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameter = part.partition(";")
        name, _, given = parameter.partition("=")
        try:
            weight = float(given) if name.strip() == "q" else 1.0
        except ValueError:
            weight = 0.0
        weights.setdefault(coding.strip(), weight)
    return weights.get("gzip", weights.get("*", 0.0)) > 0


class _Collector(Collector):
    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Families that have series, as far as there is room."""
        room, out = MAX_SERIES, 0
        for family in self._families.collect():
            out += max(0, len(family.samples) - room)
            family.samples = family.samples[:room]
            room -= len(family.samples)
            if family.samples:
                yield family
        if out:
            yield LEFT_OUT.of([((), out)])


def _registry(families: Families) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Collector(families))
    return registry
