"""NET002."""

from collections.abc import Sequence

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite
from distcheck.checks.facts.rendezvous import Meeting, Rendezvous
from distcheck.checks.facts.rendezvous_findings import Finding, judged
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import alike, few
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned


@check("NET002", weight="supporting")
def rendezvous_name(found: Rendezvous) -> Verdict:
    """The rendezvous name resolves to the leader.

    Proves:
        Each name by which a pod of the group joins its leader (`ray start --address`,
        LWS_LEADER_ADDRESS, the master address of torch, vLLM or SGLang) was looked up from
        inside that pod's own network namespace, by its own resolv.conf, and is the leader's
        address, or that of a Service which leads to the leader alone. Where nobody looked it
        up, but the pod has met the leader, it was right then. What the specs alone say is no
        proof: a name server may not be reached.

    Causes:
        name_unresolved: no such name, or no name server answers
        name_wrong: the name leads to another pod, or to a Service that does not lead to the
            leader
        no_endpoints: the name is right, but its Service has no pod that is ready

    Remedy:
        Let workers join by a name that the leader has: `<pod>.<Service>` of its StatefulSet's
        own headless Service, or LWS_LEADER_ADDRESS. A headless Service for the rendezvous wants
        `publishNotReadyAddresses: true`. Where no name server answers, let the pods reach UDP
        and TCP port 53 of the cluster's DNS.
    """
    if found.alone is not None:
        return skipped("the group is one pod, which joins no other", [found.alone])
    judgements = [judged(m, found) for m in found.meetings]
    wrong = [j for j in judgements if j.cause is not None]
    if wrong:
        return _wrong(wrong)
    open_ones = [j for j in judgements if not j.good]
    if open_ones:
        return unknown("; ".join(alike(j.says for j in open_ones)), _cites(open_ones))
    names = few([*dict.fromkeys(j.meeting.name for j in judgements)])
    pods = len({j.meeting.pod for j in judgements})
    says = f"{names} {_leads(judgements)} to {found.leader_name} for {counted(pods, 'pod')}"
    return passed(says, _cites(judgements), [m.pod for m in found.meetings])


def _leads(found: Sequence[Finding]) -> str:
    return several(len({j.meeting.name for j in found}), "leads")


def _wrong(wrong: Sequence[Finding]) -> Verdict:
    """A fail, unless every pod of which it is said has met the leader."""
    bad = [j for j in wrong if j.meeting.joined is None and not j.mild]
    first = (bad or wrong)[0]
    told = alike(j.says for j in (bad or wrong) if j.cause == first.cause)
    says = "; ".join(told[:2]) + (f"; and {len(told) - 2} more" if len(told) > 2 else "")
    subjects = dict.fromkeys(j.meeting.pod for j in wrong)
    if bad:
        return failed(says, first.cause, _cites(wrong), subjects, first.remedy)
    met = "" if first.mild else "; it has met the leader before, so this stops its next start"
    cites = [*_cites(wrong), *(j.meeting.joined for j in wrong if j.meeting.joined)]
    return warned(says + met, first.cause, cites, subjects, first.remedy)


def _cites(found: Sequence[Finding]) -> list[Cite]:
    every = (c for j in found for c in (*j.meeting.cites, *_joins(j.meeting, j)))
    return list({(c.what, c.source): c for c in every}.values())


def _joins(meeting: Meeting, found: Finding) -> tuple[Cite, ...]:
    return (meeting.joined,) if found.by_joining and meeting.joined else ()
