"""Ports that somebody chose: they say nothing of those that the kernel picks at random."""

from collections.abc import Iterator

from distcheck.checks.evidence import Evidence, Processes
from distcheck.checks.facts.names_asked import wanted
from distcheck.checks.knowledge.meeting_flags import port_of


def fixed_ports(evidence: Evidence) -> frozenset[int]:
    """Those that specs, command lines and variables of the group name.

    Any number of a command line may be one (`--dist-init-addr head:50000`,
    `--master-port=40000`): one too many costs a proof, one too few would make a false one.
    """
    declared = (w.port for w in wanted(evidence) if w.port)
    return frozenset((*declared, *evidence.intent.ports.values(), *_said(evidence)))


def _said(evidence: Evidence) -> Iterator[int]:
    for seen in (evidence.look(p).processes for p in evidence.pods):
        if isinstance(seen, Processes):
            argvs = (word for p in seen.processes for word in p.argv)
            for text in (*argvs, *seen.environ.values()):
                port = port_of(text[-64:].rpartition("=")[2].rpartition(":")[2])
                if port is not None:
                    yield port
