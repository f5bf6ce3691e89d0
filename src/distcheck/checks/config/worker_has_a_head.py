"""CONF022: somebody must start Ray's head."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule


@rule("CONF022", level="error")
def worker_has_a_head(group: Group) -> Iterator[Finding]:
    """A group whose workers join Ray has a leader that starts it.

    What:
        Workers run `ray start --address`, and the leader that they join starts no Ray head.
    Why:
        There is no cluster to join: workers try until they give up, and the engine on the
        leader starts a Ray of its own that has one node.
    Fix:
        Let the leader run `ray start --head --port=6379` before the engine.
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
                  command: [sh, -c, "vllm serve /models/m --tensor-parallel-size 16"]
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
                  command: [sh, -c, "ray start --head && vllm serve /models/m -tp 16"]
            workerTemplate:
              spec:
                containers:
                - name: worker
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
    Source:
        vLLM docs/serving/parallelism_scaling.md.
    """
    engines = [c for m in group.members for c in m.template.containers]
    joining = [c for c in engines if any(j.way == "ray" for j in c.joins)]
    if not joining or any(c.ray and c.ray.head for c in engines):
        return
    leader = group.leader.template
    start = next((c for c in leader.containers if c.asks), None)
    if group.leader.leads and start is not None and start not in joining:
        opaque = any(w.endswith((".sh", ".py")) for c in start.commands for w in c.words)
        unseen = "the script that the leader runs" if opaque else group.open
        says = f"workers join Ray, and {leader.what} starts no head of it"
        also = (joining[0].spot_of("ray start"),)
        yield Finding(start.spot_of("vllm serve", "vllm"), says, unseen=unseen, also=also)
