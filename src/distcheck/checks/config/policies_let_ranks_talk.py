"""CONF029: NetworkPolicies that close the ways between the pods of a group."""

import re
from collections.abc import Iterator, Sequence

from distcheck.checks.evidence.policy import EPHEMERAL, PolicyPod
from distcheck.checks.knowledge.policies import Rules
from distcheck.checks.knowledge.policy_grammar import Policy, Unreadable, read_policy
from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF029", level="error")
def policies_let_ranks_talk(bundle: Bundle) -> Iterator[Finding]:
    """NetworkPolicies leave open what the pods of a group need of each other, and DNS.

    What:
        The NetworkPolicies of the input close ports 32768 to 60999 between pods of a group, or
        name lookups of pods that join others by a name.

    Why:
        NCCL, Gloo and Ray meet on ports that the kernel picks; opening 6379 or 29500 alone does
        not help. The group hangs when it starts.

    Fix:
        Allow all TCP ports between the pods of the group, in both directions, and UDP and TCP 53
        to the cluster's name servers.

    Fails:
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: only-ray}
        spec:
          podSelector: {}
          policyTypes: [Ingress]
          ingress: [{from: [{podSelector: {}}], ports: [{port: 6379}, {port: 8000}]}]
        ---
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: own}
        spec:
          podSelector: {}
          policyTypes: [Ingress]
          ingress: [{from: [{podSelector: {}}]}]
        ---
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]

    Source:
        Kubernetes: Network Policies; NCCL src/misc/socket.cc (port 0). NET003 judges the live
        policies, and NET001 tries the ports.
    """
    things = list(bundle.of_kind("NetworkPolicy"))
    for group in bundle.groups if things else ():
        space = group.leader.template.namespace
        if _hidden(group, things):
            continue
        rules = Rules(tuple(_read(t for t in things if t.namespace == space)), {}, blocks=True)
        pods = [(m, _pod(m.template)) for m in group.members if not m.template.host_network]
        closed = _closed(rules, pods) if _many(group) else None
        if closed is not None:
            policy, between = closed
            says = f"{policy} closes ports 32768 to 60999 {between}"
            yield Finding(_place(things, policy).place.at("spec").key, says)
        for member, pod in pods:
            if _asks_names(member) and not rules.may_ask_dns(pod):
                policy = rules.isolating(pod, "egress")[0].name
                says = f"{policy} lets {member.template.what} ask no name server"
                yield Finding(_place(things, policy).place.at("spec").key, says)
                break


def _hidden(group: Group, things: Sequence[Thing]) -> bool:
    """Whether policies choose by labels that a controller may put on the pods."""
    specs = " ".join(str(t.place.at("spec").value) for t in things)
    names = set(re.findall(r"'([^' ]+)': ", specs)) | set(re.findall(r"'key': '([^']+)'", specs))
    return any(m.template.may_have_label(n) for m in group.members for n in names if "/" in n)


def _many(group: Group) -> bool:
    return group.is_whole and (group.pods is None or group.pods > 1) and len(group.members) > 1


def _read(things: Iterator[Thing]) -> Iterator[Policy]:
    for thing in things:
        spec = thing.place.at("spec").value
        try:
            yield read_policy(thing.name, spec if isinstance(spec, dict) else {})
        except Unreadable:
            continue


def _place(things: Sequence[Thing], name: str) -> Thing:
    return next(t for t in things if t.name == name)


def _pod(template: Template) -> PolicyPod:
    ports = {
        p.text("name"): p.number("containerPort") or 0
        for c in template.every
        for p in c.place.each("ports")
    }
    return PolicyPod(template.what, dict(template.labels), ports)


def _closed(rules: Rules, pods: Sequence[tuple[Member, PolicyPod]]) -> tuple[str, str] | None:
    """The policy that closes the first direction that is closed, and between whom."""
    for one, pod in pods:
        for two, other in pods:
            if pod is other and (one.pods or 2) < 2:
                continue
            for way, own, far in (("egress", pod, other), ("ingress", other, pod)):
                ranges = rules.allowed(own, way, far, "TCP")  # type: ignore[arg-type]
                if not any(low <= EPHEMERAL[0] and high >= EPHEMERAL[1] for low, high in ranges):
                    policy = rules.isolating(own, way)[0].name  # type: ignore[arg-type]
                    return policy, f"from {one.template.what} to {two.template.what}"
    return None


def _asks_names(member: Member) -> bool:
    return any(
        j.is_read and not j.host.replace(".", "").isdigit()
        for c in member.template.every
        for j in c.joins
    )
