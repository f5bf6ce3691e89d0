"""Tracebacks of our own bugs, as a log may have them."""

from distcheck.agent.redact import scrubbed
from distcheck.exporters.typography import visible


def for_a_log(trace: str) -> str:
    """The lines of a traceback without secrets and without escapes of terminals."""
    return "".join(f"{visible(line)}\n" for line in scrubbed(trace).rstrip("\n").split("\n"))
