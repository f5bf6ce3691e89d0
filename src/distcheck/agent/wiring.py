"""Makes the real parts and puts them together."""

import signal
import threading
from contextlib import ExitStack
from types import FrameType

from distcheck.agent.door import Door
from distcheck.agent.metrics import serve_metrics
from distcheck.agent.node import NodeAgent
from distcheck.agent.probes import gcs
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.settings import Settings, split_address


def make_agent(settings: Settings, library: object | None = None) -> NodeAgent:
    """An agent over the node's own parts; `library` stands in for the GPU driver's."""
    return NodeAgent(settings, Nvml(library), gcs.look)


def run_agent(settings: Settings, library: object | None = None) -> int:
    """Answer until SIGTERM or SIGINT, then end within a second.

    Raises:
        SettingsError: an address of a wrong form.
        OSError: an address that cannot be listened on.
    """
    agent = make_agent(settings, library)
    over = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        over.set()

    with ExitStack() as stack:
        door = Door(split_address(settings.listen), agent)
        stack.callback(door.server_close)
        threading.Thread(target=door.serve_forever, args=(0.1,), daemon=True).start()
        stack.callback(door.shutdown)
        stack.callback(serve_metrics(split_address(settings.metrics), agent))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        over.wait()
    return 0
