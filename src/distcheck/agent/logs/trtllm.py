"""TensorRT-LLM: its log's ranks and weights, and the mapping in an engine folder.

Lines of the C++ runtime (0.9 to 1.0) name a rank where they give its GPU; the size of the
engine that a process loaded names none, so it is a rank of its own without number.
"""

import re

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from distcheck.agent.logs.engine_ranks import with_rank
from distcheck.checks.evidence.engine import EngineLog, EngineRank

NEEDLES = (
    *("found in the config file", "MPI size: ", " is using GPU ", "Loaded engine size: "),
    "(inside torch) in memory",
)

_VERSION = re.compile(r"Engine version (\S{1,60}) found in the config file")
_MPI = re.compile(r"MPI size: (\d{1,6}),(?: MPI local size: \d{1,6},)? rank: (\d{1,6})")
_GPU = re.compile(r"\bRank (\d{1,6}) is using GPU (\d{1,4})")
_LOADED = re.compile(r"Loaded engine size: (\d{1,9}) MiB")
_TORCH = re.compile(
    r"\[RANK (\d{1,6})\].{0,100}weights.{0,20} \(inside torch\) in memory usage profiling: "
    r"(\d{1,6}(?:\.\d{1,6})?) GiB"
)
_NAMES = ("TensorRT-LLM", "TRT-LLM")
_MIB_PER_GIB = 1024
_LONGEST_CONFIG = 1 << 22


def read(log: EngineLog, text: str, source: str) -> EngineLog:
    """`log` with what one line of TensorRT-LLM's adds; other programs speak of ranks too."""
    if not any(name in text for name in _NAMES):
        return log
    version, mpi, gpu = (p.search(text) for p in (_VERSION, _MPI, _GPU))
    loaded, torch = _LOADED.search(text), _TORCH.search(text)
    if version is not None:
        log = replace(log, engine=log.engine or "trtllm", version=version[1])
    if mpi is not None:
        log = replace(log, engine=log.engine or "trtllm", world_size=int(mpi[1]))
        log = with_rank(log, EngineRank(source, rank=int(mpi[2])))
    if gpu is not None:
        log = with_rank(log, EngineRank(source, rank=int(gpu[1]), gpu=int(gpu[2])))
    if loaded is not None:
        gib = int(loaded[1]) / _MIB_PER_GIB
        log = with_rank(log, EngineRank(source, label=source, gib=gib))
    if torch is not None:
        log = with_rank(log, EngineRank(source, rank=int(torch[1]), gib=float(torch[2])))
    return log


class Mapping(Struct, frozen=True):
    """How an engine was built to be spread; each engine file holds one rank's part."""

    world_size: int = 1
    tp_size: int = 1
    pp_size: int = 1
    cp_size: int = 1


class _Pretrained(Struct, frozen=True):
    mapping: Mapping
    architecture: str | None = None
    dtype: str | None = None


class EngineFolder(Struct, frozen=True):
    """What `config.json` of an engine folder says (TensorRT-LLM 0.8 and newer)."""

    pretrained_config: _Pretrained
    version: str | None = None

    @property
    def mapping(self) -> Mapping:
        """The degrees of parallelism that the engine was built for."""
        return self.pretrained_config.mapping


def engine_folder(config: bytes) -> EngineFolder | None:
    """Read `config.json` of an engine folder; None for any other JSON, or for none.

    Older engines (`builder_config`) name the same sizes elsewhere and are not read. A mapping
    whose sizes do not make its world is not believed.
    """
    try:
        found = msgspec.json.decode(config[:_LONGEST_CONFIG], type=EngineFolder)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    of = found.mapping
    sizes = (of.world_size, of.tp_size, of.pp_size, of.cp_size)
    sound = min(sizes) > 0 and of.world_size == of.tp_size * of.pp_size * of.cp_size
    return found if sound else None
