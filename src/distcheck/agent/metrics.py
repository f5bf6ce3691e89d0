"""The agent's metrics: what its own looks saw last, rendered. A scrape never starts a probe."""

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

from distcheck.agent import families as f
from distcheck.agent.answer_metrics import answer_families
from distcheck.agent.bounded_server import BoundedHandler, BoundedServer, serve
from distcheck.agent.gpu_watch import GpuWatch, Watched
from distcheck.agent.node import NodeAgent
from distcheck.agent.openmetrics import Metric, build, page
from distcheck.agent.pod_metrics import pod_families
from distcheck.checks.evidence import Gpus, Missing
from distcheck.checks.evidence.xids import Xids


class AgentFamilies:
    """Turns what the agent saw by itself, and its probes' outcomes, into metric families."""

    def __init__(self, agent: NodeAgent) -> None:
        self._agent = agent

    def collect(self) -> Iterator[Metric]:
        """All families, from memory."""
        yield build("agent")
        yield from self._probes()
        now = time.time()
        yield from _watched(self._agent.watch, now)
        yield from _answered(self._agent, now)
        yield from _xids(self._agent.xids.seen())

    @property
    def trouble(self) -> str:
        """Which loop of the agent does not go on; empty where all do."""
        return self._agent.trouble

    def _probes(self) -> Iterator[Metric]:
        went = sorted(self._agent.outcomes.items())
        yield f.PROBE_SUCCESS.of(((name,), outcome.success) for name, outcome in went)
        yield f.PROBE_SECONDS.of(((name,), outcome.seconds) for name, outcome in went)


class _Handler(BoundedHandler):
    """`/metrics`, the same at `/`, and `/healthz` for the kubelet."""

    server: "_Metrics"

    def get(self) -> None:
        """Answer by the path."""
        path = self.path.partition("?")[0].rstrip("/")
        if path == "/healthz":
            self.health(self.server.families.trouble)
            return
        if path not in ("/metrics", ""):
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
        yield f.XIDS.of(((x.uuid, x.index, x.number), x.count) for x in seen.seen)


def _watched(watch: GpuWatch, now: float) -> Iterator[Metric]:
    """Nothing of a look that is too old to be true; when it was is told in any case."""
    if watch.last is not None:
        yield f.LAST_LOOK.of([((), watch.last.at)])
    shown = watch.shown(now)
    if shown is not None:
        yield from _links(shown)
        gpus = shown.gpus if isinstance(shown.gpus, Gpus) else Gpus(())
        yield from _gpus(gpus)
        yield from pod_families(shown.pods, gpus)


def _gpus(gpus: Gpus) -> Iterator[Metric]:
    yield f.GPU_TOTAL.of(((d.uuid, d.index), d.memory_total) for d in gpus.devices)
    yield f.GPU_USED.of(((d.uuid, d.index), d.memory_used) for d in gpus.devices)


def _answered(agent: NodeAgent, now: float) -> Iterator[Metric]:
    shown = agent.watch.shown(now)
    pods = () if shown is None else shown.pods
    expected = {p.folder.key: p.gpus for p in pods if p.gpus is not None}
    yield from answer_families(agent.answers.fresh(now), expected)


def _links(seen: Watched) -> Iterator[Metric]:
    """A state or a rate that could not be read has no series."""
    places = [((p.device, p.port), p) for p in seen.links]
    yield f.LINK_UP.of((at, p.state == "ACTIVE") for at, p in places if p.state is not None)
    yield f.LINK_RATE.of((at, p.rate_gbps * 1e9) for at, p in places if p.rate_gbps is not None)
