"""The `distcheck` command."""

import gc
import sys

from distcheck.agent.cli.app import main as run


def complete() -> None:
    """Tell kubectl what may come next on its command line."""
    from distcheck.agent.cli.completion import answer  # noqa: PLC0415 - only a Tab pays for it

    sys.stdout.write(answer(sys.argv[1:]))


def main() -> None:
    """Run one command and exit with its code; all memory goes at once, no garbage is looked for."""
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
