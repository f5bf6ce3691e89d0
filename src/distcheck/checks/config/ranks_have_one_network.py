"""CONF045: NCCL settings that differ between the pods of a group."""

from collections.abc import Iterator

from distcheck.checks.knowledge.engine_release import vllm_release
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.rule import rule

_ON_ALL = (
    "NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "NCCL_IB_HCA", "NCCL_IB_GID_INDEX",
    "NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE", "NCCL_CUMEM_ENABLE", "NCCL_NVLS_ENABLE",
    "NCCL_NET_GDR_LEVEL", "NCCL_P2P_LEVEL", "NCCL_CROSS_NIC", "NCCL_MNNVL_ENABLE",
)  # fmt: skip
"""Nodes may need other values of these; a value on some alone was forgotten on the others."""
_ALIKE = ("NCCL_NET", "NCCL_NET_PLUGIN", "NCCL_IB_DISABLE", "NCCL_ALGO", "NCCL_PROTO")


@rule("CONF045", level="warning")
def ranks_have_one_network(group: Group) -> Iterator[Finding]:
    """Leader and workers have the same NCCL network settings.

    What:
        NCCL_NET, NCCL_NET_PLUGIN, NCCL_IB_DISABLE, NCCL_ALGO or NCCL_PROTO is set to different
        values, or on some pods of the group only.
    Why:
        Ranks that chose different networks or protocols cannot talk: they hang when they first
        connect, or fail. vLLM gives the leader's NCCL variables to its workers in Ray from 0.17
        on, from 0.21 on all variables that they lack, and none before.
    Fix:
        Set the variable alike in every pod of the group.
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
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  env: [{name: NCCL_IB_DISABLE, value: "1"}]
                  resources: {limits: {nvidia.com/gpu: 1}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 1}}
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
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  env: [{name: NCCL_IB_DISABLE, value: "1"}]
                  resources: {limits: {nvidia.com/gpu: 1}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  env: [{name: NCCL_IB_DISABLE, value: "1"}]
                  resources: {limits: {nvidia.com/gpu: 1}}
    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  envFrom: [{configMapRef: {name: nccl}}]
                  resources: {limits: {nvidia.com/gpu: 1}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  env: [{name: NCCL_IB_DISABLE, value: "1"}]
                  resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html; vLLM
        vllm/ray/ray_env.py (DEFAULT_ENV_VAR_PREFIXES, 0.17), vllm/v1/executor/ray_env_utils.py.
    """
    engines = [(m, c) for m, c in group.engines if c.gpus]
    if len(engines) < 2 or any(c.may_have_more for _, c in engines):
        return
    copied = _copied(group, engines[0][1])
    for name in _ALIKE:
        values = [(m, c, c.value(name)) for m, c in engines]
        unread = any(v is None and c.variable(name) is not None for _, c, v in values)
        if unread or len({v for _, _, v in values}) < 2:
            continue
        told = values[0][2] is not None and {v for _, _, v in values[1:]} == {None}
        if told and copied:
            continue
        _member, engine, value = next(one for one in values if one[2] is not None)
        other = next(one for one in values if one[2] != value)
        variable = engine.variable(name)
        shown = variable is not None and not variable.given
        spot = variable.place.spot if variable and shown else engine.spot_of(name)
        has = f"{name}={other[2]}" if other[2] is not None else f"no {name}"
        says = f"{name}={value} here, and {other[0].template.what} has {has}"
        unseen = _COPIES if told and copied is None else ""
        also, fix = (
            (other[1].place.at("name").spot,),
            f"Set {name} alike in every pod of the group.",
        )
        yield Finding(spot, says, fix, unseen=unseen, also=also)
    yield from _forgotten(group, engines, copied=copied)


_COPIES = "whether this vLLM gives the leader's variables to Ray's workers"
_SINCE = (0, 17)
_ALL = (0, 21)


def _gives_all(leader: Container) -> bool:
    release = vllm_release(leader.image)
    return release is not None and release >= _ALL


def _by_ray(group: Group) -> bool:
    every = [c for m in group.members for c in m.template.containers]
    return any(c.joins_ray for c in every) or group.name[:3] == "Ray"


def _copied(group: Group, leader: Container) -> bool | None:
    """Whether Ray's workers get the leader's NCCL variables; None where the release decides."""
    if not _by_ray(group):
        return False
    release = vllm_release(leader.image)
    return None if release is None else release >= _SINCE


def _forgotten(
    group: Group, engines: list[tuple[Member, Container]], *, copied: bool | None
) -> Iterator[Finding]:
    """Settings of the leader's manifest that the workers' lacks."""
    leader = engines[0][1]
    unseen = _COPIES if _by_ray(group) else ""
    if copied is False and unseen:
        unseen = "what the workers' nodes need: this vLLM does not give them the leader's variables"
    for name in _ON_ALL:
        own = leader.variable(name)
        if own is None or own.given or own.value is None or own.source:
            continue
        without = [m for m, c in engines[1:] if c.value(name) is None and not c.variable(name)]
        if without and not (copied and (name.startswith("NCCL_") or _gives_all(leader))):
            says = f"{name} is set here, and {without[0].template.what} has none"
            fix = f"Set {name}={own.value} in {without[0].template.what} too."
            yield Finding(own.place.spot, says, fix, unseen=unseen)
