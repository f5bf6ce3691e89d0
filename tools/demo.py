"""`make demo`: the lab with a fault, `verify` against it, and whether it said what it should."""

import subprocess
import sys

from distcheck.lab.scenarios import load

INTRO = """\
A serving group of two nodes with eight GPUs each, in a lab on this machine.
{title}.

$ distcheck verify vllm-head-0
"""


def main() -> int:
    """Run one scenario; 0 when its exit code is the one that the scenario expects."""
    scenario = load(sys.argv[1] if len(sys.argv) > 1 else "replicated")
    print(INTRO.format(title=scenario.title), flush=True)
    command = [sys.executable, "-m", "distcheck", "lab", "run", scenario.name]
    code = subprocess.run(command, check=False).returncode
    good = code == scenario.expect.exit
    print(
        f"\nexit code {code}, {'as it should be' if good else f'expected {scenario.expect.exit}'}."
    )
    print("More: .venv/bin/distcheck lab list, .venv/bin/distcheck explain SHARD001")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
