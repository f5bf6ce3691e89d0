"""What the command lines of any engine ask for: vLLM, SGLang, TensorRT-LLM, and MPI's launcher.

Flags: SGLang's server_args.py, TensorRT-LLM's commands/serve.py (click), the launcher scripts
of tensorrtllm_backend and of the LeaderWorkerSet examples.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, structs

from distcheck.agent.logs.argv import (
    EngineFlags,
    agreed,
    only_shows,
    vllm_arguments,
    vllm_flags,
)
from distcheck.agent.logs.flags import BOOL, INT, TEXT, Grammar, Read, read_flags
from distcheck.agent.logs.shell import reads_whole, runs
from distcheck.agent.logs.shell_script import Ran
from distcheck.agent.logs.shell_variables import Known
from distcheck.checks.evidence.group import Engine

_SGLANG = Grammar(
    {
        "--model-path": ("model", TEXT),
        "--tensor-parallel-size": ("tp", INT),
        "--pipeline-parallel-size": ("pp", INT),
        "--data-parallel-size": ("dp", INT),
        "--expert-parallel-size": ("experts", INT),
        "--enable-dp-attention": ("dp_attention", BOOL),
        "--nnodes": ("nnodes", INT),
        "--node-rank": ("node_rank", INT),
        "--dist-init-addr": ("master_addr", TEXT),
        "--port": ("port", INT),
        "--dtype": ("dtype", TEXT),
        "--quantization": ("quantization", TEXT),
        "--config": ("config", TEXT),
    },
    {
        "--model": "--model-path",
        **dict.fromkeys(("--tp", "--tp-size", "--tp_size"), "--tensor-parallel-size"),
        **dict.fromkeys(("--pp", "--pp-size", "--pp_size"), "--pipeline-parallel-size"),
        **dict.fromkeys(("--dp", "--dp-size", "--dp_size"), "--data-parallel-size"),
        **dict.fromkeys(("--ep", "--ep-size", "--ep_size"), "--expert-parallel-size"),
        "--nccl-init-addr": "--dist-init-addr",
    },
)
_TRTLLM = Grammar(
    {
        "--tp-size": ("tp", INT),
        "--pp-size": ("pp", INT),
        "--ep-size": ("experts", INT),
        "--port": ("port", INT),
    },
    {
        **dict.fromkeys(("--tensor-parallel-size", "--tensor_parallel_size"), "--tp-size"),
        **dict.fromkeys(("--pipeline-parallel-size", "--pipeline_parallel_size"), "--pp-size"),
        **dict.fromkeys(("--moe-expert-parallel-size", "--moe_expert_parallel_size"), "--ep-size"),
    },
)
_TRITON = Grammar(
    {
        "--tp": ("tp", INT),
        "--pp": ("pp", INT),
        "--world-size": ("ranks", INT),
        "--http-port": ("port", INT),
    },
    {
        **dict.fromkeys(("--tp-size", "--tp_size"), "--tp"),
        **dict.fromkeys(("--pp-size", "--pp_size"), "--pp"),
    },
)
_MPI = Grammar({"--np": ("ranks", INT)}, {"-np": "--np", "-n": "--np", "-c": "--np"})
_TORCHRUN = Grammar({"--nnodes": ("nnodes", INT), "--nproc-per-node": ("here", INT)})
_MPI_NAMES = frozenset({"mpirun", "mpiexec", "mpirun.real", "orterun"})
_SGLANG_MODULES = frozenset({"sglang.launch_server", "sglang_router.launch_server"})
_TRITON_SCRIPTS = frozenset({"tritonserver", "launch_triton_server.py"})


class Server(Struct, frozen=True):
    """A server that a command line starts.

    `ranks` is how many processes MPI or torchrun start for it in all; `variables` are those
    that the script set for it. `is_whole`: a degree that no flag names is 1; not so where it
    is written in a built engine. `others` are the flags of all servers of its script, where
    that has several.
    """

    engine: Engine
    flags: EngineFlags
    ranks: int | None = None
    variables: Mapping[str, str] = {}
    is_whole: bool = True
    others: tuple[EngineFlags, ...] = ()

    @property
    def positions(self) -> tuple[tuple[int, int], ...]:
        """The parts that it may take: its node's rank and first copy, 0 where no flag says so.

        Nothing where one of them cannot be read.
        """
        every = self.others or (self.flags,)
        if any(_PLACED & set(flags.unread) or flags.config for flags in every):
            return ()
        placed = {(f.node_rank or 0, f.dp_start or f.dp_rank or 0) for f in every}
        return tuple(sorted(placed))


_PLACED = frozenset({"node_rank", "dp_rank", "dp_start", "arguments"})


def server_of(
    argv: Sequence[str], known: Known | None = None, *, assume: bool = False
) -> Server | None:
    """The server that `argv` starts, also inside a shell string; None where it starts none.

    `known` and `assume` as `shell.runs` has them. Of several the last, without the degrees
    on which they differ.
    """
    found = [s for ran in runs(argv, known, assume=assume) for s in _servers(ran)]
    same = [s for s in found if s.engine == found[-1].engine]
    if not found:
        return None
    whole = reads_whole(argv, known, assume=assume)
    flags = agreed([s.flags for s in same], whole=whole)
    others = tuple(s.flags for s in found) if len(found) > 1 else ()
    return structs.replace(found[-1], flags=flags, others=others)


def _servers(ran: Ran) -> Iterator[Server]:
    words, many = ran.words, launched(ran.words)
    if only_shows(words) or _runs_elsewhere(words):
        return
    if (vllm := vllm_arguments(words)) is not None:
        yield Server("vllm", vllm_flags(vllm), None, ran.variables)
    elif (sglang := _sglang_arguments(words)) is not None:
        yield Server("sglang", _sglang(sglang), None, ran.variables)
    elif (found := _triton(words)) is not None:
        ranks = many.get("ranks", found.ranks)
        nnodes = found.flags.nnodes or many.get("nnodes")
        flags = structs.replace(found.flags, nnodes=nnodes)
        yield structs.replace(found, flags=flags, ranks=ranks, variables=ran.variables)


def _runs_elsewhere(words: Sequence[str]) -> bool:
    """Whether it hands the command to another pod: `ray job submit`, `kubectl exec`."""
    name = words[0].rpartition("/")[2] if words else ""
    if name in ("kubectl", "oc"):
        return "exec" in words
    if name != "ray" or tuple(words[1:3]) != ("job", "submit"):
        return False
    flags = zip(words, (*words[1:], ""), strict=True)
    told = [w.partition("=")[2] or after for w, after in flags if w.partition("=")[0] in _TO]
    return bool(told) and not any(here in told[0] for here in _HERE)


_TO, _HERE = ("--address",), ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104


def launched(words: Sequence[str]) -> dict[str, int]:
    """How many processes (`ranks`) mpirun or torchrun starts, and on how many nodes."""
    for at, word in enumerate(words):
        name = word.rpartition("/")[2]
        if name in _MPI_NAMES:
            return _of_mpi(words[at + 1 :])
        if name == "torchrun" or word == "torch.distributed.run":
            values = read_flags(words[at + 1 :], _TORCHRUN).values
            if "nnodes" in values and "here" in values:
                values["ranks"] = values["nnodes"] * values["here"]
            return values
    return {}


def _of_mpi(words: Sequence[str]) -> dict[str, int]:
    """Of `-n 1 A : -n 15 B` the sum; without a count in one part Open MPI fills the slots."""
    ends = [*(at for at, w in enumerate(words) if w == ":"), len(words)]
    starts = [0, *(end + 1 for end in ends)]
    parts = (read_flags(words[a:b], _MPI).values for a, b in zip(starts, ends, strict=False))
    counts = [p.get("ranks") for p in parts]
    return {} if None in counts else {"ranks": sum(filter(None, counts))}


def _sglang_arguments(words: Sequence[str]) -> Sequence[str] | None:
    for at, word in enumerate(words):
        if word in _SGLANG_MODULES and at and words[at - 1] == "-m":
            return words[at + 1 :]
        if word.rpartition("/")[2] == "sglang" and words[at + 1 : at + 2] == ("serve",):
            return words[at + 2 :]
    return None


def _sglang(arguments: Sequence[str]) -> EngineFlags:
    """With DP attention the copies share one TP group, so they ask for no GPUs of their own."""
    read = read_flags(arguments, _SGLANG)
    values = read.values
    experts = values.pop("experts", None)
    if values.pop("dp_attention", False):
        values["dp"] = 1
    if experts is not None:
        values["ep"] = experts > 1
    if read.positional:
        values.setdefault("model", read.positional)
    return _flags(values, read)


def _triton(words: Sequence[str]) -> Server | None:
    for at, word in enumerate(words):
        name = word.rpartition("/")[2]
        if name == "trtllm-serve":
            skipped = 2 if words[at + 1 : at + 2] == ("serve",) else 1
            return Server("triton-trtllm", _trtllm(words[at + skipped :]))
        leads = name == "server.py" and words[at + 1 : at + 2] == ("leader",)
        runs_engine = name == "run.py" and _runs_engine(words, at)
        if leads or runs_engine or name in _TRITON_SCRIPTS:
            read = read_flags(words[at + 1 :], _TRITON)
            ranks = read.values.pop("ranks", None)
            flags = _flags(read.values, read)
            return Server("triton-trtllm", flags, ranks, is_whole=False)
    return None


def _runs_engine(words: Sequence[str], at: int) -> bool:
    """Whether this `run.py` is the runner of TensorRT-LLM's examples, or like it under MPI."""
    flags = {w.partition("=")[0] for w in words[at + 1 :]}
    by_mpi = any(w.rpartition("/")[2] in _MPI_NAMES for w in words[:at])
    return "--engine_dir" in flags or (by_mpi and "--tp_size" in flags)


def _trtllm(arguments: Sequence[str]) -> EngineFlags:
    read = read_flags(arguments, _TRTLLM)
    values = read.values
    experts = values.pop("experts", None)
    values |= {} if experts is None else {"ep": experts > 1}
    values |= {"model": read.positional} if read.positional else {}
    return _flags(values, read)


def _flags(values: dict[str, object], read: Read) -> EngineFlags:
    """As vLLM's: a model that a shell has yet to fill in is unread."""
    model, reasons = values.get("model"), dict(read.unread)
    if isinstance(model, str) and ("$" in model or "`" in model):
        reasons["model"] = f"the model is {values.pop('model')}"
    if read.open is not None:
        reasons["arguments"] = f"the argument {read.open}"
    return EngineFlags(**values, unread=tuple(reasons), reasons=reasons)  # type: ignore[arg-type]
