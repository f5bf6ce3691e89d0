"""What each form of NCCL's messages changes in what is known."""

import re
from collections.abc import Callable
from typing import NamedTuple

from distcheck.agent.logs.nccl_comms import Where
from distcheck.agent.logs.nccl_processes import Process, Thread
from distcheck.agent.logs.nccl_state import NcclState

_MOST_VERSIONS = 8


class Here(NamedTuple):
    """The message being read: its thread, its line as `file:line`, and the line's time."""

    state: NcclState
    thread: Thread
    source: str
    stamp: str | None

    @property
    def process(self) -> Process:
        """The process that wrote it."""
        return self.state.processes.of(self.thread)

    @property
    def where(self) -> Where:
        """Who wrote it, and where."""
        return Where(self.thread.key, self.source, self.stamp)


def _init(here: Here, found: re.Match[str]) -> None:
    name, started = here.state.comms.init(found, here.where) or ("", False)
    if not name:
        here.state.sheared += 1
        return
    process, thread = here.process, here.thread
    process.busy = True
    begun = found["state"] == "START"
    process.start_seen = process.start_seen or begun
    process.settled = process.settled or not begun
    process.again = False
    if not begun and not started:
        here.state.channels.belong(thread, name)
    thread.communicator, thread.counters = name if begun else None, {}


def _nodes(here: Here, found: re.Match[str]) -> None:
    here.state.comms.nodes(found, here.thread.key)


def _closed(here: Here, found: re.Match[str]) -> None:
    here.state.comms.closed(found, here.thread.key, aborted=found["end"] == "Abort")


def _network(here: Here, found: re.Match[str]) -> None:
    process = here.process
    if process.network != found["name"]:
        process.network, process.source = found["name"], here.source


def _provider(here: Here, found: re.Match[str]) -> None:
    here.process.provider = found["name"]


def _connected(here: Here, found: re.Match[str]) -> None:
    process = here.process
    process.pending = False
    process.rings |= found["what"] == "rings"
    process.trees |= found["what"] != "rings"


def _bootstrap(here: Here, _: re.Match[str]) -> None:
    process = here.process
    if process.bootstrapped:
        here.state.failures.restarted(here.thread.key)
        process.again = True
    process.bootstrapped = True
    process.start_seen = process.start_seen or not process.busy


def _version(here: Here, found: re.Match[str]) -> None:
    here.state.notes.version(found)
    process, version = here.process, found["version"]
    if version not in process.versions:
        process.versions = [*process.versions[:_MOST_VERSIONS], version]
    elif process.again:
        here.state.restart(process)
    process.again = False


def _timings(here: Here, found: re.Match[str]) -> None:
    """Initialisation is over: as good as the COMPLETE line, where that one is missing."""
    rank, nranks = int(found["rank"]), int(found["nranks"])
    if here.thread.communicator is not None:
        here.state.comms.completed(here.thread.communicator, rank, nranks, here.where)


def _chosen(here: Here, found: re.Match[str]) -> None:
    if here.process.network is None:
        _network(here, found)


def _ras(here: Here, found: re.Match[str]) -> None:
    here.process.ras = found["where"]


def _echo(here: Here, found: re.Match[str]) -> None:
    here.state.notes.echo(found["name"], found["value"], here.thread.host, here.source)


TAKERS: dict[str, Callable[[Here, re.Match[str]], None]] = {
    "init": _init,
    "nodes": _nodes,
    "closed": _closed,
    "network": _network,
    "provider": _provider,
    "connected": _connected,
    "bootstrap": _bootstrap,
    "version": _version,
    "echo": _echo,
    "timings": _timings,
    "plugin-chosen": _chosen,
    "ras-at": _ras,
}
"""By kind of form. A kind that is not here shows nothing that is kept."""

SAME = frozenset({"echo", "plugin-chosen"})
"""Kinds of which a second equal message from the same process says nothing new."""
