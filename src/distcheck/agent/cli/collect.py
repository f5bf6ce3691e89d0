"""`distcheck collect`: gather evidence into a file."""

import gzip
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from distcheck.agent.cli import options as opt
from distcheck.agent.cli.asked import Asked, ray_token
from distcheck.agent.cli.command import Program, argument, option
from distcheck.agent.cli.exit import PASS, usage
from distcheck.agent.cli.gathering import gathering
from distcheck.agent.cli.output import check_writable
from distcheck.agent.cli.progress import Progress
from distcheck.checks.evidence import encode_evidence

Target = Annotated[str, argument("What `distcheck verify` takes.", "TARGET")]
File = Annotated[
    str, option("-f", "--file", says="Where to write; .gz compresses, - is standard output.")
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
    asked = Asked(
        target,
        namespace,
        context,
        kubeconfig,
        opt.duration("--timeout", timeout),
        agents=not no_agents,
        exec=not no_exec,
        quiet=quiet,
        ray_token=ray_token(ray_token_file),
    )
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
        if path.exists() and not path.is_file():
            path.write_bytes(packed)  # a pipe or a device cannot be replaced
        else:
            _replace(path.resolve(), packed)
    except OSError as error:
        raise usage(f"{path} cannot be written: {error.strerror}") from error


def _replace(path: Path, data: bytes) -> None:
    """Beside the file first, then in its place: a file that was there stays until then."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        beside = Path(new.name)
        try:
            new.write(data)
            new.flush()
            os.fsync(new.fileno())
            beside.chmod(mode)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


PROGRAM = Program(collect)
