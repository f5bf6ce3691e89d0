"""CONF113: several GPUs for TensorRT-LLM, and one process."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF113", level="hint")
def tensorrt_ranks_are_started(template: Template) -> Iterator[Finding]:
    """TensorRT-LLM on several GPUs is started with a process for each.

    What:
        A container with several GPUs runs `tritonserver` on a model repository without mpirun,
        and its image is Triton's with TensorRT-LLM.

    Why:
        In leader mode an engine that was built for several GPUs needs a rank for each: one
        process ends with "mpiSize == tp * pp".

    Fix:
        Start it with `mpirun -n RANKS`, or `launch_triton_server.py --world_size RANKS`, or in
        orchestrator mode (TRTLLM_ORCHESTRATOR=1).

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: triton}
        spec:
          containers:
          - name: triton
            image: nvcr.io/nvidia/tritonserver:24.12-trtllm-python-py3
            command: [tritonserver, --model-repository=/models]
            resources: {limits: {nvidia.com/gpu: 4}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: triton}
        spec:
          containers:
          - name: triton
            image: nvcr.io/nvidia/tritonserver:24.12-trtllm-python-py3
            command: [mpirun, --allow-run-as-root, -n, "4", tritonserver,
              --model-repository=/models]
            resources: {limits: {nvidia.com/gpu: 4}}

    Source:
        tensorrtllm_backend docs/llama_multi_instance.md, scripts/launch_triton_server.py.
    """
    for container in template.containers:
        if container.gpus > 1 and "trtllm" in container.image and _alone(container):
            says = f"tritonserver is one process, and {container.name} has {container.gpus} GPUs"
            spot = container.spot_of("tritonserver")
            yield Finding(spot, says, unseen="for how many GPUs the engine was built")


def _alone(container: Container) -> bool:
    """Whether the server is started, and nothing starts ranks of it."""
    programs = {w.rpartition("/")[2] for w in container.words}
    many = any(w in " ".join(t.text for t in container.texts) for w in ("mpirun", "world_size"))
    orchestrated = container.value("TRTLLM_ORCHESTRATOR") == "1"
    return "tritonserver" in programs and not many and not orchestrated
