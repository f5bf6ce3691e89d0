"""`distcheck ray`: Ray's membership from its GCS alone."""

from pathlib import Path
from typing import Annotated

from distcheck.agent.cli import options as opt
from distcheck.agent.cli.command import Program, argument, option
from distcheck.agent.cli.exit import usage
from distcheck.agent.cli.progress import Progress
from distcheck.agent.cli.ray_report import ray_report, split_expectation
from distcheck.agent.cli.telling import Telling

Address = Annotated[str, argument("HOST:PORT of Ray's GCS, such as 10.0.0.2:6379.", "ADDRESS")]
Expect = Annotated[
    list[str] | None,
    option(
        "--expect",
        says="What Ray should have; nodes is a number, or addresses with commas.",
        metavar="nodes=2,gpus=16,world=16",
    ),
]
TokenFile = Annotated[
    str | None,
    option(
        "--token-file", says="File with the bearer token of a cluster that asks.", metavar="PATH"
    ),
]
Timeout = Annotated[
    str, option("--timeout", says="Time for all answers (default 5s).", metavar="DURATION")
]


def ray(
    address: Address,
    *,
    expect: Expect = None,
    token_file: TokenFile = None,
    timeout: Timeout = "5s",
    output: opt.Reports = None,
    inconclusive: opt.Inconclusive = None,
    strict: opt.Strict = False,
    quiet: opt.Quiet = False,
) -> int:
    """Ray membership on its own: nodes, GPUs, placement groups. Ray need not be installed."""
    telling = Telling(output, strict=strict, inconclusive=inconclusive, quiet=quiet)
    seconds = opt.duration("--timeout", timeout)
    token = Path(token_file) if token_file is not None else None
    with Progress(quiet=quiet) as progress:
        progress(f"asking {address}")
        try:
            wanted = split_expectation(",".join(expect)) if expect else {}
            judged = ray_report(address, wanted, token, seconds)
        except ValueError as error:
            raise usage(f"ray: {error}") from error
    return telling.tell([judged])


PROGRAM = Program(ray)
