"""A cluster whose groups are verified by hand, with a clock and a gate."""

import copy
from typing import Any

from msgspec.structs import replace
from tests.cluster.manifests.build import Object, member, statefulset
from tests.evidence_builder import healthy

from distcheck.agent.serve.gate import Answer, Gate, Terms
from distcheck.agent.serve.rounds import Rounds
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Evidence, Missing
from distcheck.lab.apiserver import ApiServer

CHECKS = [c for c in catalog() if c.id in ("GROUP001", "SHM001", "NET001")]


class Cluster:
    """A group whose evidence is `seen`, rounds that are run by hand, a clock, and the gate."""

    def __init__(self, rounds: Rounds, server: ApiServer) -> None:
        self.rounds, self.server, self.now = rounds, server, 0.0
        self.gate = Gate(rounds, rounds.api, lambda: self.now)

    def round(self) -> None:
        self.rounds.once()
        kept = self.rounds.verdicts.all(0.0).values()
        self.now = max((k.judged_at for k in kept), default=0.0)

    def ask(self, **terms: Any) -> Answer:
        self.gate.running.forget()
        return self.gate.ask("llm", "vllm-head", Terms(**terms))

    def workload(self, name: str, **terms: Any) -> Answer:
        self.gate.running.forget()
        return self.gate.ask("llm", name, Terms(**terms))

    def change(self, name: str, /, **meta: Any) -> None:
        things: list[Object] = copy.deepcopy(list(self.server.objects))
        one = next(o for o in things if o["metadata"]["name"] == name)
        status = meta.pop("status", None)
        one["metadata"] |= meta
        if status is not None:
            one["status"] = status
        self.server.objects = things


SEEN = [healthy()]


def blind() -> Evidence:
    """Nothing was seen of /dev/shm, which is core."""
    evidence = healthy()
    nodes = tuple(
        replace(n, pods=tuple(replace(p, shm=Missing("not looked")) for p in n.pods))
        for n in evidence.nodes
    )
    return replace(evidence, nodes=nodes)


WHOLE = "exec vllm serve /models/qwen -tp 8"


def replicas(server: ApiServer, count: int, command: str = WHOLE) -> None:
    """A StatefulSet `qwen` more, each of whose pods serves a copy; the last runs `command`."""
    names = [f"qwen-{n}" for n in range(count)]
    says = dict.fromkeys(names, WHOLE) | {names[-1]: command}
    pods = [member(n, f"gpu-{n}", f"10.0.1.{i}", says[n]) for i, n in enumerate(names)]
    server.objects = [*server.objects, statefulset("qwen", count), *pods]
