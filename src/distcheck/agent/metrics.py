"""The agent's metrics: the last look, rendered. A scrape never starts a probe."""

from collections.abc import Callable, Iterator

from distcheck.agent.node import NodeAgent
from distcheck.agent.openmetrics import Metric, build, gauge, serve_page
from distcheck.checks.evidence import Gpus, NodeLook, ShmMount

_WORKLOAD = ("workload_namespace", "workload_pod")


class AgentFamilies:
    """Turns the agent's last look and its probes' outcomes into metric families."""

    def __init__(self, agent: NodeAgent) -> None:
        self._agent = agent

    def collect(self) -> Iterator[Metric]:
        """All families, from memory."""
        yield build()
        yield from self._probes()
        if self._agent.last is not None:
            yield from _gpus(self._agent.last)
            yield from _shm(self._agent.last)

    def _probes(self) -> Iterator[Metric]:
        success = gauge("probe_success", "Whether the probe's last look saw", ("probe",))
        seconds = gauge("probe_duration_seconds", "How long its last look took", ("probe",))
        for name, outcome in sorted(self._agent.outcomes.items()):
            success.add_metric([name], float(outcome.success))
            seconds.add_metric([name], outcome.seconds)
        yield from (success, seconds)


def serve_metrics(address: tuple[str, int], agent: NodeAgent) -> Callable[[], None]:
    """Answer `/metrics` at `address`; the function returned ends it.

    Raises:
        OSError: the address cannot be listened on.
    """
    return serve_page(address, AgentFamilies(agent))


def _gpus(look: NodeLook) -> Iterator[Metric]:
    if not isinstance(look.gpus, Gpus):
        return
    labels = ("uuid", "gpu")
    total = gauge("gpu_memory_total_bytes", "Memory of the GPU", labels)
    used = gauge("gpu_memory_used_bytes", "Memory of the GPU in use", labels)
    for device in look.gpus.devices:
        total.add_metric([device.uuid, str(device.index)], device.memory_total)
        used.add_metric([device.uuid, str(device.index)], device.memory_used)
    yield from (total, used)


def _shm(look: NodeLook) -> Iterator[Metric]:
    size = gauge("shm_size_bytes", "Size of /dev/shm as mounted", _WORKLOAD)
    used = gauge("shm_used_bytes", "Use of /dev/shm", _WORKLOAD)
    for pod in look.pods:
        if isinstance(pod.shm, ShmMount):
            labels = pod.pod.split("/", 1)
            size.add_metric(labels, pod.shm.size_bytes)
            if pod.shm.used_bytes is not None:
                used.add_metric(labels, pod.shm.used_bytes)
    yield from (size, used)
