"""All that is known of one log's NCCL lines, as plain data that can be kept and gone on with."""

from msgspec import Struct, field

from distcheck.agent.logs.nccl_channels import ChannelTable, held_by_process, owner
from distcheck.agent.logs.nccl_comms import CommTable
from distcheck.agent.logs.nccl_failures import FailureTable
from distcheck.agent.logs.nccl_notes import Notes
from distcheck.agent.logs.nccl_processes import Process, ProcessTable
from distcheck.checks.evidence.nccl import NcclLog

MAX_RESTARTS = 64


class NcclState(Struct):
    """What an agent keeps across its own restarts.

    `wants_next` asks for the next line whatever it holds: it ends a message of PyTorch's.
    """

    comms: CommTable = field(default_factory=CommTable)
    channels: ChannelTable = field(default_factory=ChannelTable)
    failures: FailureTable = field(default_factory=FailureTable)
    notes: Notes = field(default_factory=Notes)
    processes: ProcessTable = field(default_factory=ProcessTable)
    lines: int = 0
    folded: int = 0
    sheared: int = 0
    info: bool = False
    wants_next: bool = False
    restarts: int = 0

    def restart(self, process: Process) -> None:
        """This pid is another process now, in a log that goes on: what the old one set up is gone.

        After many restarts the rest is left in, and said: forgetting reads all tables.
        """
        self.restarts += 1
        if self.restarts <= MAX_RESTARTS:
            key = (process.host, process.pid)
            self.comms.forget(key)
            self.channels.forget(key)
            for thread in self.processes.threads.values():
                if thread.key == key:
                    thread.communicator, thread.counters = None, {}
            process.renewed()
            self.failures.called_before()

    def log(self, name: str) -> NcclLog:
        """What was read so far of file `name`, as evidence."""
        trusted = self.processes.trusted(whole=not self.info)
        comms = self.comms.result(frozenset(trusted))
        held = held_by_process(comms)
        channels = self.channels.result(
            lambda c: owner(c, held.get(c.process, ()), self.comms.id_at),
            {c.id: c for c in comms},
            name,
        )
        hosts = {p.host for p in trusted.values()}
        busy = [p for p in trusted.values() if p.busy]
        return NcclLog(
            lines=self.lines,
            flavour="RCCL" if self.notes.rccl else "NCCL",
            versions=self.notes.versions,
            info=self.info,
            start_seen=bool(busy) and all(p.start_seen for p in busy),
            processes=tuple(p.seen() for p in trusted.values()),
            communicators=comms,
            channels=tuple(c for c in channels if (c.host, c.pid) in trusted),
            echoes=self.notes.echoes(hosts),
            marks=self.notes.marks(hosts),
            failures=self.failures.result(hosts),
            folded=self.folded,
            sheared=self.sheared + len(self.processes.processes) - len(trusted),
            dropped=self._dropped(),
        )

    def _dropped(self) -> tuple[str, ...]:
        counts = {
            "communicators or ranks": self.comms.left_out,
            "channel lines": self.channels.left_out,
            "failures": self.failures.left_out,
            "threads, settings or notes": self.processes.left_out + self.notes.left_out,
        }
        late = self.restarts - MAX_RESTARTS
        more = (f"{late} restarts of processes over the bound",) if late > 0 else ()
        return (*(f"{n} {what} over the bound" for what, n in counts.items() if n), *more)
