"""Follows the logs of the node's serving pods, so that what they said at their start is known.

Every two seconds each pod is looked at, in a thread that may hang, and what was written is
distilled, a bounded number of bytes for each pod and for all.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from distcheck.agent.logs.distil import Distilled
from distcheck.agent.loop import Loop
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.probe import Outcome, ProbeError, Probing
from distcheck.agent.probes.proc import Proc, Task
from distcheck.agent.settings import Settings
from distcheck.agent.state import StateFolder
from distcheck.agent.tail_pod import Fetched, TailedPod
from distcheck.checks.evidence import Missing

PERIOD = 2.0
TICK_BYTES = 16 << 20
TURN_BYTES = 1 << 20
MAX_PODS = 64
_SAVE_PERIOD = 60.0
_SCAN_PERIOD, _SCAN_SHARE = 15.0, 300
_HANGS_AFTER, _GIVEN_UP_AFTER = 2.0, 3
"""Seconds that a turn waits for a look, and turns for which those who asked wait for it."""
_A_MOMENT = 0.05
"""Seconds that a turn waits for a look that was given up: others are read meanwhile."""
_SLEEPY_AFTER = 30.0
_MAX_AWAKE = 16


class Live(Struct, frozen=True):
    """A pod of the node and its processes."""

    folder: PodFolder
    tasks: tuple[Task, ...]


class Node(Struct, frozen=True):
    """What a tailer asks the node's agent for, and tells it.

    `pods` may hang, and so may `on_gpu`, the processes on a GPU. `there` is told which pods
    the node has, so that others can be forgotten.
    """

    pods: Callable[[], Sequence[Live]]
    on_gpu: Callable[[], frozenset[int]]
    there: Callable[[Sequence[PodFolder]], None]


class Tailer:
    """Follows pods' logs. Only its own thread reads; others ask for what it knows."""

    def __init__(self, settings: Settings, node: Node) -> None:
        self._node = node
        self._proc = Proc(settings.host_proc)
        self._state = StateFolder(settings.state)
        self._probing = Probing(_HANGS_AFTER)
        self._lock = threading.Condition()
        self._wake = threading.Event()
        self.loop = Loop("tail-loop", self._turn_now, self._rest, PERIOD)
        self._pods: dict[str, TailedPod] = {}
        self._on_gpu: frozenset[int] = frozenset()
        self._next_scan = self._next_save = 0.0

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """How the looks at the node's pods and at their logs went last, and keeping them."""
        kept = {"state": Outcome(self._state.trouble is None, 0.0)} if self._state.on else {}
        return {**self._probing.outcomes, **self.loop.outcomes, **kept}

    def start(self) -> None:
        """Begin to follow."""
        self.loop.start(self.save)

    def stop(self, limit: float) -> None:
        """End, and keep what was read; after `limit` seconds in any case."""
        self.loop.over.set()
        self._wake.set()
        if self.loop.thread is not None:
            self.loop.thread.join(limit)
            if self.loop.runs:
                self.save()

    @property
    def runs(self) -> bool:
        """Whether logs are followed now."""
        return self.loop.runs

    def look(self, live: Live, limit: float) -> Distilled | None:
        """What the pod's logs show, up to now where `limit` seconds are enough for that.

        None where the pod is not followed, and is to be read by the caller.

        Raises:
            ProbeError: nothing of its logs could be read.
        """
        with self._lock:
            pod = self._adopted(live)
            if pod is None or not self.runs:
                return None
            pod.asked += 1
            mine = pod.asked
            self._wake.set()
            self._lock.wait_for(lambda: pod.served >= mine or not self.runs, limit)
            return pod.shown()

    def followed(self) -> tuple[PodFolder, ...]:
        """The pods whose logs are followed; their processes may be gone."""
        with self._lock:
            return tuple(pod.folder for pod in self._pods.values())

    def told(self, uid: str) -> tuple[tuple[Task, ...], Distilled | None]:
        """A pod's processes that matter and what its logs show, as known now; nothing is read.

        One that is not followed yet is looked for soon, unless such looks take long here.
        """
        with self._lock:
            pod = self._pods.get(uid)
            if pod is None:
                if self._next_scan - time.monotonic() <= _SCAN_PERIOD:
                    self._next_scan = 0.0
                return (), None
            try:
                return pod.tasks, pod.shown()
            except ProbeError:
                return pod.tasks, None

    def _turn_now(self) -> None:
        self._wake.clear()
        self.tick(time.monotonic())

    def _rest(self) -> None:
        """A turn takes long enough while a look hangs that somebody waits for."""
        with self._lock:
            eager = any(_hangs(p) and p.waited for p in self._pods.values())
        if not eager:
            self._wake.wait(PERIOD)

    def tick(self, now: float) -> None:
        """One round: see which pods there are, read what was written, keep it from time to time."""
        if now >= self._next_scan:
            self._scan(now)
        self._read_all(now)
        if now >= self._next_save:
            self._next_save = now + _SAVE_PERIOD
            self.save()
        self._let_sleep(now)

    def _scan(self, now: float) -> None:
        """Which pods are there. A look that takes long is taken less often."""
        self._probing.forget_others()
        self._probing.begin()
        seen = self._probing.start("tail-pods", self._node.pods, times=2)()
        spent = self._probing.outcomes["tail-pods"].seconds
        self._next_scan = now + max(_SCAN_PERIOD, _SCAN_SHARE * spent)
        if isinstance(seen, Missing):
            return
        on_gpu = self._probing.run("tail-gpus", self._node.on_gpu)
        self._on_gpu = self._on_gpu if isinstance(on_gpu, Missing) else on_gpu
        with self._lock:
            for live in seen:
                self._adopted(live)
            self._drop({live.folder.uid for live in seen})
        self._node.there([live.folder for live in seen])

    def _adopted(self, live: Live) -> TailedPod | None:
        """The pod as it is followed; None where it has no process that matters and never had."""
        uid, tasks = live.folder.uid, [t for t in live.tasks if self._matters(t)]
        pod = self._pods.get(uid)
        if pod is None:
            if len(self._pods) >= MAX_PODS or not (tasks or uid in self._state.uids):
                return None
            pod = self._pods[uid] = TailedPod(live.folder, self._proc, self._state)
        pod.know(tasks)
        return pod

    def _matters(self, task: Task) -> bool:
        return task.pid in self._on_gpu or task.is_rank or task.matters

    def _drop(self, there: set[str]) -> None:
        """Forget all pods but those `there`."""
        for uid in (self._pods.keys() | self._state.uids) - there:
            self._pods.pop(uid, None)
            self._probing.forget("tail", uid)
            self._state.forget(uid)

    def _read_all(self, now: float) -> None:
        """Turns for all, then for those with more to read, until the budget is used up.

        A pod that was asked for is read on with as long as the others need not wait.
        """
        left, until = TICK_BYTES, time.monotonic() + PERIOD
        turn = list(self._pods.values())
        while turn and not self.loop.over.is_set():
            left -= self._turn(turn, now)
            hurried = time.monotonic() < until
            turn = [p for p in turn if p.more and (left > 0 or (hurried and p.asked > p.served))]

    def _turn(self, pods: Iterable[TailedPod], now: float) -> int:
        """Each of these pods once, side by side, those that hang last; how many bytes were read."""
        in_turn = sorted(pods, key=lambda p: p.hung)
        every = [(pod, pod.asked, self._started(pod)) for pod in in_turn]
        total = 0
        for pod, asked, fetched in every:
            seen = fetched()
            with self._lock:
                total += self._given(pod, asked, seen, now)
                self._lock.notify_all()
        return total

    def _given(self, pod: TailedPod, asked: int, seen: Fetched | Missing, now: float) -> int:
        """What a look gave to its pod, and to those who asked before it began; bytes read."""
        late, size = pod.hung > 0, 0
        if isinstance(seen, Missing):
            pod.trouble, pod.more = seen.reason, False
        else:
            size = pod.take(seen, now)
            pod.more |= late  # what was written since is read at once
        pod.hung = pod.hung + 1 if self._probing.is_late("tail", pod.folder.uid) else 0
        if not pod.more and not _hangs(pod):
            pod.served = asked
        return size

    def _started(self, pod: TailedPod) -> Callable[[], Fetched | Missing]:
        seconds = _A_MOMENT if pod.hung >= _GIVEN_UP_AFTER else None
        read, uid = partial(pod.fetch, TURN_BYTES), pod.folder.uid
        return self._probing.follow("tail", read, of=uid, seconds=seconds)

    def _let_sleep(self, now: float) -> None:
        """Hold little of logs in which nothing was written for a while."""
        with self._lock:
            awake = [s for p in self._pods.values() for s in p.streams.values() if s.awake]
            awake.sort(key=lambda s: s.read_at)
            for at, stream in enumerate(awake):
                if now - stream.read_at > _SLEEPY_AFTER or at < len(awake) - _MAX_AWAKE:
                    stream.rest()

    def save(self) -> None:
        """Keep what was read so far."""
        for pod in list(self._pods.values()):
            with self._lock:
                pod.save()


def _hangs(pod: TailedPod) -> bool:
    """Whether its look is under way for long, and may end soon."""
    return 0 < pod.hung < _GIVEN_UP_AFTER
