"""CONF113: several GPUs for TensorRT-LLM, and one process."""

from collections.abc import Iterator, Sequence

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.flags import given
from distcheck.checks.manifest.mpi_words import inner_words
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_MPI = pattern(r"mpirun|mpiexec|orterun|srun|trtllm-llmapi-launch|torchrun")
_STARTERS = pattern(r"mpirun|mpiexec|orterun|srun|trtllm-llmapi-launch|ray |\.py\b|\.sh\b")


@rule("CONF113", level="hint", others=("error",))
def tensorrt_ranks_are_started(template: Template) -> Iterator[Finding]:
    """TensorRT-LLM on several GPUs is started with a process for each.

    What:
        A container with several GPUs runs `tritonserver` on a model repository without mpirun,
        and its image is Triton's with TensorRT-LLM; or mpirun starts other than TP x PP processes;
        or another number than the engine is built for in the same pod; or TP x PP is above the
        pod's GPUs and nothing starts ranks in other pods; or mpirun starts several processes of
        `trtllm-serve` without `trtllm-llmapi-launch`.

    Why:
        In leader mode an engine that was built for several GPUs needs a rank for each: one
        process ends with "MPI size 1 != TP size 8 * PP size 1". `trtllm-serve` starts the ranks of
        its own pod; with `trtllm-llmapi-launch` one process serves and the others are its ranks,
        without it each is a server that starts ranks of its own.

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

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: nvcr.io/nvidia/tritonserver:24.09-trtllm-python-py3
            command: [/start.sh]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        tensorrtllm_backend docs/llama_multi_instance.md; TensorRT-LLM
        triton_backend/scripts/launch_triton_server.py, cpp/tensorrt_llm/runtime/worldConfig.cpp,
        tensorrt_llm/llmapi/llm.py (MpiPoolSession), tensorrt_llm/llmapi/trtllm-llmapi-launch.
    """
    built = _built(template)
    for container in template.containers:
        yield from list(_ranks(container, _of_workers(template))) or _each_a_server(container)
        yield from _of_build(container, built) if built else ()
        if container.gpus > 1 and "trtllm" in container.image and _alone(container):
            says = f"tritonserver is one process, and {container.name} has {container.gpus} GPUs"
            spot = container.spot_of("tritonserver")
            if built:
                says = f"{says}; the engine is built here for {built}"
            yield Finding(spot, says, unseen="" if built else _BUILT, level=_sure(built))


_BUILT = (
    "for how many GPUs the engine was built, or a model.yaml, whose ranks are started by itself"
)


def _sure(built: int) -> Level | None:
    return "error" if built else None


def _built(template: Template) -> int:
    """For how many GPUs the one engine is built that the pod builds itself; 0 where not known."""
    found: set[int] = set()
    for words in (c.words for x in template.every for c in x.commands):
        if any(w.rpartition("/")[2] in _BUILDERS for w in words):
            told = [_size(words, flags) for flags in (_TP, _PP)]
            found |= {(told[0] or 1) * (told[1] or 1)} if any(told) else set()
    return found.pop() if len(found) == 1 and max(found) > 1 else 0


_BUILDERS = frozenset({"trtllm-build", "convert_checkpoint.py", "build.py"})
_TP, _PP = ("--tp_size",), ("--pp_size",)


def _size(words: Sequence[str], flags: Sequence[str]) -> int:
    """The number that one of `flags` is given; 0 where it is none."""
    told = next((one.value or "" for one in given(words) if one.name in flags), "")
    return int(told) if told.isdecimal() else 0


def _of_build(container: Container, built: int) -> Iterator[Finding]:
    """Other ranks than those that the engine was built for."""
    asks = container.asks
    ranks = asks.ranks if asks and asks.tp is None else None
    if ranks and ranks != built and asks and asks.engine == "triton-trtllm":
        says = f"{ranks} ranks start, and the engine is built here for {built} GPUs"
        spot = container.spot_of("--world_size", "-np", "-n ", "mpirun")
        yield Finding(spot, says, f"Start {built} ranks.", level="error")


def _of_workers(template: Template) -> int:
    """GPUs of an MPIJob's workers; 0 where they are not known, or it is no MPIJob."""
    worker = template.owner_place.at("spec", "mpiReplicaSpecs", "Worker")
    limits = (c.at("resources", "limits") for c in worker.each("template", "spec", "containers"))
    told = [m.value for at in limits if (m := at.at("nvidia.com/gpu"))]
    each = int(told[0]) if len(told) == 1 and str(told[0]).isdecimal() else 0
    return each * (worker.number("replicas") or 0)


def _each_a_server(container: Container) -> Iterator[Finding]:
    """Several processes of trtllm-serve that nothing makes the ranks of one."""
    asks = container.asks
    if asks is None or (asks.ranks or 1) == 1 or not asks.tp or "arguments" in asks.unread:
        return
    told = " ".join((*(t.text for t in container.texts), *(v.name for v in container.env)))
    every = [c.words for c in container.commands]
    started = any(_is_plain(inner_words(words)) and ":" not in words for words in every)
    if started and not _OTHERWISE.search(told) and not container.may_have_more:
        says = f"mpirun starts {asks.ranks} processes of {_SERVE}, and each is a server of its own"
        fix = f"Write `trtllm-llmapi-launch {_SERVE}`: one serves, and the others are its ranks."
        yield Finding(container.spot_of(_SERVE), says, fix, level="error")


def _is_plain(words: Sequence[str]) -> bool:
    """Whether mpirun starts the server, behind nothing that may make its processes ranks."""
    names = [w.rpartition("/")[2] for w in words]
    before = names[: names.index(_SERVE)] if _SERVE in names else ()
    return _SERVE in names and all(
        w in _THROUGH or w[:1] == "-" or "=" in w or w.isdecimal() for w in before
    )


_THROUGH = frozenset({"env", "numactl", "nice", "nsys", "profile", "bash", "sh", "exec"})
_SERVE = "trtllm-serve"
_OTHERWISE = pattern(r"llmapi-launch|TLLM_SPAWN_PROXY|disaggregated|visual_gen|RANK\b|SLURM")
"""What makes them ranks, or servers that are meant to be several."""


def _ranks(container: Container, gpus: int) -> Iterator[Finding]:
    """More or fewer processes than TP x PP, as far as both are told."""
    asks = container.asks
    if asks is None or asks.engine != "triton-trtllm" or asks.tp is None:
        return
    world = asks.tp * (asks.pp or 1)
    told = container.script
    if asks.ranks == 1 and "trtllm-serve" in told:
        return  # it spawns the others
    if asks.ranks is not None and asks.ranks != world:
        says = f"mpirun starts {asks.ranks} processes, and TP x PP is {world}"
        flag = next((f for f in ("-np", "--world_size", "-n") if f in told), "-n")
        spot = container.spot_of("-np", "--world_size", "-n ", "mpirun")
        fix = f"Start as many as TP x PP: `{flag} {world}`."
        if 0 < gpus < world:
            fix = (
                f"Make TP x PP {gpus}, the GPUs of the workers, and start as many: `{flag} {gpus}`."
            )
        yield Finding(spot, says, fix, level="error")
    elif asks.ranks is None and 0 < container.gpus < world and not _STARTERS.search(told):
        pods = f"pods of {counted(container.gpus, 'GPU')}"
        says = f"TP x PP is {world} on {pods}, and nothing starts the ranks"
        spot = container.spot_of("--tp_size", "--tp", "trtllm-serve")
        fix = f"Start {world} processes: `mpirun -n {world}` before it, with a host for each pod."
        yield Finding(spot, f"{says} of the others", fix, level="error")
    elif asks.ranks is None and world > 1 and "run.py" in told and not _MPI.search(told):
        says = f"TP x PP is {world}, and run.py is one process"
        unseen, fix = "whether it starts others itself", f"Start it with `mpirun -n {world}`."
        yield Finding(container.spot_of("run.py"), says, fix, unseen=unseen)


def _alone(container: Container) -> bool:
    """Whether the server is started, and nothing starts ranks of it."""
    programs = {w.rpartition("/")[2] for w in container.words}
    many = any(w in container.script for w in ("mpirun", "world_size"))
    orchestrated = container.value("TRTLLM_ORCHESTRATOR") == "1"
    return "tritonserver" in programs and not many and not orchestrated
