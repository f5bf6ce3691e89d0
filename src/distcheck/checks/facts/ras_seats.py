"""Where a rank that RAS names runs: which pod of the group, on which node and GPU."""

from collections import defaultdict
from collections.abc import Iterable

from distcheck.checks.evidence import Evidence, Missing, Pod
from distcheck.checks.evidence.ras import RasRank
from distcheck.checks.facts.sharding_process import gpu_processes


class Seats:
    """Pods by the addresses that RAS names, and by the numbers of their processes.

    RAS has the address of NCCL's bootstrap interface, which may be another one than the pod's:
    then the pod is the one that has all numbers that RAS names there, where just one has.
    """

    def __init__(self, evidence: Evidence, ranks: Iterable[RasRank]) -> None:
        self._evidence = evidence
        self._pods: dict[str, list[Pod]] = defaultdict(list)
        for pod in evidence.pods:
            if pod.ip:
                self._pods[pod.ip].append(pod)
        pids: dict[str, set[int]] = defaultdict(set)
        for rank in ranks:
            if rank.host and not rank.missing:
                pids[rank.host].add(rank.pid)
        for host in pids.keys() - self._pods.keys():
            holders = [p for p in evidence.pods if all(self._has(p, pid) for pid in pids[host])]
            self._pods[host] = holders if len(holders) == 1 else []

    def pod(self, rank: RasRank) -> Pod | None:
        """The pod that it runs in; None where that cannot be told.

        Pods on the host's network share an address: there its number tells.
        """
        found = self._pods.get(rank.host, [])
        if len(found) > 1:
            found = [p for p in found if self._has(p, rank.pid)]
        return found[0] if len(found) == 1 else None

    def is_ours(self, rank: RasRank) -> bool:
        """Whether its process can be one of the group's."""
        pod = self.pod(rank)
        if pod is None:
            return False
        return rank.missing or not self._numbered(pod) or self._has(pod, rank.pid)

    def _numbered(self, pod: Pod) -> bool:
        """Whether the numbers of all its processes in their containers were seen."""
        seen = self._evidence.look(pod).processes
        if isinstance(seen, Missing) or seen.dropped:
            return False
        return all(p.ns_pids for p in seen.processes)

    def name(self, rank: RasRank) -> str:
        """`rank 3 (vllm-worker-0 on gpu-b, GPU 1)`."""
        where = self.where(rank)
        return f"rank {rank.rank} ({where})" if where else f"rank {rank.rank}"

    def where(self, rank: RasRank) -> str:
        """`vllm-worker-0 on gpu-b, GPU 1`; the address where no pod is known; empty for none."""
        pod = self.pod(rank)
        if pod is None:
            return f"pid {rank.pid} on {rank.host}" if rank.host else ""
        node = f" on {pod.node}" if pod.node else ""
        gpu = self._gpu(pod, rank)
        return f"{pod.name}{node}{gpu}"

    def _gpu(self, pod: Pod, rank: RasRank) -> str:
        """As NVML of the node counts, where the process is known there; else as NCCL does."""
        pid = self._evidence.look(pod).host_pid(rank.pid)
        held = (
            []
            if isinstance(pid, Missing)
            else [p for p in gpu_processes(self._evidence, pod) if p.pid == pid]
        )
        node = self._evidence.node(pod.node or "")
        devices = () if node is None or isinstance(node.gpus, Missing) else node.gpus.devices
        index = {d.uuid: d.index for d in devices}
        if len({p.uuid for p in held}) == 1 and held[0].uuid in index:
            return f", GPU {index[held[0].uuid]}"
        return "" if rank.nvml_device is None else f", GPU {rank.nvml_device}"

    def _has(self, pod: Pod, pid: int) -> bool:
        return isinstance(self._evidence.look(pod).host_pid(pid), int)
