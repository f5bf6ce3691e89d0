"""CONF060: several ranks in a pod whose /dev/shm is the runtime's 64 MiB."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule


@rule("CONF060", level="error")
def shm_is_mounted(group: Group) -> Iterator[Finding]:
    """Pods with several ranks mount a /dev/shm of their own.

    What:
        A pod of several GPUs, or of a group of several nodes, has no volume at /dev/shm, so it
        gets the container runtime's 64 MiB.
    Why:
        NCCL takes 7 to 33 MiB there for each rank and communicator, and vLLM's message ring
        100 to 160 MiB: the ranks stop with "No space left on device", or with SIGBUS later.
    Fix:
        Add `volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]` to the pod,
        and `volumeMounts: [{name: dshm, mountPath: /dev/shm}]` to the container of the ranks.
    Fails:
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
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Source:
        containerd internal/cri/server/podsandbox (defaultShmSize); NCCL src/proxy.cc and vLLM
        shm_broadcast.py, as docs/shm.md counts them. SHM001 measures it on the live group.
    """
    many = (group.nodes or 1) > 1 and group.is_whole
    for member, engine in group.engines:
        template = member.template
        host = template.spec.at("hostIPC").value is True
        alone = engine.gpus < 2 and not many
        if not engine.gpus or alone or host or template.shm is not None or engine.nim_chart:
            continue
        gpus = f"{engine.gpus} GPU{'s' * (engine.gpus != 1)}"
        says = f"{template.what}: container {engine.name} has {gpus} and no volume at /dev/shm"
        mounts = engine.place.at("volumeMounts")
        spot = mounts.key if mounts else engine.place.at("name").spot
        sure = many and engine.gpus > _FEW
        known = engine.asks or engine.nim or engine.ray or engine.engine_image
        likely = bool(known) and engine.gpus > 1
        level: Level = "error" if sure else "warning" if likely else "hint"
        yield Finding(spot, f"{says}: it gets 64 MiB", level=level)


_FEW = 2
"""So many pools of NCCL fit into 64 MiB; between GPUs of one node there may be none at all."""
