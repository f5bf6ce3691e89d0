"""What a LeaderWorkerSet makes: one group of a leader and its workers."""

from collections.abc import Iterator

from distcheck.agent.cluster.finding.members import LWS_NAME
from distcheck.agent.manifests.made import MOST_PODS, Made, tie_of
from distcheck.agent.manifests.one_word import one_word
from distcheck.checks.manifest.bundle import Thing

_LWS = "leaderworkerset.sigs.k8s.io"


def lws(thing: Thing) -> Iterator[Made]:
    """Lws `pod_webhook.go`, `pod_utils.go`: names, labels, and variables of one group."""
    template = thing.place.at("spec", "leaderWorkerTemplate")
    size = template.number("size")
    size = 1 if size is None else size
    name = one_word(thing.name) or "lws"
    leader, worker = template.at("leaderTemplate"), template.at("workerTemplate")
    env = {
        "LWS_LEADER_ADDRESS": f"{name}-0.{name}.{thing.namespace or 'default'}",
        "LWS_GROUP_SIZE": str(size),
    }
    labels = {LWS_NAME: name, f"{_LWS}/group-index": "0"}
    yield Made(
        thing, leader or worker, "LeaderWorkerSet", "leader", 1, tie_of(thing), (f"{name}-0",),
        hostnames=True, subdomain=name, labels={**labels, f"{_LWS}/worker-index": "0"},
        env={**env, "LWS_WORKER_INDEX": "0"},
    )  # fmt: skip
    names = tuple(f"{name}-0-{i}" for i in range(1, min(size, MOST_PODS)))
    if size > 1:
        yield Made(
            thing, worker, "LeaderWorkerSet", "worker", size - 1, tie_of(thing), names,
            hostnames=True, subdomain=name, labels=labels, env=env,
        )  # fmt: skip
