"""CONF115: flags of another engine, and misspelt ones."""

import re
from collections.abc import Iterator

from distcheck.checks.knowledge.engine_release import vllm_release
from distcheck.checks.knowledge.spelling import letters_apart, within
from distcheck.checks.knowledge.vllm_flags import GONE, gone
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.flags import flag_of
from distcheck.checks.manifest.mpi_words import inner_words, is_option, mpi_options, mpi_words
from distcheck.checks.manifest.ray_serve import serve_file
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.server_words import server_words
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_OTHERS = {
    "vllm": {
        "--tp": "--tensor-parallel-size",
        "--tp-size": "--tensor-parallel-size",
        "--pp-size": "--pipeline-parallel-size",
        "--dp-size": "--data-parallel-size",
        "--model-path": "--model",
        "--dist-init-addr": "--master-addr",
        "--mem-fraction-static": "--gpu-memory-utilization",
        "--context-length": "--max-model-len",
        "--max-model-length": "--max-model-len",
        "--max-running-requests": "--max-num-seqs",
        "--chunked-prefill-size": "--max-num-batched-tokens",
        "--enable-metrics": "",
        "--disable-radix-cache": "--no-enable-prefix-caching",
    },
    "sglang": {
        "--gpu-memory-utilization": "--mem-fraction-static",
        "--max-model-len": "--context-length",
        "--distributed-executor-backend": "",
        "--headless": "",
        "--max-num-seqs": "--max-running-requests",
        "--max-num-batched-tokens": "--chunked-prefill-size",
        "--enforce-eager": "--disable-cuda-graph",
        "--swap-space": "",
    },
}


@rule("CONF115", level="error")
def flags_are_the_engines(template: Template) -> Iterator[Finding]:
    """The engine's flags are its own.

    What:
        vLLM is started with a flag that it has not, such as SGLang's `--tp`, or SGLang with one of
        vLLM's, such as `--gpu-memory-utilization`; with one that is a letter or two away from
        a flag that it has, such as `--tensor-paralel-size`; with one that vLLM had before the
        release of its image, such as `--disable-log-requests` in 0.17; or a number stands behind a
        name without a space, such as `-tp8`. Of mpirun misspelt options alone.

    Why:
        The server ends at once with "unrecognized arguments".

    Fix:
        Write the flag as this engine has it.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tp, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: misspelt}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor-paralel-size=8]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: glued}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, -tp8]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: of-an-older-release}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.17.0
            args: [--model, /m, -tp, "8", --disable-log-requests]
            resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, -tp, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: abbreviated}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor_parallel, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: short}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.12.0
            args: [--model, /m, -tp=8, -n1, -r0]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: still-taken}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.16.0
            args: [--model, /m, -tp, "8", --disable-log-requests]
            resources: {limits: {nvidia.com/gpu: 8}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: registry.example.com/serve:3
            args: [--model, /m, --tp, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM vllm/engine/arg_utils.py, 0.6.6 to 0.33 (0.10.2, 0.13, 0.33 compared; flags that are
        gone: 22 releases); SGLang
        python/sglang/srt/server_args.py, 0.4.6 to 0.5.23 (both and 0.5.3 compared): none is a name,
        an alias or the beginning of a flag there. Python argparse (_parse_optional): behind one
        dash only a name of one letter takes a value without a space.
    """
    for container in template.containers:
        engine = container.asks.engine if container.asks else ""
        for flag, meant in _OTHERS.get(engine, {}).items():
            if not container.nim and any(
                flag_of(w) == flag for w in server_words(container, engine)
            ):
                near = f"it is {meant} there" if meant else "it has none like it"
                fix = f"Write {meant}." if meant else f"Take {flag} out."
                yield Finding(container.spot_of(flag), f"{engine} has no flag {flag}: {near}", fix)
        yield from () if container.nim else _misspelt(container, engine)
        yield from _gone(container) if engine == "vllm" and not container.nim else ()
        yield from _of_mpirun(container)
        yield from _in_file(container) if engine == "vllm" and not container.nim else ()
    if template.kind == "RayService" and template.part == "leader":
        yield from _arguments(template)


def _arguments(template: Template) -> Iterator[Finding]:
    """`engine_kwargs` of Ray Serve LLM, which vLLM takes by their names in Python."""
    config = serve_file(template)
    names = [f.removeprefix("--").replace("-", "_") for f in _FLAGS["vllm"]]
    for block in _KWARGS.finditer(config.text()):
        for written in dict.fromkeys(_KEY.findall(block[0].partition(":")[2])):
            name = written.replace("-", "_")
            near = within(name, (n for n in names if len(n) > _LONG))
            meant = name if name in names and name != written else _SHORTER.get(name, "")
            meant = meant or (near[0] if near and name not in names else "")
            if meant:
                says = f"vLLM has no argument {written}: did you mean {meant}?"
                spot = config.spot.within(f"{written}:")
                yield Finding(spot, says, f"Write {meant}.")


_KWARGS = pattern(
    r"^([ \t]*(?:- )?)engine_kwargs:[ \t]*(?:\{[^}]*\}|(?:\n(?:\1[ \t]+[^\n]*|[ \t]*(?=\n)))*)",
    re.MULTILINE,
)
_KEY = pattern(r"(?:^|[{,\n])[ \t]*[\"']?([a-z][\w-]*)[\"']?[ \t]*:")
_SHORTER = {
    "tensor_parallel": "tensor_parallel_size", "pipeline_parallel": "pipeline_parallel_size",
    "tp": "tensor_parallel_size", "pp": "pipeline_parallel_size", "tp_size": "tensor_parallel_size",
    "pp_size": "pipeline_parallel_size", "max_model_length": "max_model_len",
}  # fmt: skip


_FLAGS = {
    "vllm": (
        "--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size",
        "--data-parallel-size-local", "--data-parallel-address", "--data-parallel-start-rank",
        "--nnodes", "--node-rank", "--master-addr", "--master-port", "--headless", "--model",
        "--distributed-executor-backend", "--max-model-len", "--gpu-memory-utilization",
        "--enable-expert-parallel", "--served-model-name", "--trust-remote-code",
    ),
    "sglang": (
        "--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size",
        "--expert-parallel-size", "--tp-size", "--pp-size", "--dp-size", "--ep-size", "--nnodes",
        "--node-rank", "--dist-init-addr", "--model-path", "--mem-fraction-static",
        "--context-length", "--served-model-name", "--trust-remote-code", "--enable-dp-attention",
    ),
}  # fmt: skip
"""Those whose loss matters; no other flag of these engines is within two letters of one."""
_GLUED = pattern(r"(-(?:tp|pp|dp|dpl|dpn|dpr|dcp|pcp)|--[a-z][a-z-]*[_-](?:size|rank))(\d+)")
_LONG = 11
_OLD = ("--model", "--tp", "--pp", "--dp", "--ep")
"""SGLang's shorter names of the same."""


def _misspelt(container: Container, engine: str) -> Iterator[Finding]:
    wrapped = not container.place.at("command") and not container.engine_image
    unseen = f"what the entrypoint of {container.image} takes" if wrapped else ""
    for word in dict.fromkeys(server_words(container, engine)):
        written = word.partition("=")[0]
        numbered = engine == "vllm" and written[-1:].isdigit()
        if glued := _GLUED.fullmatch(written) if numbered else None:
            says = f"vllm has no flag {written}: a number stands apart from a name of two letters"
            fix = f"Write `{glued[1]} {glued[2]}`, as two words."
            yield Finding(container.spot_of(written), says, fix, unseen=unseen)
        elif meant := _meant(written, _FLAGS.get(engine, ())):
            says = f"{engine} has no flag {written}: did you mean {meant}?"
            yield Finding(container.spot_of(written), says, f"Write {meant}.", unseen=unseen)


def _gone(container: Container) -> Iterator[Finding]:
    """Flags that this release has no more; of images that do not tell theirs nothing is said."""
    release = vllm_release(container.image)
    for flag in gone(server_words(container, "vllm")) if release else ():
        first, fix = GONE[flag]
        if release is not None and release >= first:
            says = f"vllm has no flag {flag} from {'.'.join(map(str, first))} on"
            spot = container.spot_of(flag, f"--{flag[2:].replace('-', '_')}")
            yield Finding(spot, says, fix)


_MPIRUN = (
    "--allow-run-as-root", "--hostfile", "--machinefile", "--oversubscribe", "--report-bindings",
    "--map-by", "--bind-to", "--rank-by", "--npernode", "--npersocket", "--tag-output",
)  # fmt: skip
_FEW = 6
_SHORTENED = "whether it is of Open MPI 5, which takes the beginning of a name (getopt_long)"


def _of_mpirun(container: Container) -> Iterator[Finding]:
    """Options of mpirun, which ends at one that it does not know."""
    for word in dict.fromkeys(w for c in container.commands for w in mpi_options(c.words)):
        if not word.startswith("--") or is_option(word):
            continue
        begun = [f for f in _MPIRUN if f.startswith(word)] if len(word) > _FEW else []
        if meant := _meant(word, _MPIRUN) or (begun[0] if len(begun) == 1 else ""):
            says = f"mpirun has no option {word}: did you mean {meant}?"
            unseen = _SHORTENED if begun else ""
            yield Finding(container.spot_of(word), says, f"Write {meant}.", unseen=unseen)
    for command in container.commands:
        words = (*mpi_words(command.words), *inner_words(command.words)[:1])
        for flag, name, value in zip(words, words[1:], words[2:], strict=False):
            if flag == "-x" and name.isupper() and "=" not in name and _VALUE.fullmatch(value):
                says = f"mpirun takes {value} for the program: -x has one word, {name}={value}"
                spot = container.spot_of(f"{name} {value}", name)
                yield Finding(spot, says, f"Write `-x {name}={value}`.")


_VALUE = pattern(r"\d+|mlx\w+|eth\d+|INFO|WARN|TRACE|VERSION")


def _in_file(container: Container) -> Iterator[Finding]:
    """Keys of the file that `--config` names, which are flags without their dashes."""
    files = {v.rpartition("/")[2] for c in container.commands for v in c.values("--config")}
    for text in container.texts if files else ():
        if text.spot.path[:1] != ("data",) or text.spot.path[-1] not in files:
            continue
        for key in dict.fromkeys(_TOP.findall(text.text)):
            if meant := _meant(f"--{key}", _FLAGS["vllm"]).removeprefix("--"):
                says = f"vllm has no flag --{key.replace('_', '-')}: did you mean {meant}?"
                spot = text.spot.within(f"{key}:")
                yield Finding(spot, says, f"Write {meant}.")


_TOP = pattern(r"(?m)^([a-z][a-z_-]{2,64}):")


def _meant(written: str, flags: tuple[str, ...]) -> str:
    """The flag that is nearly so called; none for flags, their beginnings and what is no flag."""
    name = written.replace("_", "-")
    known = any(f.startswith(name) for f in (*flags, *_OLD))
    if known or not name.startswith("-") or not name.strip("-").replace("-", "").isalpha():
        return ""
    few = {f: letters_apart(name, f, 2 if len(f) > _LONG else 1) for f in flags}
    near = [f for f in flags if few[f] <= (2 if len(f) > _LONG else 1) and not _of_kin(name, f)]
    return min(near, key=lambda f: (few[f], f), default="")


_SIZE = "-size"


def _of_kin(name: str, flag: str) -> bool:
    """Whether both are sizes of a few letters: `--dcp-size` is SGLang's, and more will come."""
    return len(flag) <= _LONG and name.endswith(_SIZE) and flag.endswith(_SIZE)
