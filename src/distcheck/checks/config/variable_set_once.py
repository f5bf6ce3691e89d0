"""CONF073: a variable that stands twice in one container."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Variable
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF073", level="warning", others=("hint",))
def variable_set_once(template: Template) -> Iterator[Finding]:
    """A container sets each variable once.

    What:
        Two entries of a container's `env` have one name. With different values it is a warning,
        with the same value a hint. An entry over one of `envFrom` is
        as it is meant.
    Why:
        The last one wins; the other is read by people only. `kubectl apply` merges by name,
        so a later apply may lose one of the two.
    Fix:
        Keep the one that is meant.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env:
            - {name: NCCL_DEBUG, value: WARN}
            - {name: NCCL_DEBUG, value: INFO}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env:
            - {name: NCCL_DEBUG, value: INFO}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            envFrom: [{configMapRef: {name: nccl}}]
            env: [{name: NCCL_DEBUG, value: INFO}]
            resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        Kubernetes: API reference: `env` has the patch merge key `name`; kubelet makeEnvironment.
    """
    for container in template.every:
        seen: dict[str, Variable] = {}
        own = {one.spot for one in container.place.each("env")}
        for variable in (v for v in container.env if v.name and v.place.spot in own):
            before = seen.get(variable.name)
            seen[variable.name] = variable
            if before is None:
                continue
            same = before.value == variable.value and before.source == variable.source
            says = f"{variable.name} stands twice in container {container.name}"
            says += " with the same value" if same else ": the last one counts"
            spot = variable.place.at("name").spot
            yield Finding(
                spot, says, level="hint" if same else None, also=(before.place.at("name").spot,)
            )
