"""CONF008: the same `--node-rank` in several pods."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule

_RANK = re.compile(r"--node[-_]rank[=\s]+[\"']?(\d+)\b")


@rule("CONF008", level="error")
def node_ranks_differ(group: Group) -> Iterator[Finding]:
    """Each pod of a group has a `--node-rank` of its own.

    What:
        A fixed `--node-rank` stands in a template of which the group has several pods, or in two
        templates, or is not below `--nnodes`.

    Why:
        Two pods say that they are the same node: the first one there is taken, the group waits
        for a rank that nobody has, and ends with a timeout.

    Fix:
        Compute it: `$(LWS_WORKER_INDEX)` in a LeaderWorkerSet, the ordinal of the host name in a
        StatefulSet.

    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 3
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.0
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "24",
                    --dist-init-addr, $(LWS_LEADER_ADDRESS):20000, --nnodes, "3", --node-rank, "0"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 3
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.0
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "24",
                    --dist-init-addr, $(LWS_LEADER_ADDRESS):20000, --nnodes, "3",
                    --node-rank, $(LWS_WORKER_INDEX)]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]

    Source:
        SGLang server_args.py; vLLM docs/serving/parallelism_scaling.md.
    """
    told: dict[int, str] = {}
    for member, engine in group.engines:
        rank = _fixed(engine)
        if rank is None or engine.asks is None or (engine.asks.nnodes or 1) < _SEVERAL:
            continue
        nnodes = engine.asks.nnodes or 0
        spot = engine.spot_of("--node-rank", "--node_rank")
        if rank >= nnodes:
            yield Finding(spot, f"--node-rank is {rank}, and --nnodes {nnodes} counts from 0")
        elif (member.pods or 1) > 1:
            says = f"--node-rank is {rank} in all {member.pods} pods of {member.template.what}"
            yield Finding(spot, says)
        elif rank in told:
            says = f"--node-rank is {rank} in {told[rank]} and in {member.template.what}"
            yield Finding(spot, says)
        told.setdefault(rank, member.template.what)


_SEVERAL = 2


def _fixed(engine: Container) -> int | None:
    """The rank where it is written as a number, not computed."""
    written = " ".join(t.text for t in engine.texts)
    found = _RANK.findall(written)
    return int(found[0]) if len(set(found)) == 1 else None
