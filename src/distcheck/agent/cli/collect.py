"""`distcheck collect`: gather evidence into a file."""

import gzip
import sys
from pathlib import Path
from typing import Annotated

from distcheck.agent.cli import options as opt
from distcheck.agent.cli.asked import asked_of
from distcheck.agent.cli.command import Program, argument, option
from distcheck.agent.cli.exit import PASS, usage
from distcheck.agent.cli.gathering import gathering
from distcheck.agent.cli.output import check_writable
from distcheck.agent.cli.progress import Progress
from distcheck.agent.replacing import put
from distcheck.checks.evidence import encode_evidence

Target = Annotated[str, argument("What `distcheck verify` takes.", "TARGET")]
File = Annotated[
    str,
    option(
        "-f", "--file", metavar="FILE", says="Where to write; .gz compresses, - is standard output."
    ),
]


def collect(
    target: Target,
    *,
    file: File = "evidence.json.gz",
    namespace: opt.Namespace = None,
    context: opt.Context = None,
    kubeconfig: opt.Kubeconfig = None,
    timeout: opt.Timeout = "60s",
    no_agents: opt.NoAgents = False,
    no_exec: opt.NoExec = False,
    ray_token_file: opt.RayTokenFile = None,
    quiet: opt.Quiet = False,
) -> int:
    """Gather evidence of the group of TARGET into a file, without judging it.

    The file holds no secrets: evidence is redacted where it is read.
    """
    path = None if file == "-" else Path(file)
    if path is not None:
        check_writable(path)
    asked = asked_of(
        target, namespace, context, kubeconfig, timeout=timeout, no_agents=no_agents,
        no_exec=no_exec, ray_token_file=ray_token_file, quiet=quiet,
    )  # fmt: skip
    with Progress(quiet=quiet) as progress:
        evidence = gathering(asked, progress)()
    _write(path, encode_evidence(evidence) + b"\n")
    return PASS


def _write(path: Path | None, data: bytes) -> None:
    if path is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    packed = gzip.compress(data, mtime=0) if path.suffix == ".gz" else data
    try:
        put(path, packed)
    except OSError as error:
        raise usage(f"{path} cannot be written: {error.strerror}") from error


PROGRAM = Program(collect)
