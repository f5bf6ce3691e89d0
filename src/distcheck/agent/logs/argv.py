"""What a vLLM or `ray start` command line asks for. Pure functions of argument lists.

Rules of vLLM's parser: `--x=N` and `--x N`, `_` for `-` in long names, unique prefixes of
long names, and the last one wins (`vllm/utils` FlexibleArgumentParser over argparse).
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from distcheck.agent.logs.flags import BOOL, FLOAT, INT, TEXT, Grammar, Kinds, read_flags
from distcheck.agent.logs.shell import reads_whole, runs
from distcheck.agent.logs.shell_variables import Known

_ENTRY_POINTS = frozenset({"vllm.entrypoints.openai.api_server", "vllm.entrypoints.api_server"})
_MAINS = frozenset({"vllm", "vllm.entrypoints.cli.main"})


class EngineFlags(Struct, frozen=True, omit_defaults=True):
    """What an engine's command line asks for; None for each that it does not name.

    `tp`, `pp` and `dp` are None where no flag names them: vLLM's own default is then 1,
    unless `config` names a YAML file with more flags. `dp_local` is the number of copies on
    one node, `dp_rank` and `dp_start` which of them these are.
    """

    model: str | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    ep: bool | None = None
    nnodes: int | None = None
    node_rank: int | None = None
    master_addr: str | None = None
    master_port: int | None = None
    headless: bool = False
    executor: str | None = None
    port: int | None = None
    quantization: str | None = None
    dtype: str | None = None
    gpu_memory_utilization: float | None = None
    config: str | None = None
    unread: tuple[str, ...] = ()
    """Fields whose value is not known because a shell has yet to fill it in (`$TP`)."""
    dp_local: int | None = None
    dp_address: str | None = None
    dp_rpc_port: int | None = None
    dp_rank: int | None = None
    dp_start: int | None = None
    dp_hybrid_lb: bool = False
    dp_external_lb: bool = False
    reasons: Mapping[str, str] = {}
    """For each field of `unread`, the flag as it is written."""


class RayStart(Struct, frozen=True, omit_defaults=True):
    """What a `ray start` command line asks for; `num_gpus` None lets Ray count them."""

    head: bool
    address: str | None = None
    port: int | None = None
    num_gpus: int | None = None
    node_ip: str | None = None
    block: bool = False


_FLAGS: Kinds = {
    "--model": ("model", TEXT),
    "--tensor-parallel-size": ("tp", INT),
    "--pipeline-parallel-size": ("pp", INT),
    "--data-parallel-size": ("dp", INT),
    "--data-parallel-size-local": ("dp_local", INT),
    "--data-parallel-address": ("dp_address", TEXT),
    "--data-parallel-rpc-port": ("dp_rpc_port", INT),
    "--data-parallel-rank": ("dp_rank", INT),
    "--data-parallel-start-rank": ("dp_start", INT),
    "--data-parallel-hybrid-lb": ("dp_hybrid_lb", BOOL),
    "--data-parallel-external-lb": ("dp_external_lb", BOOL),
    "--enable-expert-parallel": ("ep", BOOL),
    "--nnodes": ("nnodes", INT),
    "--node-rank": ("node_rank", INT),
    "--master-addr": ("master_addr", TEXT),
    "--master-port": ("master_port", INT),
    "--headless": ("headless", BOOL),
    "--distributed-executor-backend": ("executor", TEXT),
    "--port": ("port", INT),
    "--quantization": ("quantization", TEXT),
    "--dtype": ("dtype", TEXT),
    "--gpu-memory-utilization": ("gpu_memory_utilization", FLOAT),
    "--config": ("config", TEXT),
}
_SHORT: Mapping[str, str] = {
    "-tp": "--tensor-parallel-size",
    "-pp": "--pipeline-parallel-size",
    "-dp": "--data-parallel-size",
    "-dpl": "--data-parallel-size-local",
    "-dpa": "--data-parallel-address",
    "-dpp": "--data-parallel-rpc-port",
    "-dpn": "--data-parallel-rank",
    "-dpr": "--data-parallel-start-rank",
    "-dph": "--data-parallel-hybrid-lb",
    "-dpe": "--data-parallel-external-lb",
    "-ep": "--enable-expert-parallel",
    "-n": "--nnodes",
    "-r": "--node-rank",
    "-q": "--quantization",
}
_NEIGHBOURS = frozenset(
    {
        *("--model-impl", "--model-loader-extra-config", "--data-parallel-backend"),
        *("--data-parallel-multi-port-external-lb", "--enable-lora", "--enable-prefix-caching"),
        *("--enable-chunked-prefill", "--enable-eplb", "--config-format", "--host", "--hf-token"),
        *("--quantization-config", "--quantization-param-path", "--max-model-len"),
    }
)
_SWITCHES = frozenset({"--trust-remote-code", "--enforce-eager", "--disable-log-stats"})
VLLM = Grammar(_FLAGS, _SHORT, _NEIGHBOURS, _SWITCHES)
_RAY = Grammar(
    {
        "--head": ("head", BOOL),
        "--address": ("address", TEXT),
        "--port": ("port", INT),
        "--num-gpus": ("num_gpus", INT),
        "--node-ip-address": ("node_ip", TEXT),
        "--block": ("block", BOOL),
    }
)
_DEGREES = ("tp", "pp", "dp", "model")
_SHOWS = frozenset({"--help", "-h", "--version"})


def engine_flags(
    argv: Sequence[str], known: Known | None = None, *, assume: bool = False
) -> EngineFlags | None:
    """What `argv` asks of vLLM; None where it starts no vLLM server.

    Looks inside shell strings (`bash -c "ray start ...; vllm serve ..."`), with the variables
    `known` put in; `assume` as `shell.runs` has it. Of several servers in one string the last
    is returned, and what they do not agree on is unread.
    """
    found = [
        vllm_flags(rest)
        for ran in runs(argv, known, assume=assume)
        if (rest := vllm_arguments(ran.words)) is not None
    ]
    return agreed(found, whole=reads_whole(argv, known, assume=assume)) if found else None


def agreed(found: Sequence[EngineFlags], *, whole: bool = True) -> EngineFlags:
    """The last of several servers, without the degrees that not all of them ask for.

    Where the script was not read as a `whole`, another may follow.
    """
    last = found[-1]
    odd = [d for d in _DEGREES if not whole or len({getattr(one, d) for one in found}) > 1]
    if not odd:
        return last
    why = "which of several servers starts" if whole else "a script too long to be read"
    reasons = {**last.reasons, **dict.fromkeys(odd, why)}
    return structs.replace(last, **dict.fromkeys(odd), unread=tuple(reasons), reasons=reasons)


def ray_start(argv: Sequence[str], known: Known | None = None) -> RayStart | None:
    """What `argv` asks of `ray start`; None where it does not start Ray."""
    found = [rest for ran in runs(argv, known) if (rest := _ray_arguments(ran.words)) is not None]
    if not found:
        return None
    values = {"head": False} | read_flags(found[-1], _RAY).values
    return RayStart(**values)


def only_shows(arguments: Sequence[str]) -> bool:
    """Whether the program prints its help, or its version, and ends."""
    return any(w in _SHOWS or w.startswith("--help=") for w in arguments)


def vllm_arguments(command: Sequence[str]) -> list[str] | None:
    """The arguments of the vLLM server that `command` starts; None where it starts none."""
    found = _vllm_arguments(command)
    return None if found is None or only_shows(found) else found


def _vllm_arguments(command: Sequence[str]) -> list[str] | None:
    for i, word in enumerate(command):
        name = word.rpartition("/")[2]
        if (name == "vllm" or word in _MAINS) and command[i + 1 : i + 2] == ("serve",):
            return list(command[i + 2 :])
        if word in _ENTRY_POINTS and i > 0 and command[i - 1] == "-m":
            return list(command[i + 1 :])
        if name == "api_server.py" and "vllm" in word:
            return list(command[i + 1 :])
    return None


def _ray_arguments(command: Sequence[str]) -> list[str] | None:
    for i, word in enumerate(command[:-1]):
        if word.rpartition("/")[2] == "ray" and command[i + 1] == "start":
            return list(command[i + 2 :])
    return None


def vllm_flags(arguments: Sequence[str]) -> EngineFlags:
    """What the arguments of a vLLM server ask for."""
    read = read_flags(arguments, VLLM)
    values, unread = read.values, read.unread
    if read.positional:
        values["model"] = read.positional  # `vllm serve MODEL` wins over any --model
        unread.pop("model", None)
    if _unfilled(values.get("model", "")):
        unread["model"] = f"the model is {values.pop('model')}"
    if read.open is not None:
        unread["arguments"] = f"the argument {read.open}"
    if "executor" not in values and "--worker-use-ray" in arguments:
        values["executor"] = "ray"
    return EngineFlags(**values, unread=tuple(unread), reasons=unread)


def _unfilled(text: str) -> bool:
    """Whether a shell has yet to put something in."""
    return "$" in text or "`" in text
