"""CONF121: NCCL too quiet for anybody to see what it uses."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.mpi_words import inner_words, mpi_words
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.pattern import pattern

_LOUD = pattern(r"""NCCL_DEBUG["']?\s*:\s*["']?(INFO|TRACE)\b""", re.IGNORECASE)


@rule("CONF121", level="hint")
def nccl_says_enough(group: Group) -> Iterator[Finding]:
    """NCCL logs which transport it uses between nodes.

    What:
        A group of several nodes has no NCCL_DEBUG, or one below INFO, or NCCL_DEBUG_SUBSYS leaves
        INIT out.
    Why:
        Only the log proves RDMA and GPUDirect: without it a group that fell back to sockets looks
        like a slow one, and `verify` has to judge by counters.
    Fix:
        Set NCCL_DEBUG=INFO and NCCL_DEBUG_SUBSYS=INIT,NET,ENV: some hundred lines at the start,
        none later.
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
                  env: [{name: NCCL_DEBUG, value: WARN}]
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
                  env: [{name: NCCL_DEBUG, value: INFO}]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
        ---
        apiVersion: ray.io/v1
        kind: RayJob
        metadata: {name: batch}
        spec:
          entrypoint: python batch.py
          runtimeEnvYAML: |
            env_vars: {NCCL_DEBUG: INFO}
          rayClusterSpec:
            headGroupSpec:
              template: {spec: {containers: [{name: head, image: "rayproject/ray-llm:2.49.2"}]}}
            workerGroupSpecs:
            - groupName: gpu
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: rayproject/ray-llm:2.49.2
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
        ---
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata: {name: trtllm}
        spec:
          slotsPerWorker: 8
          mpiReplicaSpecs:
            Launcher:
              template:
                spec:
                  containers:
                  - name: launcher
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    command: [mpirun, -np, "16", -x, NCCL_DEBUG, trtllm-llmapi-launch,
                      trtllm-serve, /m, --tp_size, "16"]
                    env: [{name: NCCL_DEBUG, value: INFO}]
            Worker:
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                    volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                  volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
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
                  envFrom: [{configMapRef: {name: nccl}}]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        NCCL environment variables; docs/nccl-logs.md; Ray: runtime environments, `env_vars`.
    """
    if (group.nodes or 1) < 2 or not _is_one(group):
        return
    for member, engine in group.engines:
        by_mpi = _by_mpi(group)
        level = engine.value("NCCL_DEBUG") or by_mpi
        if _of_ray(member.template.owner_place):
            continue
        if not engine.gpus or engine.may_have_more or _has_file(engine):
            continue
        if (level or "").upper() in ("INFO", "TRACE"):
            yield from _without_init(engine)
            continue
        found = engine.variable("NCCL_DEBUG")
        if found is not None and found.value is None:
            continue
        shown = found is not None and not found.given
        spot = found.place.spot if found and shown else engine.place.at("name").spot
        if level is not None and level is by_mpi:
            spot = group.leader.template.containers[0].spot_of("NCCL_DEBUG")
        says = f"NCCL_DEBUG is {level or 'not set'}: the log does not show the transport"
        yield Finding(spot, says, unseen="" if level else _unseen(group, engine))
        return


def _has_file(engine: Container) -> bool:
    """Whether it is given NCCL's own file of settings: NCCL_CONF_FILE, or /etc/nccl.conf."""
    paths = (m.text("mountPath") for m in engine.place.each("volumeMounts"))
    return (
        any(p.endswith("nccl.conf") for p in paths) or engine.variable("NCCL_CONF_FILE") is not None
    )


def _unseen(group: Group, engine: Container) -> str:
    """What may set it, or make nobody ask for it: a script of the image, ranks of one pod."""
    read = (c.words[-1] for c in engine.commands if c.words and c.words[0] in _SOURCES)
    if script := next((path for path in read if "nccl" in path), ""):
        return f"what {script} sets"
    known = any(e.asks or e.joins or e.nim for _, e in group.engines)
    return "" if known or group.intent.tp else "whether what it runs has ranks on several nodes"


_SOURCES = ("source", ".")


def _without_init(engine: Container) -> Iterator[Finding]:
    """INIT is in NCCL's default, and alone has ranks and the transport of each channel."""
    value = engine.value("NCCL_DEBUG_SUBSYS") or ""
    left_out, words = value.startswith("^"), {*value.strip("^ ").upper().split(",")}
    if not value or "$" in value or bool(words & {"INIT", "ALL"}) is not left_out:
        return
    spot = engine.spot_of_value("NCCL_DEBUG_SUBSYS")
    says = f"NCCL_DEBUG_SUBSYS is {value}: without INIT the log shows neither ranks nor transport"
    yield Finding(spot, says)


def _is_one(group: Group) -> bool:
    """Whether anything says that its pods talk to each other: pods of a Job need not."""
    said = (e.asks or e.joins or e.ray or e.nim for _, e in group.engines)
    return group.is_whole or any(said)


def _by_mpi(group: Group) -> str | None:
    """What mpirun gives to the ranks on all hosts: `-x NCCL_DEBUG` as its own pod has it."""
    for container in group.leader.template.containers:
        for command in container.commands:
            words = mpi_words(command.words)
            for flag, what, value in zip(words, words[1:], (*words[2:], ""), strict=False):
                name, is_set, given = what.partition("=")
                if name == "NCCL_DEBUG" and flag in _GIVES:
                    return given if is_set else container.value(name)
                if name == "NCCL_DEBUG" and flag in _GIVES_TWO:
                    return value
            if inner := _SET.search(" ".join(inner_words(command.words))):
                return inner[1]
    return None


_SET = pattern(r"\bNCCL_DEBUG=[\"']?(\w+)")
"""As `env` has it, which starts each rank."""


_GIVES, _GIVES_TWO = ("-x", "--x"), ("-genv", "-env")
"""Of Open MPI; of MPICH and Intel MPI."""


def _of_ray(owner: Place) -> bool:
    """Whether Ray's runtime environment sets it for the workers that it starts."""
    spec = owner.at("spec")
    texts = (spec.text("serveConfigV2"), spec.text("runtimeEnvYAML"))
    return any(_LOUD.search(text) for text in texts)
