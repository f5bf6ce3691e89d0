"""CONF045: NCCL settings that differ between the pods of a group."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule

_ALIKE = ("NCCL_NET", "NCCL_NET_PLUGIN", "NCCL_IB_DISABLE", "NCCL_ALGO", "NCCL_PROTO")


@rule("CONF045", level="warning")
def ranks_have_one_network(group: Group) -> Iterator[Finding]:
    """Leader and workers have the same NCCL network settings.

    What:
        NCCL_NET, NCCL_NET_PLUGIN, NCCL_IB_DISABLE, NCCL_ALGO or NCCL_PROTO is set to different
        values, or on some pods of the group only.
    Why:
        Ranks that chose different networks or protocols cannot talk: they hang when they first
        connect, or fail. Ray hands the driver's NCCL variables on to its workers only from newer
        releases of vLLM.
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
    Source:
        NCCL environment variables; vLLM DEFAULT_ENV_VAR_PREFIXES (ray_env).
    """
    engines = [(m, c) for m, c in group.engines if c.gpus]
    if len(engines) < 2 or any(c.may_have_more for _, c in engines):
        return
    for name in _ALIKE:
        values = [(m, c, c.value(name)) for m, c in engines]
        unread = any(v is None and c.variable(name) is not None for _, c, v in values)
        if unread or len({v for _, _, v in values}) < 2:
            continue
        _member, engine, value = next(one for one in values if one[2] is not None)
        other = next(one for one in values if one[2] != value)
        variable = engine.variable(name)
        shown = variable is not None and not variable.given
        spot = variable.place.spot if variable and shown else engine.spot_of(name)
        has = f"{name}={other[2]}" if other[2] is not None else f"no {name}"
        says = f"{name}={value} here, and {other[0].template.what} has {has}"
        yield Finding(spot, says, also=(other[1].place.at("name").spot,))
