"""The agent's metrics: the last look, rendered. A scrape never starts a probe."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from distcheck import __version__
from distcheck.agent.node import NodeAgent
from distcheck.checks.evidence import Gpus, NodeLook, ShmMount

_WORKLOAD = ("workload_namespace", "workload_pod")


class AgentCollector(Collector):
    """Turns the agent's last look and its probes' outcomes into metric families."""

    def __init__(self, agent: NodeAgent) -> None:
        self._agent = agent

    def collect(self) -> Iterator[Metric]:
        """All families, from memory."""
        build = InfoMetricFamily("distcheck_build", "The agent's version")
        build.add_metric([], {"version": __version__})
        yield build
        yield from self._probes()
        if self._agent.last is not None:
            yield from _gpus(self._agent.last)
            yield from _shm(self._agent.last)

    def _probes(self) -> Iterator[Metric]:
        success = _gauge("probe_success", "Whether the probe's last look saw", ("probe",))
        seconds = _gauge("probe_duration_seconds", "How long its last look took", ("probe",))
        for name, outcome in sorted(self._agent.probing.outcomes.items()):
            success.add_metric([name], float(outcome.success))
            seconds.add_metric([name], outcome.seconds)
        yield from (success, seconds)


def serve_metrics(address: tuple[str, int], agent: NodeAgent) -> Callable[[], None]:
    """Answer `/metrics` at `address`; the function returned ends it.

    Raises:
        OSError: the address cannot be listened on.
    """
    registry = CollectorRegistry()
    registry.register(AgentCollector(agent))
    server, _ = start_http_server(address[1], address[0], registry)

    def end() -> None:
        server.shutdown()
        server.server_close()

    return end


def _gauge(name: str, text: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"distcheck_{name}", text, labels=labels)


def _gpus(look: NodeLook) -> Iterator[Metric]:
    if not isinstance(look.gpus, Gpus):
        return
    labels = ("uuid", "gpu")
    total = _gauge("gpu_memory_total_bytes", "Memory of the GPU", labels)
    used = _gauge("gpu_memory_used_bytes", "Memory of the GPU in use", labels)
    for device in look.gpus.devices:
        total.add_metric([device.uuid, str(device.index)], device.memory_total)
        used.add_metric([device.uuid, str(device.index)], device.memory_used)
    yield from (total, used)


def _shm(look: NodeLook) -> Iterator[Metric]:
    size = _gauge("shm_size_bytes", "Size of /dev/shm as mounted", _WORKLOAD)
    used = _gauge("shm_used_bytes", "Use of /dev/shm", _WORKLOAD)
    for pod in look.pods:
        if isinstance(pod.shm, ShmMount):
            labels = pod.pod.split("/", 1)
            size.add_metric(labels, pod.shm.size_bytes)
            if pod.shm.used_bytes is not None:
                used.add_metric(labels, pod.shm.used_bytes)
    yield from (size, used)
