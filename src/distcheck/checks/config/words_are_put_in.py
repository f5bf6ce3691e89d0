"""CONF085: variables that no shell puts into a command line."""

from collections.abc import Iterator

from distcheck.checks.knowledge.spelling import OneLetterOff
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.script_names import (
    is_of_shell,
    may_set_any,
    named,
    reads,
)
from distcheck.checks.manifest.template import Template
from distcheck.checks.manifest.whole_name import has_variable
from distcheck.pattern import pattern

_SHELL_LIKE = pattern(
    r"(?<![\\$])\$(?:([A-Z][A-Z0-9_]{1,80})\b|\{([A-Z][A-Z0-9_]{1,80})(?:(?:##?|%%?)[^}\s]{1,20})?\})",
    near=("$",),
)
_OF_KUBERNETES = pattern(r"(?<!\$)\$\(([A-Za-z_][\w.-]{0,80})\)", near=("$(",))
_RUNS = pattern(
    r"(?<!\$)\$\((?:hostname|echo|cat|awk|printf|expr|ip|getent|nproc)\s[^()]{1,200}\)",
    near=("$(",),
)
_BY_RUNTIME = "HOSTNAME"
"""Which the container runtime sets, and Kubernetes does not put in."""
_OTHERS = pattern(r"_(?:SERVICE|PORT)(?:_|\Z)|\A(?:KUBERNETES|LWS)_")
_PROGRAMS = frozenset({"vllm", "ray", "sglang", "trtllm-serve", "torchrun", "python", "python3"})
_INDEX = "JOB_COMPLETION_INDEX"
"""Which the controller sets in Jobs whose `completionMode` is Indexed: their pods have names."""
_RANKS = frozenset(
    {"--node-rank", "--node_rank", "--nnodes", "--data-parallel-start-rank", "--data-parallel-rank"}
)
_KINDS = ("LeaderWorkerSet", "StatefulSet", "Deployment", "DaemonSet", "Job", "Pod")


@rule("CONF085", level="error", others=("warning",))
def words_are_put_in(template: Template) -> Iterator[Finding]:
    """Without a shell a variable in a command line is written `$(NAME)`, and is set.

    What:
        An engine or `ray start` is started without a shell, and an item of its command line has
        `$NAME`, `${NAME}` or `${NAME##*-}`, `$(NAME)` of a name that nothing sets, or a command as
        `$(hostname -i)`; or a variable's value has `$(NAME)` of one that stands below it; or a
        shell's script reads a name that nothing sets, a letter or two from a variable that nothing
        reads.
    Why:
        Kubernetes puts in `$(NAME)` alone, and leaves it as written where the container has no
        such variable, or has it later in its list: the program gets the letters, as the rank of its
        node or as an address.
    Fix:
        Write `$(NAME)`, and set NAME in `env`; or start it by `command: [bash, -c]`.
    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: r1}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.3
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --nnodes, "2", --node-rank, $LWS_WORKER_INDEX,
                    --dist-init-addr, "$(LWS_LEADER_ADDRESS):20000"]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: r1}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.3
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --nnodes, "2", --node-rank, $(LWS_WORKER_INDEX),
                    --dist-init-addr, "$(LWS_LEADER_ADDRESS):20000"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, $(MODEL)]
            resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        Kubernetes: Define a Command and Arguments for a Container; Container v1, `command`; Define
        Dependent Environment Variables; pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables).
    """
    for container in template.every:
        if template.kind in _KINDS and _is_exec(container):
            before = ""
            for item in _items(container):
                yield from _judged(template, container, item, before)
                before = item.text()
        if template.kind in _KINDS and not container.may_have_more:
            yield from _misspelt(container)
            yield from _too_early(container)


def _misspelt(container: Container) -> Iterator[Finding]:
    """Names that a shell's script reads, nearly those of variables that nothing reads."""
    every = "\n".join(t.text for t in container.texts)
    told = "\n".join([every, *_used(container)])
    idle = [v.name for v in container.env if not v.given and not has_variable(told, v.name)]
    own = [n for n in idle if len(n) >= _LONG and not n.startswith(_READ_BY_PROGRAMS)]
    if not own or not container.is_read or may_set_any(every):
        return
    set_here = {v.name for v in container.env} | named(every)
    known = OneLetterOff(own)
    for text in container.texts:
        for name in reads(text.text):
            meant = "" if name in set_here or is_of_shell(name) else known.only(name)
            if meant and not _OTHERS.search(name):
                spot = text.spot.within(name)
                says = f"container {container.name}: nothing sets {name}: did you mean {meant}?"
                yield Finding(spot, says, f"Write ${{{meant}}}.", level="warning")


def _used(container: Container) -> Iterator[str]:
    """What else may take a variable's value: other variables, mounts, probes and hooks."""
    yield from (v.place.text("value") for v in container.env)
    yield from (str(container.place.at(part).value) for part in _TAKING)


_TAKING = ("volumeMounts", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe")


def _too_early(container: Container) -> Iterator[Finding]:
    """Variables that are made of one which stands below them."""
    own = list(container.place.each("env"))
    below = {one.text("name"): n for n, one in enumerate(own)}
    entries = {one.spot for one in own}
    above = {v.name for v in container.env if v.given or v.place.spot not in entries}
    for number, one in enumerate(own):
        for name in _OF_KUBERNETES.findall(one.text("value")):
            if below.get(name, 0) > number and name not in above:
                says = f"{one.text('name')} is made of {name}, which is set below it"
                level: Level | None = None
                if not one.text("name").startswith(_READ_BY_PROGRAMS):
                    level = "warning"
                fix = f"Set {name} above {one.text('name')}."
                says = f"container {container.name}: {says}: it stays $({name})"
                yield Finding(one.at("value").spot, says, fix, level)
        above.add(one.text("name"))


_LONG = 5
_BY_SHELL = "Start it by `command: [bash, -c]`, with the whole line as the only item of `args`."
_READ_BY_PROGRAMS = ("NCCL_", "VLLM_", "HF_", "NIM_", "GLOO_", "RAY_", "TORCH_", "CUDA_", "UCX_")
"""Variables that no script needs to name."""


def _items(container: Container) -> Iterator[Place]:
    for part in ("command", "args"):
        yield from container.place.each(part)


def _is_exec(container: Container) -> bool:
    """Whether the kernel starts an engine or Ray with these very words."""
    if not (container.asks or container.ray) or container.nim:
        return False
    command = next(container.place.each("command"), None)
    if command is None:
        return container.engine_image
    return command.text().rpartition("/")[2] in _PROGRAMS and len(list(_items(container))) > 1


def _judged(
    template: Template, container: Container, item: Place, before: str
) -> Iterator[Finding]:
    for found in _SHELL_LIKE.finditer(item.text()):
        name = found[1] or found[2]
        own = container.variable(name)
        known = name == _BY_RUNTIME or own is not None
        if known and (own is None or found[0] not in (own.value or "")):
            spot = item.spot.within(found[0])
            says = f"container {container.name}: nothing puts in {found[0]}: no shell reads it"
            plain = own is not None and found[0].strip("${}") == name
            yield Finding(spot, says, f"Write $({name})." if plain else _BY_SHELL)
    for found in _RUNS.finditer(item.text()):
        spot = item.spot.within(found[0])
        says = f"container {container.name}: nothing runs {found[0]}: no shell reads it"
        yield Finding(spot, says, _BY_SHELL)
    for found in _OF_KUBERNETES.finditer(item.text()):
        name = found[1]
        given = container.may_have_more or container.variable(name) or _OTHERS.search(name)
        if given or (name == _INDEX and template.names and template.kind == "Job"):
            continue
        spot = item.spot.within(found[0])
        sure = before in _RANKS or item.text().partition("=")[0] in _RANKS
        unseen = "" if sure else "whether kustomize or another tool puts it in"
        yield Finding(spot, f"container {container.name}: nothing sets {name}", unseen=unseen)
