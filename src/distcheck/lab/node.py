"""The real agent process over a node folder; driver, kernel and engine are stand-ins."""

import argparse
import os
import sys
from pathlib import Path

from distcheck.agent.settings import Settings
from distcheck.agent.wiring import run_agent
from distcheck.lab.engine_answers import serve_answers
from distcheck.lab.kernel import LabNetlink
from distcheck.lab.machine import end_with
from distcheck.lab.nccl_range import WAYS
from distcheck.lab.nvml import LabNvml
from distcheck.lab.shm_files import LabSpace

_LOOK_EVERY = 0.5
"""Seconds: who looks at the lab's metrics does not wait a minute for a node that came late."""
_PATIENCE = 20.0
"""Seconds for a look: a laptop that runs a whole cluster is slower than a node of GPUs."""


def main(argv: list[str]) -> int:
    """`--root FOLDER --node NAME --listen HOST:PORT --metrics HOST:PORT --dns-port N --parent PID`.

    Until SIGTERM, or until the lab that started it is gone. `--range` is one of `WAYS`.
    """
    parser = argparse.ArgumentParser(prog="python -m distcheck.lab.node")
    for name in ("root", "node", "listen", "metrics"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--dns-port", type=int, default=53)
    parser.add_argument("--parent", type=int, default=os.getppid())
    parser.add_argument("--range", choices=WAYS, default="open")
    given = parser.parse_args(argv)
    end_with(given.parent)
    root = Path(given.root)
    serve_answers(root)
    settings = Settings(
        node=given.node,
        host_proc=str(root / "proc"),
        host_sys=str(root / "sys"),
        pod_logs=str(root / "pod-logs"),
        listen=given.listen,
        metrics=given.metrics,
        port_probes=True,
        xid_watch=True,
        dns_port=given.dns_port,
        look_every=_LOOK_EVERY,
        timeout=_PATIENCE,
    )
    library, netlink = LabNvml(root / "nvml.json"), LabNetlink(root)
    listener = WAYS[given.range]
    return run_agent(settings, library, netlink, space=LabSpace(root), listener=listener)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
