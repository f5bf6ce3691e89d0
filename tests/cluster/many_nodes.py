"""A group of any size behind the stand-in, its agents with the evidence of a healthy one."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from distcheck.checks.evidence import Evidence
from distcheck.lab.apiserver import ApiServer
from tests.cluster.manifests.build import agent, container, obj, pod, service
from tests.cluster.manifests.world import Agents, http_ok


class Counted(ApiServer):
    """Counts requests: each one asks once whether its caller is let in."""

    calls = 0

    def admits(self, token: str) -> bool:
        self.calls += 1
        return super().admits(token)


def objects(evidence: Evidence) -> list[dict[str, Any]]:
    """The pods and agents of `evidence`, as an API server shows them."""
    world = evidence.intent.world_size
    serve = f"vllm serve {evidence.intent.model} --tensor-parallel-size {world}"
    head = f"ray start --head --port=6379 && exec {serve} --distributed-executor-backend ray"
    found = [obj("v1", "Namespace", n, None) for n in ("llm", "distcheck")]
    found.append(service("vllm-head", {"app": "vllm-head"}))
    for one in evidence.pods:
        leads = one.role == "leader"
        script = head if leads else "exec ray start --block --address=vllm-head:6379"
        labels = {"labels": {"app": "vllm-head" if leads else "vllm-worker"}}
        made = pod(one.name, one.node, one.ip, container(script), meta=labels)
        (status,) = made["status"]["containerStatuses"]
        status["state"]["running"]["startedAt"] = one.started_at
        found += [made, agent(str(one.node))]
    return found


class Doors(Agents):
    """One door that answers for every node's agent."""

    def __init__(self, evidence: Evidence) -> None:
        looks = {n.pods[0].pod: msgspec.json.encode(n) for n in evidence.nodes}
        super().__init__({"all": lambda path: http_ok(looks[_pod_of(path)])})

    def forward(self, namespace: str, pod: str, port: int) -> tuple[str, int] | None:
        return super().forward(
            namespace, "all" if pod.startswith("distcheck-agent-") else pod, port
        )


def _pod_of(path: str) -> str:
    return parse_qs(urlsplit(path).query)["pod"][0].partition("|")[0]


def empty(_namespace: str, _pod: str, _box: str, _argv: list[str]) -> tuple[int, bytes, bytes]:
    """A container in which the collector finds nothing."""
    return 0, b"v b cHl0aG9u My4xMg==\ne b Lw== -\n", b""
