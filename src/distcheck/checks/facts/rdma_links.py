"""What is wrong with the links that a group may use."""

from collections.abc import Collection, Iterator

from distcheck.checks.evidence.rdma import RdmaDevices, RdmaPort
from distcheck.checks.facts.rdma_state import Fault, PodRdma, RdmaStates
from distcheck.checks.knowledge.names import few, names
from distcheck.checks.knowledge.rdma import is_named, routable


def filtered(rdma: RdmaStates) -> Fault | None:
    """Pods whose NCCL_IB_HCA leaves none of their devices."""
    found = [p for p in rdma.pods if p.open and not p.ports and "NCCL_IB_HCA" in p.settings]
    if not found:
        return None
    one, setting = found[0], found[0].settings["NCCL_IB_HCA"]
    there = few(tuple(dict.fromkeys(p.device for p in one.open)))
    says = f"NCCL_IB_HCA={setting.value} leaves no device of {one.pod}, which has {there}"
    return Fault("hca_filter", says, (setting.cite, one.access_cite), tuple(p.pod for p in found))


def cut_off(rdma: RdmaStates, *, sockets: bool) -> Fault | None:
    """Pods none of whose links is up, where one is missed: `sockets` says that TCP is used."""
    down = rdma.cut_off([p.pod for p in rdma.pods])
    if not down or not _missed(rdma, down, sockets=sockets):
        return None
    says = "; ".join(_all_down(p) for p in down[:2])
    if len(down) > 2:
        says += f"; the same for {names(p.pod for p in down[2:])}"
    cites = tuple(c for p in down for c in p.port_cites(p.ports))
    return Fault("link_down", says, cites, tuple(p.pod for p in down))


def _missed(rdma: RdmaStates, down: Collection[PodRdma], *, sockets: bool) -> bool:
    """Whether RDMA is asked for, another pod has it, or it could be had in the place of TCP.

    A privileged container sees every port of its node, on-board ones without a cable too.
    """
    if any(p.asks for p in rdma.pods) or any(p.active for p in rdma.pods):
        return True
    return sockets and any(x.state == "ACTIVE" for p in down for x in p.node_ports)


def _all_down(pod: PodRdma) -> str:
    first = pod.ports[0]
    phys = f" ({first.phys_state})" if first.phys_state else ""
    more = f", and {len(pod.ports) - 1} more" if len(pod.ports) > 1 else ""
    which = f"{first.name} on {pod.node} is {first.state}{phys}{more}"
    return f"no link is up that {pod.pod} may use: {which}"


def odd_ones(rdma: RdmaStates) -> Iterator[Fault]:
    """Links that are down and were asked for by name, or are up, and fast, on another node."""
    for pod in rdma.pods:
        down = [p for p in pod.ports if p.state not in (None, "ACTIVE") and _expected(rdma, pod, p)]
        if down:
            up = f"{len(pod.active)} of {len(pod.active) + len(down)} links of {pod.pod} are up"
            said = few([f"{p.name} is {p.state}" for p in down])
            says = f"{up}: on {pod.node} {said}"
            yield Fault("link_down", says, pod.port_cites(down), (pod.pod,))


def _expected(rdma: RdmaStates, pod: PodRdma, port: RdmaPort) -> bool:
    asked = pod.settings.get("NCCL_IB_HCA")
    if asked is not None and is_named(asked.value, port):
        return True
    others = (x for p in rdma.pods if p.node != pod.node for x in _fastest(p))
    return any((x.name, x.link_layer) == (port.name, port.link_layer) for x in others)


def _fastest(pod: PodRdma) -> tuple[RdmaPort, ...]:
    """Its links but for slower ones, which are for other things than ranks' traffic."""
    best = max((p.rate_gbps or 0.0 for p in pod.active), default=0.0)
    return tuple(p for p in pod.active if p.rate_gbps is None or p.rate_gbps >= best)


def fallen(rdma: RdmaStates) -> Iterator[Fault]:
    """Links that are up and went down since the agent's look before."""
    for pod in rdma.pods:
        if not isinstance(pod.devices, RdmaDevices):
            continue
        before = {p.name: p for p in pod.devices.before}
        fell = [(p, n) for p in pod.active if (n := _times(before.get(p.name), p)) > 0]
        if fell:
            said = few([f"{p.name} {n} times" if n > 1 else f"{p.name} once" for p, n in fell])
            says = f"links of {pod.node} went down since {pod.devices.before_at}: {said}"
            yield Fault("link_down", says, pod.port_cites(p for p, _ in fell), (pod.pod,))


def _times(before: RdmaPort | None, now: RdmaPort) -> int:
    """How often the link went down; a counter that fell was reset in between."""
    if before is None:
        return 0
    return now.counters.get("link_downed", 0) - before.counters.get("link_downed", 0)


def wrong_gids(rdma: RdmaStates) -> Iterator[Fault]:
    """RoCE links without the GID that NCCL will choose, or was told to."""
    for pod in rdma.pods:
        says = _wrong_gid(pod)
        if says is not None:
            yield Fault("gid_type", says, pod.port_cites(pod.active), (pod.pod,))


def _wrong_gid(pod: PodRdma) -> str | None:
    flat = [p for p in pod.active if routable(p) is False]
    if flat:
        return f"{few([p.name for p in flat])} of {pod.node} has no GID of RoCE v2"
    asked = pod.settings.get("NCCL_IB_GID_INDEX")
    if asked is None or not asked.value.isdecimal():
        return None
    for port in pod.active:
        kind = port.gids.get(asked.value.lstrip("0") or "0", "no GID")
        if routable(port) and "v2" not in kind:
            return f"NCCL_IB_GID_INDEX={asked.value} is {kind} on {port.name} of {pod.node}"
    return None
