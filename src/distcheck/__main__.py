"""The `distcheck` command."""

import sys


def main() -> None:
    """Run one command and exit with its code."""
    sys.exit(2)


if __name__ == "__main__":
    main()
