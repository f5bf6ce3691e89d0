"""The agent's metrics: what its own looks saw last, rendered. A scrape never starts a probe."""

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

from distcheck.agent.bounded_server import BoundedHandler, BoundedServer, serve
from distcheck.agent.gpu_watch import GpuWatch, Watched
from distcheck.agent.node import NodeAgent
from distcheck.agent.openmetrics import Metric, build, counter, gauge, page
from distcheck.checks.evidence import Gpus, Missing
from distcheck.checks.evidence.xids import Xids

_WORKLOAD = ("workload_namespace", "workload_pod")


class AgentFamilies:
    """Turns what the agent saw by itself, and its probes' outcomes, into metric families."""

    def __init__(self, agent: NodeAgent) -> None:
        self._agent = agent

    def collect(self) -> Iterator[Metric]:
        """All families, from memory."""
        yield build()
        yield from self._probes()
        yield from _watched(self._agent.watch)
        yield from _xids(self._agent.xids.seen())

    def _probes(self) -> Iterator[Metric]:
        success = gauge("probe_success", "Whether the probe's last look saw", ("probe",))
        seconds = gauge("probe_duration_seconds", "How long its last look took", ("probe",))
        for name, outcome in sorted(self._agent.outcomes.items()):
            success.add_metric([name], float(outcome.success))
            seconds.add_metric([name], outcome.seconds)
        yield from (success, seconds)


class _Handler(BoundedHandler):
    """`/metrics`, and the same at `/`."""

    server: "_Metrics"

    def get(self) -> None:
        """Answer by the path."""
        if self.path.partition("?")[0] not in ("/metrics", "/"):
            self.answer(HTTPStatus.NOT_FOUND, b"no such page\n")
            return
        accept, encoding = (self.headers.get(h, "") for h in ("Accept", "Accept-Encoding"))
        one = page(self.server.families, accept, encoding)
        more = {"Content_Encoding": "gzip"} if one.gzipped else {}
        self.answer(HTTPStatus.OK, one.body, one.content_type, **more)


class _Metrics(BoundedServer):
    def __init__(self, address: tuple[str, int], families: AgentFamilies) -> None:
        self.families = families
        super().__init__(address, _Handler)


def serve_metrics(address: tuple[str, int], agent: NodeAgent) -> Callable[[], None]:
    """Answer `/metrics` at `address`; the function returned ends it.

    Raises:
        OSError: the address cannot be listened on.
    """
    return serve(_Metrics(address, AgentFamilies(agent)))


def _xids(seen: Xids | Missing) -> Iterator[Metric]:
    """Nothing where nobody waits; a number that never came has no series."""
    if isinstance(seen, Xids):
        says = "Xid events of the GPU while the agent waited for them"
        found = counter("gpu_xid", says, ("uuid", "gpu", "xid"))
        for xid in seen.seen:
            found.add_metric([xid.uuid, str(xid.index), str(xid.number)], xid.count)
        yield found


def _watched(watch: GpuWatch) -> Iterator[Metric]:
    """Nothing of a look that is too old to be true; when it was is told in any case."""
    if watch.last is not None:
        when = gauge("last_look_timestamp_seconds", "When the agent last looked by itself")
        when.add_metric([], watch.last.at)
        yield when
    shown = watch.shown(time.time())
    if shown is not None:
        yield from _gpus(shown)
        yield from _shm(shown)
        yield from _links(shown)


def _gpus(seen: Watched) -> Iterator[Metric]:
    if not isinstance(seen.gpus, Gpus):
        return
    labels = ("uuid", "gpu")
    total = gauge("gpu_memory_total_bytes", "Memory of the GPU", labels)
    used = gauge("gpu_memory_used_bytes", "Memory of the GPU in use", labels)
    for device in seen.gpus.devices:
        total.add_metric([device.uuid, str(device.index)], device.memory_total)
        used.add_metric([device.uuid, str(device.index)], device.memory_used)
    yield from (total, used)


def _links(seen: Watched) -> Iterator[Metric]:
    """A state or a rate that could not be read has no series."""
    labels = ("device", "port")
    up = gauge("rdma_link_up", "Whether the RDMA port is active", labels)
    rate = gauge("rdma_link_rate_bits", "Rate of the RDMA port in bits a second", labels)
    for port in seen.links:
        place = [port.device, str(port.port)]
        if port.state is not None:
            up.add_metric(place, float(port.state == "ACTIVE"))
        if port.rate_gbps is not None:
            rate.add_metric(place, port.rate_gbps * 1e9)
    yield from (up, rate)


def _shm(seen: Watched) -> Iterator[Metric]:
    size = gauge("shm_size_bytes", "Size of /dev/shm as mounted", _WORKLOAD)
    used = gauge("shm_used_bytes", "Use of /dev/shm", _WORKLOAD)
    says = "Bytes in /dev/shm of NCCL's and Python's segments that no process holds"
    leaked = gauge("shm_leaked_bytes", says, _WORKLOAD)
    for pod, mount in sorted(seen.mounts.items()):
        size.add_metric(pod.split("/", 1), mount.size_bytes)
        if mount.used_bytes is not None:
            used.add_metric(pod.split("/", 1), mount.used_bytes)
        if mount.unheld_bytes is not None:
            leaked.add_metric(pod.split("/", 1), mount.unheld_bytes)
    yield from (size, used, leaked)
