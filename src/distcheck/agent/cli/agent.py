"""`distcheck agent`: the DaemonSet's process."""

import os

from distcheck.agent.cli.exit import usage
from distcheck.agent.settings import SettingsError, read_settings


def agent() -> int:
    """Look at this node, and answer on the loopback of this pod.

    Settings come from DISTCHECK_NODE, DISTCHECK_HOST_PROC, DISTCHECK_HOST_SYS,
    DISTCHECK_POD_LOGS, DISTCHECK_LISTEN, DISTCHECK_METRICS, DISTCHECK_TIMEOUT,
    DISTCHECK_LOG_BYTES, DISTCHECK_PORT_PROBES, DISTCHECK_STATE, DISTCHECK_POD_RESOURCES,
    DISTCHECK_LOOK_EVERY, DISTCHECK_XID_WATCH and DISTCHECK_RAY_TOKEN_FILE.
    """
    from distcheck.agent.wiring import run_agent  # noqa: PLC0415 - `agent --help` looks at nothing

    try:
        return run_agent(read_settings(os.environ))
    except SettingsError as error:
        raise usage(f"agent: {error}") from error
    except OSError as error:
        raise usage(f"agent: cannot listen: {error}") from error


class _Agent:
    """The command without the reader of options, whose 10 MiB would stay for months."""

    def paths(self) -> list[list[str]]:
        """No words stand before the options."""
        return [[]]

    def run(self, name: str, argv: list[str]) -> int:
        """Run; words are given only to ask for help, or by mistake.

        Raises:
            Stop: the settings or the words do not fit.
        """
        if not argv:
            return agent()
        from distcheck.agent.cli.command import Program  # noqa: PLC0415 - see above

        return Program(agent).run(name, argv)


PROGRAM = _Agent()
