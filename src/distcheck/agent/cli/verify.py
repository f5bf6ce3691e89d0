"""`distcheck verify`: find the group, gather, judge, tell."""

from collections.abc import Callable
from typing import Annotated

from distcheck.agent.cli import options as opt
from distcheck.agent.cli.asked import Asked, asked_of
from distcheck.agent.cli.command import Program, argument, option
from distcheck.agent.cli.ending import Signalled
from distcheck.agent.cli.evidence_files import read_evidence
from distcheck.agent.cli.exit import WAITED, usage
from distcheck.agent.cli.judging import Judging
from distcheck.agent.cli.looking import Looking
from distcheck.agent.cli.progress import Progress
from distcheck.agent.cli.select import select
from distcheck.agent.cli.telling import Telling
from distcheck.agent.cli.waiting import Cut, until_settled
from distcheck.checks.evidence import Evidence

Target = Annotated[
    str | None,
    argument(
        "NAME, or pod/, deploy/, sts/, lws/, raycluster/, rayservice/, nimservice/, service/NAME.",
        "TARGET",
    ),
]
EvidencePath = Annotated[
    str | None,
    option(
        "--evidence",
        says="Judge what was collected: a file, a folder of files, or -. No cluster is needed.",
        metavar="PATH",
    ),
]


def verify(
    target: Target = None,
    *,
    evidence: EvidencePath = None,
    namespace: opt.Namespace = None,
    context: opt.Context = None,
    kubeconfig: opt.Kubeconfig = None,
    output: opt.Reports = None,
    only: opt.Only = None,
    skip: opt.Skip = None,
    require: opt.Require = None,
    wait: opt.Wait = None,
    timeout: opt.Timeout = "60s",
    expect: opt.Expect = None,
    model: opt.Model = None,
    inconclusive: opt.Inconclusive = None,
    strict: opt.Strict = False,
    no_agents: opt.NoAgents = False,
    no_exec: opt.NoExec = False,
    ray_token_file: opt.RayTokenFile = None,
    quiet: opt.Quiet = False,
) -> int:
    """Prove that a serving group is one sharded model on a healthy interconnect.

    Finds the group of TARGET, gathers evidence from its nodes' agents, judges it, and tells.
    """
    judging = Judging(select(only, skip, require), expect, model)
    telling = Telling(output, strict=strict, inconclusive=inconclusive, quiet=quiet, read=evidence)
    if evidence is not None:
        _refuse_beside(
            target=target, wait=wait, namespace=namespace, context=context, kubeconfig=kubeconfig,
            no_agents=no_agents, no_exec=no_exec, ray_token_file=ray_token_file,
        )  # fmt: skip
        return telling.tell([judging.judge(e) for e in read_evidence(evidence)])
    if target is None:
        raise usage("verify: name a TARGET, or judge a file with --evidence PATH")
    asked = asked_of(
        target, namespace, context, kubeconfig, timeout=timeout, no_agents=no_agents,
        no_exec=no_exec, ray_token_file=ray_token_file, quiet=quiet,
    )  # fmt: skip
    return _looked_at(asked, judging, telling, wait)


def _refuse_beside(**given: object) -> None:
    """Evidence that is judged from a file needs no cluster, and none of its options."""
    for name, value in given.items():
        if value:
            word = "TARGET" if name == "target" else f"--{name.replace('_', '-')}"
            raise usage(f"--evidence goes without {word}")


def _looked_at(asked: Asked, judging: Judging, telling: Telling, wait: str | None) -> int:
    """Look until the verdict stays, and tell it; also where a signal ends the wait."""
    patience = None if wait is None else opt.duration("--wait", wait)
    try:
        with Progress(quiet=asked.quiet) as progress:
            look = Looking(asked, _gathering(asked, progress), patient=patience is not None)
            judged, awaits = until_settled(
                lambda: judging.judge(look()), patience, progress, hopeless=look.hopeless
            )
    except Cut as cut:
        telling.tell([cut.judged], f"a signal ended --wait {wait}: {cut.awaits}")
        raise
    except Signalled:
        telling.tell([], "a signal came before anything was judged")
        raise
    ran_out = f"--wait {wait} ran out: {awaits}" if awaits else ""
    code = telling.tell([judged], ran_out)
    return WAITED if ran_out else code


def _gathering(asked: Asked, progress: Progress) -> Callable[[], Evidence]:
    from distcheck.agent.cli.gathering import gathering  # noqa: PLC0415 - files need no cluster

    return gathering(asked, progress)


PROGRAM = Program(verify)
