"""CONF021: the port that workers join is the one that the leader listens on."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule

_GCS = 6379


@rule("CONF021", level="error")
def join_port_is_leaders(group: Group) -> Iterator[Finding]:
    """The port that workers join is the one that Ray's head listens on.

    What:
        A worker's `ray start --address=HOST:PORT` names another port than the head's `--port`.
    Why:
        Nobody listens there; the worker tries until it gives up.
    Fix:
        Use one port in both, 6379 unless something else needs it.
    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: head
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head --port=6380 --block"]
            workerTemplate:
              spec:
                containers:
                - name: worker
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: head
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head --port=6379 --block"]
            workerTemplate:
              spec:
                containers:
                - name: worker
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
    Source:
        Ray doc/source/ray-core/configure.rst: the GCS listens on `--port`, 6379 by default.
    """
    heads = [c for m in group.members for c in m.template.containers if c.ray and c.ray.head]
    if len(heads) != 1 or heads[0].ray is None:
        return
    own = heads[0].ray.port or _GCS
    for member in group.members:
        for container in member.template.containers:
            for join in container.joins:
                if join.way == "ray" and join.port not in (None, own) and join.is_read:
                    says = f"the worker joins port {join.port}, and Ray's head listens on {own}"
                    also = (heads[0].spot_of("--port", "ray start"),)
                    yield Finding(join.spot, says, also=also)
