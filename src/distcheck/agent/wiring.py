"""Makes the real parts and puts them together."""

import os
import signal
import threading
import time
from contextlib import ExitStack

from distcheck.agent import netlink
from distcheck.agent.bounded_server import serve
from distcheck.agent.door import Door
from distcheck.agent.metrics import serve_metrics
from distcheck.agent.netlink import Ask
from distcheck.agent.node import NodeAgent
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.port_listener import PortListener
from distcheck.agent.probes.shm import Space, statvfs
from distcheck.agent.ray_token import gcs_look
from distcheck.agent.settings import Settings, split_address

_KEEP, _AT_LAST = 0.5, 1.5
"""Seconds in which what was read of logs is kept at the end, and after which all is left."""

_ENDING = (signal.SIGTERM, signal.SIGINT)


def make_agent(
    settings: Settings,
    library: object | None = None,
    ask: Ask = netlink.ask,
    space: Space = statvfs,
    listener: type[PortListener] = PortListener,
) -> NodeAgent:
    """An agent over the node's own parts.

    `library` stands in for the GPU driver's, `ask` for the kernel's netlink, `space` for its
    statvfs, `listener` for what is between the pods and it.
    """
    gcs = gcs_look(settings.ray_token_file)
    return NodeAgent(settings, Nvml(library), gcs, ask, space, listener)


def run_agent(
    settings: Settings,
    library: object | None = None,
    ask: Ask = netlink.ask,
    space: Space = statvfs,
    listener: type[PortListener] = PortListener,
) -> int:
    """Follow logs and answer until SIGTERM or SIGINT, then end within two seconds.

    Raises:
        SettingsError: an address of a wrong form.
        OSError: an address that cannot be listened on.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        _serve(make_agent(settings, library, ask, space, listener), settings)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0


def _serve(agent: NodeAgent, settings: Settings) -> None:
    """Serve until a signal ends it, which is blocked in every thread and waited for here.

    A handler would run only when the main thread wakes up, and a signal that another thread
    gets does not wake it. At its end Python waits for threads of pools: one may hang.
    """
    ended = threading.Event()
    threading.Thread(target=_leave_after, args=(ended,), daemon=True, name="end").start()
    with ExitStack() as stack:
        stack.callback(serve(Door(split_address(settings.listen), agent)))
        stack.callback(serve_metrics(split_address(settings.metrics), agent))
        stack.callback(agent.watch.start())
        if settings.xid_watch:
            stack.callback(agent.xids.start())
        agent.tail.start()
        stack.callback(agent.tail.stop, _KEEP)
        signal.sigwait(_ENDING)
        ended.set()


def _leave_after(ended: threading.Event) -> None:
    """Leave in time whatever hangs; started early, as at the end there may be no room for it."""
    ended.wait()
    time.sleep(_AT_LAST)
    os._exit(0)
