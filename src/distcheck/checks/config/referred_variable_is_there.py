"""CONF083: variables of a LeaderWorkerSet that no controller sets."""

from collections.abc import Iterator

from distcheck.checks.knowledge.spelling import nearest
from distcheck.checks.manifest.container import Text
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_SET = frozenset({"LWS_LEADER_ADDRESS", "LWS_GROUP_SIZE", "LWS_WORKER_INDEX"})
_USED = pattern(r"(?<![\\$])\$[({]?(LWS_[A-Z0-9_]{1,60})\b(?!:?[-=+])", near=("LWS_",))


@rule("CONF083", level="error")
def referred_variable_is_there(template: Template) -> Iterator[Finding]:
    """What pods of a LeaderWorkerSet use of its variables is set.

    What:
        A command uses a variable `LWS_...` that neither the controller sets nor the container
        has, or pods that no LeaderWorkerSet makes use one; or workers join `$(NAME)`, and the
        container has no variable of that name.

    Why:
        `$(NAME)` of a name that is not set stays as it is written, and `$NAME` is empty in a
        shell: the workers join nobody.

    Fix:
        Set the variable in `env`, or use one that the controller of a LeaderWorkerSet sets:
        LWS_LEADER_ADDRESS, LWS_GROUP_SIZE or LWS_WORKER_INDEX.

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
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDR):6379 --block"]
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
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
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
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "ray start --address=$(LWS_HEAD):6379 --block"]
                  envFrom: [{secretRef: {name: where-the-leader-is}}]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        lws pkg/utils/pod (constants of its variables); Kubernetes: Define Dependent Environment
        Variables.
    """
    for container in template.containers:
        own = {v.name for v in container.env} | {n for c in container.commands for n in c.variables}
        for text in container.texts:
            for found in _USED.finditer(text.text):
                name = found[1]
                if name in own or container.may_have_more or template.kind not in _KINDS:
                    continue
                spot = text.spot.within(found[0])
                says, fix = f"nothing sets {name}", ""
                if name in _SET:
                    says += f": {template.what} is no LeaderWorkerSet"
                    fix = f"Set {name} in `env`, or make it a LeaderWorkerSet."
                elif meant := nearest(name, _SET):
                    says += f": did you mean {meant}?"
                    fix = f"Write {meant}."
                yield Finding(spot, says, fix)
            if template.kind in _KINDS and not container.may_have_more:
                yield from _addresses(text, own)


def _addresses(text: Text, own: set[str]) -> Iterator[Finding]:
    """Addresses that a name stands for, which is no variable and no command."""
    for found in _ADDRESS.finditer(text.text) if text.spot.path[:1] != ("data",) else ():
        name = found[1]
        if name not in own and not name.startswith("LWS_") and name.lower() != name:
            spot = text.spot.within(f"$({name})")
            unseen = "whether another controller sets it"
            fix = f"Set {name} in `env`, or write the address."
            yield Finding(spot, f"nothing here sets {name}", fix, unseen=unseen)


_ADDRESS = pattern(r"address[= ][\"']?\$\(([A-Za-z]\w{0,60}_\w{1,60})\)", near=("address",))
_KINDS = ("LeaderWorkerSet", "StatefulSet", "Deployment", "DaemonSet", "Job", "Pod")
