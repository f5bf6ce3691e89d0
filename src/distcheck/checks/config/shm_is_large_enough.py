"""CONF061: a /dev/shm that is smaller than the ranks need."""

from collections.abc import Iterator

from distcheck.checks.config.shm_is_mounted import level_of_64_mib
from distcheck.checks.knowledge.shm import MIB, SGLANG_RING, ShmNeed, ring_bytes, shm_need
from distcheck.checks.knowledge.shm_copies import Told, copies
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.rule import rule
from distcheck.pattern import pattern


@rule("CONF061", level="error", others=("warning", "hint"))
def shm_is_large_enough(group: Group) -> Iterator[Finding]:
    """/dev/shm has room for what the ranks of the pod write there.

    What:
        The `sizeLimit` of the volume at /dev/shm is below what NCCL and vLLM need for the ranks
        of this pod; the arithmetic is in the message. Up to 64 MiB it is as grave as no volume. Or
        below an object store of Ray that is told to be larger than 10 GB.
    Why:
        NCCL takes its pools at once and ends with "No space left on device"; vLLM's ring grows
        into the limit later and dies of SIGBUS. Ray ends with "The configured object store size
        exceeds /dev/shm size".
    Fix:
        Raise `sizeLimit` to what the message has.
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
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Mi}}]
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
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 2Gi}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: "${SHM}"}}]
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8}}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
    Source:
        NCCL src/proxy.cc and vLLM shm_broadcast.py, as docs/shm.md counts them. SHM001. Ray
        python/ray/_private/services.py (determine_plasma_store_config), ray_constants.py.
    """
    yield from _object_stores(group)
    nodes = group.nodes or 1
    for member, engine in group.engines:
        many = nodes > 1 and (group.is_whole or _spans(engine))
        shm = member.template.shm
        if shm is None or shm.elsewhere is not None or shm.medium != "memory" or not engine.gpus:
            continue
        size = shm.size_bytes
        if size is None or (engine.gpus < 2 and not many):
            continue
        version = _nccl(engine)
        settings = {v.name: v.value for v in engine.named("NCCL_") if v.value is not None}
        copied = copies(Told(engine.gpus, settings=settings, version=version))
        need = shm_need(engine.gpus, None if many else 0, version, copied, _ring(engine))
        if size >= need.enough:
            continue
        spot, has = member.template.shm_spot, f"/dev/shm is {size / MIB:.0f} MiB"
        fix = f"Set {member.template.shm_field} to {-(-need.enough // MIB)}Mi or more."
        if size < need.least:
            says = f"{has}, and NCCL fails below {need.least / MIB:.0f} MiB: {need.least_says}"
            yield Finding(spot, says, fix)
        else:
            says = f"{has}, and {_may_take(need)}"
            small = size <= _RUNTIMES
            level = level_of_64_mib(group, member.template, engine) if small else "hint"
            yield Finding(spot, says, fix, level=level)


def _object_stores(group: Group) -> Iterator[Finding]:
    """A store of Ray's objects for which /dev/shm has no room: above 10 GB Ray does not start."""
    for member in group.members:
        template, params = member.template, member.template.ray_params
        size = template.shm.size_bytes if template.shm else None
        for container in template.containers if size else ():
            asked, spot = _store(container, params)
            slow = container.may_have_more or container.variable(_SLOW)
            if size and asked > max(size, _REFUSED) and not slow:
                says = f"Ray's object store is {asked / GIB:.1f} GiB, and /dev/shm"
                says = f"{says} {size / GIB:.1f} GiB: Ray refuses to start"
                fix = f"Set {_STORE} to {size * 9 // 10} or less, or give /dev/shm more."
                yield Finding(spot, says, fix, also=(template.shm_spot,))
                break


def _store(container: Container, params: Place | None) -> tuple[int, Spot]:
    """The bytes that `ray start` is told of, 0 for none, and where."""
    told = params.at(_STORE) if params else None
    if told and params and not params.at("plasma-directory"):
        return _bytes(str(told.value)), told.spot
    every = (c for c in container.commands if "start" in c.words)
    values = (v for c in every for v in c.values(f"--{_STORE}"))
    return _bytes(next(values, "")), container.spot_of(f"--{_STORE}")


def _bytes(text: str) -> int:
    return int(text[:18]) if text.isdecimal() else 0


GIB = 1024 * MIB
_STORE, _SLOW = "object-store-memory", "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE"
_REFUSED = 10**10
"""Up to here Ray takes a folder in its place."""


def _may_take(need: ShmNeed) -> str:
    """What the ranks may write there in all; on one node only the engine's own messages."""
    if need.enough == need.ring:
        return f"messages between the engine's ranks may take {need.ring / MIB:.0f} MiB"
    return f"its ranks may take {need.enough / MIB:.0f} MiB: {need.enough_says}"


_RUNTIMES = 64 * MIB
"""What every pod has without a volume: one of that size is there for nothing."""
_VERSIONS = (
    (pattern(r"vllm/vllm-openai:v?(\d+)\.(\d+)\.(\d+)"), (0, 10, 2), "2.27"),
    (pattern(r"vllm/vllm-openai:v?(\d+)\.(\d+)\.(\d+)"), (0, 9, 0), "2.26"),
    (pattern(r"lmsysorg/sglang:v(\d+)\.(\d+)\.(\d+)(?!.*(?:rocm|npu|xpu))"), (0, 5, 0), "2.27"),
)
"""The engine's release from which its image has NCCL of this release, or newer.

By the PyTorch that each is built with: 2.7 has NCCL 2.26.2, 2.8 has 2.27.3. vLLM
requirements/cuda.txt, SGLang python/pyproject.toml, nvidia-nccl-cu12 in PyTorch's metadata.
"""


def _spans(engine: Container) -> bool:
    """Whether one copy of the model has more ranks than this pod: each talks to another node."""
    asks = engine.asks
    return asks is not None and (asks.tp or 1) * (asks.pp or 1) > engine.gpus > 0


def _ring(engine: Container) -> int:
    sglang = engine.asks is not None and engine.asks.engine == "sglang"
    return SGLANG_RING if sglang else ring_bytes(None, engine.value("VLLM_MQ_MAX_CHUNK_BYTES_MB"))


def _nccl(engine: Container) -> str | None:
    for form, since, version in _VERSIONS:
        found = form.search(engine.image)
        if found and tuple(int(n) for n in found.groups()) >= since:
            return version
    return None
