"""What the agent's own look tells of one pod on a GPU, from what it knows without asking anybody.

Processes and the model's files are looked at; logs are those that are followed in any case. It is
judged by the facts that the checks rest on, over this pod alone.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct, structs

from distcheck import __version__
from distcheck.agent.engine_arguments import evidence as arguments_of
from distcheck.agent.failure_counts import FailureCounts
from distcheck.agent.logs.argv import EngineFlags, engine_flags
from distcheck.agent.logs.distil import Distilled
from distcheck.agent.node_pods import with_main
from distcheck.agent.pod_here import NodePod
from distcheck.agent.pod_network import MAX_PROCESSES
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Proc, Task
from distcheck.agent.serving_look import ServingLooker
from distcheck.agent.settings import Settings
from distcheck.checks.evidence import (
    EngineArguments,
    Evidence,
    GpuProcess,
    Gpus,
    Intent,
    Missing,
    ModelConfig,
    NcclLog,
    NodeLook,
    Pod,
    PodLook,
    Process,
    Processes,
    ShmMount,
    Target,
    VllmLog,
)
from distcheck.checks.evidence.serving import EngineHttp
from distcheck.checks.facts.fact import folded
from distcheck.checks.facts.pod_nccl import PodNccl, pod_nccl
from distcheck.checks.facts.weights_bounds import WeightsBounds

T = TypeVar("T")
_GIB = 1 << 30
_Bytes = dict[str, tuple[int, int]]
Told = tuple[tuple[Task, ...], Distilled | None]
"""The processes of a pod that matter and what its logs show, as the tailer knows them."""


class Holder(Struct, frozen=True):
    """A process on a GPU with its container, by id and by name; the name may be unknown."""

    process: GpuProcess
    container_id: str
    container: str


class WatchedPod(Struct, frozen=True):
    """One pod on a GPU. Bytes.

    `memory` is by container and UUID, of those whose every process NVML tells; `weights` has
    the least and the most by UUID. `container` is the one on the GPUs, empty where there are
    several. `gpus` are those that its engine asks for (TP x PP x DP).
    """

    folder: PodFolder
    container: str = ""
    memory: dict[tuple[str, str], int] = {}
    weights: dict[str, tuple[int, int]] = {}
    model_bytes: int | None = None
    gpus: int | None = None
    nccl: PodNccl = PodNccl()
    shm: ShmMount | None = None


class _Kept(Struct, frozen=True):
    """What need not be read again while the pod's processes are the same."""

    described: dict[Task, Process] = {}
    tasks: tuple[Task, ...] = ()
    model: ModelConfig | Missing = Missing("not looked at")
    arguments: EngineArguments | Missing = Missing("no engine's command line was read")
    environ: dict[str, str] = {}


class PodWatch:
    """Looks at pods' processes and models; remembers what does not change, by pod."""

    def __init__(self, settings: Settings, proc: Proc, told: Callable[[str], Told]) -> None:
        self._settings, self._proc, self._told = settings, proc, told
        self._kept: dict[str, _Kept] = {}
        self._weights: dict[str, tuple[tuple[object, ...], _Bytes]] = {}
        self._failures = FailureCounts()

    def only(self, uids: Sequence[str], off: Sequence[str]) -> None:
        """Forget all other pods, and all but the failures of those that are `off` the GPUs."""
        self._failures.only({*uids, *off})
        self._kept = {uid: kept for uid, kept in self._kept.items() if uid in uids}
        self._weights = {uid: kept for uid, kept in self._weights.items() if uid in uids}

    def read(self, folder: PodFolder, gpus: Gpus) -> None:
        """Read what is new of a pod's processes and of its model; it may hang, or be refused."""
        pod = with_main(NodePod(folder, self._told(folder.uid)[0]), gpus)
        before = self._kept.get(folder.uid, _Kept())
        tasks = pod.tasks[:MAX_PROCESSES]
        described = {t: before.described.get(t) or self._proc.described(t) for t in tasks}
        if tasks == before.tasks and isinstance(before.model, ModelConfig):
            self._kept[folder.uid] = structs.replace(before, described=described)
            return
        serving = ServingLooker(self._settings, self._proc, pod.tasks)
        main = next(iter(pod.tasks), None)
        model = self._seen(lambda: serving.model(main)) if main else Missing("no process is seen")
        arguments = self._seen(lambda: arguments_of(serving.started()))
        environ = self._seen(lambda: self._proc.environ(main.pid)) if main else {}
        told = {} if isinstance(environ, Missing) else environ
        self._kept[folder.uid] = _Kept(described, tasks, model, arguments, told)

    def _seen(self, look: Callable[[], T]) -> T | Missing:
        try:
            return look()
        except (ProbeError, OSError) as error:
            return Missing(str(error))

    def seen(
        self, folder: PodFolder, holders: Sequence[Holder], gpus: Gpus, http: EngineHttp | Missing
    ) -> WatchedPod:
        """What is known of the pod now; nothing is read for it."""
        kept = self._kept.get(folder.uid, _Kept())
        container = _only({h.container for h in holders})
        one = self._evidence(folder, holders, gpus, kept, http, container)
        model = kept.model
        return WatchedPod(
            folder=folder,
            container=container,
            memory=_memory(holders),
            weights=self._weights_of(one, folder.uid),
            model_bytes=model.checkpoint_bytes if isinstance(model, ModelConfig) else None,
            gpus=_world(one.intent),
            nccl=self._counted(folder.uid, one),
        )

    def _counted(self, uid: str, one: Evidence) -> PodNccl:
        now, count = pod_nccl(one, one.pods[0]), self._failures
        read = isinstance(one.nodes[0].pods[0].nccl, NcclLog)
        failures = count.of(uid, now.failures) if read else count.told(uid)
        return structs.replace(now, failures=failures)

    def _weights_of(self, evidence: Evidence, uid: str) -> _Bytes:
        """Worked out again only where something else was seen: all layouts are tried for it."""
        look, gpus = evidence.nodes[0].pods[0], evidence.nodes[0].gpus
        assert isinstance(gpus, Gpus)
        processes = look.processes.processes if isinstance(look.processes, Processes) else ()
        seen = (gpus.devices, gpus.slices, gpus.processes, evidence.intent, processes)
        inputs = (*seen, look.vllm, look.model, look.arguments, look.engine_http)
        before = self._weights.get(uid)
        if before is not None and before[0] == inputs:
            return before[1]
        bounds = folded(WeightsBounds, evidence)
        gib = bounds.gib if isinstance(bounds, WeightsBounds) else {}
        found = {u: (int(low * _GIB), int(high * _GIB)) for u, (low, high) in gib.items()}
        self._weights[uid] = inputs, found
        return found

    def _evidence(
        self,
        folder: PodFolder,
        holders: Sequence[Holder],
        gpus: Gpus,
        kept: _Kept,
        http: EngineHttp | Missing,
        container: str,
    ) -> Evidence:
        """This pod as a group of its own, whose other pods are not known."""
        look = self._look(folder, gpus, kept, http)
        node, now = self._settings.node or "node", gpus.seen_at or ""
        titles = {t.pid: t.title for t in kept.tasks}
        mine = {h.process.pid: h for h in holders}
        owned = tuple(_owned(p, folder, mine, titles) for p in gpus.processes)
        pod = Pod(
            folder.namespace,
            folder.name,
            folder.uid,
            node,
            gpus=len({h.process.uuid for h in holders}),
            container=container,
        )
        seen = NodeLook(node, now, __version__, structs.replace(gpus, processes=owned), _NO_RAY)
        return Evidence(
            __version__,
            now,
            Target(folder.namespace, "Pod", folder.name),
            _intent(kept.tasks, look.vllm),
            (pod,),
            (structs.replace(seen, pods=(look,)),),
        )

    def _look(
        self, folder: PodFolder, gpus: Gpus, kept: _Kept, http: EngineHttp | Missing
    ) -> PodLook:
        look = PodLook.unseen(folder.key, "the agent does not look at it by itself")
        look = structs.replace(
            look, model=kept.model, arguments=kept.arguments, engine_http=http, connections=()
        )
        if kept.described:
            processes = Processes(tuple(kept.described.values()), kept.environ, gpus.seen_at)
            look = structs.replace(look, processes=processes)
        logs = self._told(folder.uid)[1]
        if logs is None:
            return look
        return structs.replace(look, nccl=logs.nccl, vllm=logs.vllm, engine=logs.engine)


_NO_RAY = Missing("Ray is not asked by the agent itself")


def _owned(
    process: GpuProcess, folder: PodFolder, mine: dict[int, Holder], titles: dict[int, str]
) -> GpuProcess:
    holder = mine.get(process.pid)
    if holder is None:
        return structs.replace(process, owner="node")
    return structs.replace(
        process,
        pod=folder.key,
        owner="pod",
        title=titles.get(process.pid, ""),
        container_id=holder.container_id,
    )


def _intent(tasks: Sequence[Task], log: VllmLog | Missing) -> Intent:
    """What the engine's own log says, else its command line; None where neither does."""
    told = (flags for t in tasks if (flags := engine_flags(t.argv)) is not None)
    asked = next(told, EngineFlags())
    said = log if isinstance(log, VllmLog) else VllmLog()
    return Intent(
        engine="vllm",
        tp=said.tp or asked.tp,
        pp=said.pp or asked.pp,
        dp=said.dp or asked.dp,
        ep=asked.ep if said.ep is None else said.ep,
        executor=asked.executor or said.executor,
    )


def _world(intent: Intent) -> int | None:
    return None if intent.world_size is None else intent.world_size * (intent.dp or 1)


def _memory(holders: Sequence[Holder]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], list[int | None]] = defaultdict(list)
    for holder in holders:
        found[holder.container, holder.process.uuid].append(holder.process.memory_used)
    return {key: sum(m or 0 for m in held) for key, held in found.items() if None not in held}


def _only(names: set[str]) -> str:
    return next(iter(names)) if len(names) == 1 else ""
