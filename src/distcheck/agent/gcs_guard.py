"""Where a pod's command line may send this agent for its GCS: to no more than to a pod."""

from pathlib import Path

from distcheck.agent.netns import is_same
from distcheck.agent.peer_address import is_loopback, too_far, too_far_here, why_no_peer
from distcheck.agent.probes import sockets
from distcheck.agent.settings import Settings


def why_no_gcs_at(settings: Settings, ip: str, pid: int) -> str | None:
    """Why the group of process `pid` cannot have its GCS at `ip`; None where it can.

    The loopback that is reached from here is the agent's own, which counts only for a pod in
    the same network namespace.
    """
    refused = why_no_peer(ip, (settings.api_server,))
    if refused is not None:
        return refused
    proc = Path(settings.host_proc)
    namespace = proc / str(pid) / "ns" / "net"
    far = too_far_here(ip, shared=is_same(namespace, Path("/proc/thread-self/ns/net")))
    if far is None or is_loopback(ip) or not is_same(namespace, proc / "1" / "ns" / "net"):
        return far
    near_node = sockets.own_addresses(settings.host_proc, pid)
    return None if any(too_far(ip, a) is None for a in near_node) else far
