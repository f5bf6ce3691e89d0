"""The one door to prometheus_client: families, and pages of them. A scrape never starts a look."""

import gzip
from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from distcheck import __version__

__all__ = ["Families", "Metric", "Page", "build", "counter", "gauge", "page"]

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


def gauge(name: str, says: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    """A gauge `distcheck_NAME`."""
    return GaugeMetricFamily(f"{_PREFIX}{name}", says, labels=labels)


def counter(name: str, says: str, labels: tuple[str, ...] = ()) -> CounterMetricFamily:
    """A counter `distcheck_NAME_total`."""
    return CounterMetricFamily(f"{_PREFIX}{name}", says, labels=labels)


def build() -> Metric:
    """`distcheck_build_info`, with this version."""
    info = InfoMetricFamily(f"{_PREFIX}build", "The version that runs")
    info.add_metric([], {"version": __version__})
    return info


def page(families: Families, accept: str, accept_encoding: str) -> Page:
    """The text that the caller's `Accept` asks for: OpenMetrics or Prometheus's own."""
    render, content_type = choose_encoder(accept)
    body: bytes = render(_registry(families))
    zipped = "gzip" in accept_encoding.lower()
    return Page(gzip.compress(body, 1) if zipped else body, content_type, zipped)


class _Collector(Collector):
    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return self._families.collect()


def _registry(families: Families) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Collector(families))
    return registry
