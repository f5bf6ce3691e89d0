"""`distcheck agent`: the DaemonSet's process."""

import os

from distcheck.agent.cli.command import Program
from distcheck.agent.cli.exit import usage
from distcheck.agent.settings import SettingsError, read_settings


def agent() -> int:
    """Look at this node, and answer on the loopback of this pod.

    Settings come from DISTCHECK_NODE, DISTCHECK_HOST_PROC, DISTCHECK_HOST_SYS,
    DISTCHECK_POD_LOGS, DISTCHECK_LISTEN, DISTCHECK_METRICS, DISTCHECK_TIMEOUT,
    DISTCHECK_LOG_BYTES and DISTCHECK_PORT_PROBES.
    """
    from distcheck.agent.wiring import run_agent  # noqa: PLC0415 - `agent --help` looks at nothing

    try:
        return run_agent(read_settings(os.environ))
    except SettingsError as error:
        raise usage(f"agent: {error}") from error
    except OSError as error:
        raise usage(f"agent: cannot listen: {error}") from error


PROGRAM = Program(agent)
