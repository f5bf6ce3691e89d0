"""CONF013: more ranks in a container than it has GPUs."""

from collections.abc import Iterator

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.container import Command
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_FLAGS = {
    "torchrun": ("--nproc_per_node", "--nproc-per-node"),
    "text-generation-launcher": ("--num-shard",),
    "lmdeploy": ("--tp",),
}
_TGI = "text-generation-inference"


@rule("CONF013", level="error")
def launched_ranks_have_gpus(template: Template) -> Iterator[Finding]:
    """A launcher starts no more ranks in a container than it has GPUs.

    What:
        `torchrun --nproc-per-node`, TGI's `--num-shard` or LMDeploy's `--tp` is more than the
        GPUs of the container.
    Why:
        Each takes a GPU of its own container for each rank: the first rank without one ends
        with "invalid device ordinal", or the launcher refuses to start.
    Fix:
        Make it the number of GPUs of the container.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: one}
        spec:
          containers:
          - name: tgi
            image: ghcr.io/huggingface/text-generation-inference:3.0.1
            args: [--model-id, m/x, --num-shard, "8"]
            resources: {limits: {nvidia.com/gpu: 4}}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: one}
        spec:
          containers:
          - name: tgi
            image: ghcr.io/huggingface/text-generation-inference:3.0.1
            args: [--model-id, m/x, --num-shard, "4"]
            resources: {limits: {nvidia.com/gpu: 4, memory: 400Gi}}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: one}
        spec:
          containers:
          - name: tgi
            image: ghcr.io/huggingface/text-generation-inference:3.0.1
            command: [sh, -c, "text-generation-launcher --model-id m/x --num-shard $N"]
            resources: {limits: {nvidia.com/gpu: 4}}
    Source:
        PyTorch torchrun; TGI launcher/src/main.rs (num_shard); LMDeploy lmdeploy/cli/utils.py.
    """
    for container in template.containers:
        for command in container.commands if container.gpus else ():
            program = next((w.rpartition("/")[2] for w in command.words[:2]), "")
            if _TGI in container.image and program.startswith("-"):
                program = "text-generation-launcher"
            for flag in _FLAGS.get(program, ()):
                ranks = _number(command, flag)
                if ranks is not None and ranks > container.gpus:
                    has = f"container {container.name} has {container.gpus}"
                    says = f"{flag} {ranks} needs {counted(ranks, 'GPU')}, and {has}"
                    fix = f"Write {flag} {container.gpus}."
                    yield Finding(container.spot_of(flag), says, fix)


def _number(command: Command, flag: str) -> int | None:
    return next((int(v[:9]) for v in command.values(flag) if v.isdigit()), None)
