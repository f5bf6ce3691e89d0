"""The `distcheck` command."""

import sys

from distcheck.agent.cli.app import main as run


def main() -> None:
    """Run one command and exit with its code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
