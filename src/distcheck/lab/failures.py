"""How an engine of the lab fails: NCCL's words and vLLM's, and which rank says them.

Forms: NCCL 2.27.3 (src/bootstrap.cc, src/init.cc, src/misc/socket.cc) and vLLM 0.10.2
(v1/worker/gpu_worker.py, v1/core/kv_cache_utils.py, distributed/device_communicators).
"""

from collections.abc import Iterator

from distcheck.lab.layout import NCCL, Layout, Rank

OTHER_NCCL = "2.26.2"
_BRIDGE = "docker0:172.17.0.1<0>"
_USAGE, _SYSTEM = "invalid usage", "unhandled system error"
_REMOTE = "remote process exited or there was a network error"
_RESULTS = {
    "no-interface": _USAGE,
    "nccl-versions": _USAGE,
    "wrong-interface": _REMOTE,
    "no-route": _REMOTE,
    "peer-died": _REMOTE,
    "system-error": _SYSTEM,
}


def interface(fails: str, ip: str) -> str:
    """The interface of NCCL's bootstrap, with its address."""
    return _BRIDGE if fails == "wrong-interface" else f"eth0:{ip}<0>"


def nccl_version(fails: str, rank: Rank) -> str:
    """The NCCL that the rank's container has."""
    return OTHER_NCCL if fails == "nccl-versions" and rank.member.node == "gpu-b" else NCCL


def unreached(fails: str, root_ip: str) -> tuple[str, str]:
    """(address, words of the kernel) of a rank that does not reach rank 0."""
    if fails == "wrong-interface":
        return "172.17.0.1", "Connection refused"
    words = {"no-route": "No route to host", "peer-died": "Connection refused"}
    return root_ip, words.get(fails, "Connection timed out")


def other_versions() -> str:
    """What every rank says where two NCCL meet."""
    return "Mismatched NCCL version detected : rank 0 version 22703 rank 8 version 22602"


def worker_error(layout: Layout, rank: Rank) -> str | None:
    """The exception of a worker; None for one that only waits for the others."""
    engine, first = layout.engine(rank), rank.local == 0
    if engine.fails == "gpu-taken":
        here = first and rank.member.node == layout.world.tenant
        return _taken(layout) if here else None
    alone = engine.fails == "peer-died" and rank.rank == 0
    if engine.fails == "out-of-memory" or alone:
        return _out_of_memory(rank)
    result = _RESULTS.get(engine.fails)
    if result is not None:
        level = "INFO" if result == _SYSTEM else "WARN"
        return f"RuntimeError: NCCL error: {result} (run with NCCL_DEBUG={level} for details)"
    return None


def core_errors(layout: Layout, fails: str) -> Iterator[str]:
    """What the engine's core says at its end."""
    if not fails:
        return
    yield "EngineCore failed to start."
    if fails == "kv-too-small":
        yield (
            "ValueError: To serve at least one request with the models's max seq len (131072), "
            "(5.0 GiB KV cache is needed, which is larger than the available KV cache memory "
            "(1.98 GiB). Based on the available memory, the estimated maximum model length is "
            "51904. Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when "
            "initializing the engine."
        )
    elif fails == "gpu-taken":
        yield _taken(layout)


def _taken(layout: Layout) -> str:
    free = 79.18 - layout.world.tenant_gib - 0.5
    return (
        f"ValueError: Free memory on device ({free:.2f}/79.18 GiB) on startup is less than "
        "desired GPU memory utilization (0.92, 72.85 GiB). Decrease GPU memory utilization or "
        "reduce GPU memory used by other processes."
    )


def _out_of_memory(rank: Rank) -> str:
    return (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 448.00 MiB. "
        f"GPU {rank.local} has a total capacity of 79.18 GiB of which 310.75 MiB is free."
    )
