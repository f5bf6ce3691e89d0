"""CONF018: MPI ranks against slots and GPUs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.container import Command, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.mpi_words import HOST, mpi_words
from distcheck.checks.manifest.rule import rule
from distcheck.pattern import pattern


@rule("CONF018", level="error", others=("warning",))
def mpi_ranks_have_slots(group: Group) -> Iterator[Finding]:
    """MPI starts no more ranks than there are slots and GPUs.

    What:
        `mpirun -np` is more than an MPIJob has slots (workers x `slotsPerWorker`, 1 by default),
        or than `-npernode`, `--map-by ppr:N:node` or the slots of `--host` and `--hostfile` leave
        places; a worker has more slots than GPUs; or `mpirun` or
        `launch_triton_server.py --world_size` starts more ranks of a server than the group has
        GPUs, or than its pod has where nothing names other hosts; or the launcher has the GPUs,
        and the workers none; or, without `-np`, its places on the nodes are other ranks than
        `trtllm-serve` asks for.

    Why:
        mpirun ends with "There are not enough slots available in the system"; with too many slots
        two ranks share a GPU, or find none.

    Fix:
        Set `slotsPerWorker` to the GPUs of a worker, and `-np` to workers x slots.

    Fails:
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata: {name: trt}
        spec:
          slotsPerWorker: 8
          mpiReplicaSpecs:
            Launcher:
              template:
                spec:
                  containers:
                  - name: launcher
                    image: nvcr.io/nvidia/tritonserver:24.09-trtllm-python-py3
                    command: [mpirun, -np, "32", tritonserver, --model-repository=/m]
            Worker:
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: nvcr.io/nvidia/tritonserver:24.09-trtllm-python-py3
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                    volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                  volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Passes:
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata: {name: trt}
        spec:
          slotsPerWorker: 8
          mpiReplicaSpecs:
            Launcher:
              template:
                spec:
                  containers:
                  - name: launcher
                    image: nvcr.io/nvidia/tritonserver:24.09-trtllm-python-py3
                    command: [mpirun, -np, "16", tritonserver, --model-repository=/m]
            Worker:
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: nvcr.io/nvidia/tritonserver:24.09-trtllm-python-py3
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                    volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                  volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Unsure:
        apiVersion: kubeflow.org/v2beta1
        kind: MPIJob
        metadata: {name: trt}
        spec:
          slotsPerWorker: 8
          mpiReplicaSpecs:
            Launcher:
              template:
                spec:
                  containers:
                  - name: launcher
                    image: nvcr.io/nvidia/tritonserver:24.09-trtllm-python-py3
                    command: [mpirun, -np, $(RANKS), tritonserver, --model-repository=/m]
            Worker:
              replicas: 2
              template:
                spec:
                  containers:
                  - name: worker
                    image: nvcr.io/nvidia/tritonserver:24.09-trtllm-python-py3
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                    volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                  volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Source:
        mpi-operator pkg/apis/kubeflow/v2beta1/default.go (slotsPerWorker); Open MPI
        mpirun; TensorRT-LLM triton_backend/scripts/launch_triton_server.py,
        tensorrt_llm/llmapi/mpi_session.py (MpiCommSession).
    """
    leader = group.leader.template
    if bare := _bare_workers(group):
        yield bare
        return
    slots, workers = _slots(group), sum(m.pods or 0 for m in group.workers)
    workers += leader.owner_place.at("spec", "runLauncherAsWorker").value is True
    gpus = 0 if group.claims_gpus else group.gpus or 0
    for container in leader.containers:
        yield from _placed(container, workers if slots is not None else 0)
        ranks, forced = _ranks(container)
        spot = container.spot_of("-np", "--np", "world_size", "mpirun")
        if ranks and slots is not None and workers and ranks > slots * workers and not forced:
            says = f"mpirun starts {ranks} ranks, and {group.name} has {slots * workers} slots"
            fix = _more_slots(group, ranks, workers) or f"Start {slots * workers}."
            yield Finding(spot, f"{says} ({workers} x {slots})", fix)
        elif ranks and container.asks and 0 < container.gpus < ranks and _stays(group, container):
            has = counted(container.gpus, "GPU")
            says = f"{ranks} ranks start in one pod, and {container.name} has {has}"
            fix = "Name the other pods with `--host` or `--hostfile`, or start an MPIJob."
            yield Finding(spot, f"{says}; no words of mpirun name other hosts", fix)
        elif ranks and container.asks and 0 < gpus < ranks:
            says = f"{ranks} ranks start, and {group.name} has {counted(gpus, 'GPU')}"
            fix = f"Start {counted(gpus, 'rank')}, or give the group {ranks} GPUs."
            yield Finding(spot, says, fix, unseen=group.open)
    for member in group.workers if slots else ():
        own = member.template.gpus
        if own and slots and slots > own:
            spot = leader.owner_place.at("spec", "slotsPerWorker").spot
            says = f"slotsPerWorker is {slots}, and a worker has {counted(own, 'GPU')}"
            yield Finding(spot, says, f"Set `slotsPerWorker: {own}`.", level="warning")


def _bare_workers(group: Group) -> Finding | None:
    """The launcher has the GPUs, and the ranks are started on the workers."""
    leader, workers = group.leader.template, [m.template for m in group.workers]
    runs = leader.owner_place.at("spec", "runLauncherAsWorker").value is True
    bare = leader.kind == "MPIJob" and leader.gpus and workers and not any(t.gpus for t in workers)
    told = [mpi_words(c.words) for x in leader.containers for c in x.commands]
    ranks = bare and not runs and not group.claims_gpus and any(w and not _chooses(w) for w in told)
    worker = next(iter(workers[0].containers), None) if ranks else None
    if worker is None:
        return None
    says = f"mpirun starts the ranks on the workers of {group.name}, and only its launcher has GPUs"
    spot = (worker.place.at("resources") or worker.place.at("name")).key
    return Finding(spot, says, f"Move `nvidia.com/gpu: {leader.gpus}` to the workers.")


def _chooses(words: Sequence[str]) -> bool:
    """Whether mpirun is told of hosts that may be the launcher's own pod: `-H localhost:8`."""
    told = list(pairwise(words))
    hosts = {one.partition(":")[0] for f, v in told if f in HOST for one in v.split(",")}
    other = any(f in _FILE and v != _OPERATORS for f, v in told)
    return other or any(h in _HERE or "$" in h or "`" in h for h in hosts)


_HERE = ("localhost", "127.0.0.1", "")


def _more_slots(group: Group, ranks: int, workers: int) -> str:
    """Where the workers have GPUs for all ranks, so that fewer would leave some idle."""
    each = max((m.template.gpus for m in group.workers), default=0)
    fits = each * workers >= ranks
    return f"Write `slotsPerWorker: {each}`, the GPUs of a worker." if fits else ""


def _placed(container: Container, workers: int) -> Iterator[Finding]:
    """Ranks for which mpirun's own words leave too few places, on `workers` nodes (0: unknown)."""
    for command in container.commands:
        words = mpi_words(command.words)
        told = dict(pairwise(words))
        ranks = next((int(told[f][:9]) for f in _FLAGS if told.get(f, "").isdecimal()), 0)
        if not ranks:
            yield from _of_tensorrt(container, command, (_per_node(told) or 0) * workers)
        if not ranks or any("oversubscribe" in w.lower() for w in words):
            continue
        each = _per_node(told)
        if each is not None and 0 < each * workers < ranks:
            says = f"{ranks} ranks, {each} on a node: {workers} nodes take {each * workers}"
            fix = f"Start {each * workers}, or {-(-ranks // workers)} on a node."
            yield Finding(container.spot_of("ppr:", "npernode", "-N"), says, fix)
        if (room := _listed(container, told)) and room < ranks:
            says = f"{ranks} ranks, and the hosts of its file have {room} slots"
            yield Finding(container.spot_of("slots="), says, "Write the GPUs of each: `slots=8`.")
        hosts = next((told[f] for f in HOST if f in told), "")
        if (room := _room(hosts)) and room < ranks:
            says = f"{ranks} ranks, and {hosts} has {room} slots"
            fix = "Write the number of slots behind each host, as in `--host a:8,b:8`."
            yield Finding(container.spot_of(hosts), says, fix)


def _of_tensorrt(container: Container, command: Command, ranks: int) -> Iterator[Finding]:
    """A rank for each place, and trtllm-serve asks for another number; CONF113 judges `-np`."""
    asks, words = container.asks, command.words
    if asks is None or not ranks or not asks.tp or "trtllm-serve" not in words:
        return
    world = asks.tp * (asks.pp or 1)
    if world != ranks and not any(_MORE.match(w) for w in words) and not asks.unread:
        says = f"mpirun starts {ranks} ranks, and trtllm-serve asks for {world} (TP={asks.tp}"
        says = f"{says} x PP={asks.pp or 1}): it takes neither fewer nor more"
        yield Finding(container.spot_of(*_COUNTS), says, f"Start {world} ranks.")


_COUNTS = ("npernode", "ppr:", "-N", "mpirun")
_MORE = pattern(r"--(?:extra_llm_api|config|cp_size|context_parallel|moe)")


def _per_node(told: Mapping[str, str]) -> int | None:
    """How many ranks a node gets at most."""
    value = next((told[f] for f in _PER_NODE if f in told), "")
    found = _PPR.match(told.get("--map-by", told.get("-map-by", "")))
    value = found[1] if found else value
    return int(value[:9]) if value.isdecimal() else None


def _listed(container: Container, told: Mapping[str, str]) -> int | None:
    """The slots of a file of hosts from a ConfigMap; None where not each line has its own."""
    name = next((told[f] for f in _FILE if f in told), "").rpartition("/")[2]
    every = (t for t in container.texts if t.spot.path[:1] == ("data",))
    text = next((t.text for t in every if name and t.spot.path[-1] == name), "")
    lines = [line for line in text.splitlines() if line.split("#")[0].strip()]
    slots = [_SLOTS.search(line) for line in lines]
    return sum(int(s[1]) for s in slots if s) if all(slots) else None


def _room(hosts: str) -> int | None:
    """The slots of `a:8,b:8`; None where one has none, or none that can be read."""
    slots = [one.rpartition(":") for one in hosts.split(",")]
    if not hosts or "$" in hosts or not all(h and n.isdecimal() for h, _, n in slots):
        return None
    return sum(int(n[:9]) for _, _, n in slots)


_PER_NODE = ("-npernode", "--npernode", "-N")
_FILE, _OPERATORS = ("--hostfile", "-hostfile", "--machinefile"), "/etc/mpi/hostfile"
_SLOTS = pattern(r"\bslots\s*=\s*(\d{1,6})\b")
_PPR = pattern(r"ppr:(\d+):node\b")


def _stays(group: Group, container: Container) -> bool:
    """Whether nothing tells mpirun of other hosts: no flag, file or variable, and no operator."""
    script = container.script.partition("trtllm-serve")[0]
    told = " ".join((script, *(v.name for v in container.env)))
    plain = group.leader.template.kind in _PLAIN and not container.may_have_more
    return plain and not _HOSTS.search(told)


_PLAIN = frozenset({"Pod", "Deployment", "StatefulSet", "LeaderWorkerSet", "Job", "DaemonSet"})
_HOSTS = pattern(r"-?-host|-H\b|hostfile|machinefile|OMPI_MCA|PRTE_MCA|SLURM|srun|-x PATH|rankfile")


def _slots(group: Group) -> int | None:
    """Slots of a worker of an MPIJob."""
    spec = group.leader.template.owner_place.at("spec")
    return (spec.number("slotsPerWorker") or 1) if group.leader.template.kind == "MPIJob" else None


_FLAGS, _FORCED = (
    ("-np", "--np", "-n", "-c"),
    ("--oversubscribe", "--host", "-H", "-hostfile", "--hostfile"),
)


def _ranks(container: Container) -> tuple[int | None, bool]:
    """How many ranks mpirun starts, and whether its own words say where."""
    for command in container.commands:
        words = mpi_words(command.words)
        for flag, number in pairwise(words):
            if flag in _FLAGS and number.isdigit():
                pairs = [p for p in pairwise((*words, "")) if p[1] != _OPERATORS]
                forced = any(w in _FORCED for w, _ in pairs) or "oversubscribe" in words
                return int(number), forced
    return (container.asks.ranks if container.asks else None), True
