"""`distcheck wait`: until Ray and the pods have the GPUs that a start-up script needs."""

import re
import time
from pathlib import Path
from typing import Annotated

from distcheck.agent.cli import options as opt
from distcheck.agent.cli.command import Program, argument, option
from distcheck.agent.cli.exit import PASS, WAITED, Stop, usage
from distcheck.agent.cli.progress import Progress
from distcheck.agent.cli.wait_looks import Look, Ready, cluster_look, gcs_look
from distcheck.agent.ray_token import read_token

_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
Target = Annotated[
    str,
    argument("HOST:PORT of Ray's GCS, or a serving group as `verify` takes it.", "TARGET"),
]
Gpus = Annotated[
    int | None, option("--gpus", says="How many GPUs there must be; required.", metavar="N")
]
Patience = Annotated[
    str, option("--timeout", says="Give up after this time (default 10m).", metavar="DURATION")
]
Every = Annotated[
    str, option("--interval", says="Time between two looks (default 2s).", metavar="DURATION")
]
Once = Annotated[bool, option("--once", says="Look once: for loops of your own.")]
TokenFile = Annotated[
    str | None,
    option("--token-file", says="File with the bearer token of Ray's GCS.", metavar="PATH"),
]


def wait(
    target: Target,
    *,
    gpus: Gpus = None,
    timeout: Patience = "10m",
    interval: Every = "2s",
    once: Once = False,
    token_file: TokenFile = None,
    namespace: opt.Namespace = None,
    context: opt.Context = None,
    kubeconfig: opt.Kubeconfig = None,
    quiet: opt.Quiet = False,
) -> int:
    """Wait until Ray and the pods have N GPUs; exit 0 when they have, 4 when time ran out.

    With HOST:PORT only Ray's GCS is asked, as a start-up script inside a pod can. With a
    serving group its running pods are counted, and its Ray is asked through the agents.
    """
    if gpus is None or not 0 < gpus < 10**6:
        raise usage("wait: --gpus N is needed, a number of 1 or more")
    patience = 0.0 if once else opt.duration("--timeout", timeout)
    pause = opt.duration("--interval", interval)
    with Progress(quiet=quiet) as progress:
        if _IP.fullmatch(target):
            raise usage(
                f"wait: {target} has no port; Ray's GCS is at HOST:PORT, such as {target}:6379"
            )
        if ":" in target:
            look = gcs_look(target, _token(token_file), min(patience or 5.0, 5.0))
        else:
            look = cluster_look(target, namespace, context, kubeconfig, progress)
        ready = until_there(look, gpus, patience, pause, progress)
    if ready.gpus < gpus:
        tried = "looked once" if once else f"gave up after {timeout}"
        raise Stop(WAITED, f"wait: {tried}: {ready.gpus} of {gpus} GPUs: {ready.says}")
    if not quiet:
        print(f"{ready.gpus} GPUs: {ready.says}")  # noqa: T201 - the command's result
    return PASS


def until_there(look: Look, gpus: int, patience: float, pause: float, progress: Progress) -> Ready:
    """The last look: the first with `gpus` GPUs, or the one at the end of `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        ready = look()
        left = end - time.monotonic()
        if ready.gpus >= gpus or left <= 0:
            return ready
        progress(f"{ready.gpus} of {gpus} GPUs: {ready.says}; {left:.0f} s left")
        time.sleep(min(pause, left))


def _token(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return read_token(Path(path))
    except ValueError as error:
        raise usage(f"wait: {error}") from error


PROGRAM = Program(wait)
