"""`--swap-space` of vLLM: GiB of CPU memory for each GPU, until 0.18 took the flag away."""

from collections.abc import Iterator

from distcheck.checks.knowledge.engine_release import vllm_release
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.flags import given
from distcheck.checks.manifest.server_words import server_words
from distcheck.pattern import pattern

FLAG = "--swap-space"
_SIZE = pattern(r"\d{1,18}(?:\.\d{1,9})?")
_GIB = 1 << 30
_LARGEST = 48 << 10
_WITHOUT, _NEVER_TAKEN = (0, 18), (0, 8)


def wrong_swap_space(container: Container) -> Iterator[tuple[str, str, str]]:
    """(word to point at, what is wrong, what to write).

    vLLM vllm/config/cache.py (verify_with_parallel_config: GiB x TP, at most 0.7 of the node's
    memory) and vllm/engine/arg_utils.py, 0.10.2 and 0.13; pull request 36216 took it out.
    """
    for one in given(list(server_words(container, "vllm"))):
        if one.flag != FLAG:
            continue
        text = one.value or ""
        if _is_without(container):
            yield one.name, f"vllm has no flag {FLAG} from 0.18 on", f"Take {FLAG} out."
        elif _SIZE.fullmatch(text) and (why := _why(container, float(text))):
            fix = f"Write a few GiB for each GPU, such as `{FLAG} 4`."
            yield f"{one.name}{'=' if one.inline else ' '}{text}", f"{FLAG} {text}: {why}", fix


def _is_without(container: Container) -> bool:
    release = vllm_release(container.image)
    return release is not None and release[:2] >= _WITHOUT


def _why(container: Container, size: float) -> str:
    ranks = (container.asks.tp if container.asks else None) or 1
    if size * ranks > _LARGEST:
        return "it is in GiB for each GPU, which is more than any node has"
    release, limit = vllm_release(container.image), container.limits.get("memory")
    here = min(ranks, container.gpus or 1)
    if release and release[:2] < _NEVER_TAKEN and limit and size * here * _GIB > limit:
        of = f" x {here} GPUs" if here > 1 else ""
        return f"{size:g} GiB{of} of memory, and the limit is {limit / _GIB:g} GiB"
    return ""
