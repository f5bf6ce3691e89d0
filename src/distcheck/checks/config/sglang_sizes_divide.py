"""CONF014: sizes of SGLang that its own checks refuse at start."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Asks, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.flags import flag_of
from distcheck.checks.manifest.listening import is_loose
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_DP = ("--dp", "--dp-size", "--data-parallel-size")
_DENSE = ("--moe-dense-tp-size",)
_ATTENTION = "--enable-dp-attention"
_SIZES = frozenset({"tp", "pp", "dp", "nnodes", "arguments"})
_EARLY = pattern(r":v0\.(?:[0-3]\.|4\.[0-2](?:\D|\Z))")
"""Releases that take the number of copies from TP, whatever `--dp` says."""
_EP = ("--ep", "--ep-size", "--expert-parallel-size")
_MOE_DP = ("--moe-dp-size", "--moe-data-parallel-size")
_SETS_EP = frozenset({"--moe-a2a-backend", "--enable-ep-moe", "--enable-deepep-moe"})
"""With these EP is TP, whatever `--ep` says."""
_EP_IS_NOT_READ = pattern(r":v0\.(?:[0-3]\.|4\.[0-9](?:\D|\Z))")
_RELEASE = pattern(r":v\d+\.\d")


@rule("CONF014", level="error")
def sglang_sizes_divide(template: Template) -> Iterator[Finding]:
    """SGLang's parallel sizes divide each other as it requires.

    What:
        With `--enable-dp-attention` `--dp` does not divide `--tp`; `--tp` x `--pp` is no multiple
        of `--nnodes`; `--dp` is more than 1 over several nodes without `--enable-dp-attention`;
        `--moe-dense-tp-size` is neither 1 nor `--tp`; or from 0.4.10 on `--ep` does not divide
        `--tp`, where no `--moe-a2a-backend` makes it the same.
    Why:
        The server ends with an AssertionError before it loads anything; with such an `--ep` some
        ranks are in no group of experts.
    Fix:
        With DP attention choose `--dp` among the divisors of `--tp`: the copies of attention
        share the ranks of one TP group.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: sglang}
        spec:
          containers:
          - name: sglang
            image: lmsysorg/sglang:v0.5.0
            command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "8", --dp, "3",
              --enable-dp-attention]
            resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: sglang}
        spec:
          containers:
          - name: sglang
            image: lmsysorg/sglang:v0.5.0
            command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "8", --dp, "4",
              --enable-dp-attention]
            resources: {limits: {nvidia.com/gpu: 8}}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: sglang}
        spec:
          containers:
          - name: sglang
            image: lmsysorg/sglang:v0.5.0
            command: [sh, -c, "python3 -m sglang.launch_server --model-path /m --tp $TP --dp 3
              --enable-dp-attention"]
            env: [{name: TP, valueFrom: {configMapKeyRef: {name: c, key: tp}}}]
            resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        SGLang python/sglang/srt/server_args.py (check_server_args, _handle_data_parallelism),
        0.4.3 to 0.5.23; python/sglang/srt/distributed/parallel_state.py
        (initialize_model_parallel, moe_ep_size), 0.4.10 to 0.5.23.
    """
    for container in template.containers:
        asks = container.asks
        if asks is None or asks.engine != "sglang" or _SIZES & set(asks.unread):
            continue
        if _EARLY.search(container.image) or _holds_more(container):
            continue
        for flag, says, fix in _refused(container, asks):
            spot = container.spot_of(*(_DP if flag in _DP else (flag,)))
            yield Finding(spot, f"container {container.name}: {says}", fix)
        yield from _experts(container, asks.tp or 1)


def _holds_more(container: Container) -> bool:
    """Whether a file or a variable may hold other sizes, or several servers have their own."""
    sizes = [{*_values(container, flags)} for flags in (_DP, _DENSE)]
    loose = any(is_loose(c.words) for c in container.commands)
    return loose or "--config" in container.words or any(len(held) > 1 for held in sizes)


def _refused(container: Container, asks: Asks) -> Iterator[tuple[str, str, str]]:
    """The flag, what is wrong with it, and what to write."""
    tp, pp, nodes = asks.tp or 1, asks.pp or 1, asks.nnodes or 1
    dp, dense = _size(container, _DP) or 1, _size(container, _DENSE)
    attention = any(w.replace("_", "-") == _ATTENTION for w in container.words)
    if attention and tp % dp:
        fix = f"Write one of {_divisors(tp)} for --dp, or a --tp that is a multiple of {dp}."
        yield "--dp", f"DP attention shares TP={tp} among DP={dp}, which does not divide it", fix
    if nodes > 1 and tp * pp % nodes:
        says = f"TP={tp} x PP={pp} is no multiple of --nnodes {nodes}"
        yield "--nnodes", says, f"Make TP x PP a multiple of {nodes}: as many ranks on each node."
    if nodes > 1 and dp > 1 and not attention:
        says = f"SGLang takes DP={dp} over {nodes} nodes with {_ATTENTION} only"
        yield "--dp", says, f"Add {_ATTENTION}, or start a server for each copy behind a router."
    if dense not in (None, 1, tp):
        says = f"--moe-dense-tp-size is {dense}: SGLang takes 1, newer releases also TP={tp}"
        yield "--moe-dense-tp-size", says, "Write 1, or take it out."


def _experts(container: Container, tp: int) -> Iterator[Finding]:
    ep, copies = _size(container, _EP), _size(container, _MOE_DP) or 1
    several = any(len({*_values(container, flags)}) > 1 for flags in (_EP, _MOE_DP))
    other = any(flag_of(w) in _SETS_EP for w in container.words)
    if ep in (None, 0, 1) or several or other or _EP_IS_NOT_READ.search(container.image):
        return
    if tp % ((ep or 1) * copies) or (copies > 1 and (ep or 1) * copies != tp):
        unseen = "" if _RELEASE.search(container.image) else "which release of SGLang this is"
        by = (
            f" x --moe-dp-size {copies}, which are not" if copies > 1 else ", which does not divide"
        )
        says = f"container {container.name}: --ep {ep}{by} TP={tp}"
        fix = f"Write one of {_divisors(tp)} for --ep: experts are spread over the ranks of TP."
        spot = container.spot_of(*_EP, *("--" + f[2:].replace("-", "_") for f in _EP))
        yield Finding(spot, says, fix, unseen=unseen)


def _values(container: Container, flags: tuple[str, ...]) -> Iterator[str]:
    """What the flags are given, in either spelling."""
    spelt = {n for flag in flags for n in (flag, "--" + flag[2:].replace("-", "_"))}
    return (v for c in container.commands for name in spelt for v in c.values(name))


def _size(container: Container, flags: tuple[str, ...]) -> int | None:
    found = next(_values(container, flags), "")
    return int(found[:9]) if found.isdecimal() else None


def _divisors(number: int) -> str:
    return ", ".join(str(n) for n in range(1, min(number, 1024) + 1) if number % n == 0)
