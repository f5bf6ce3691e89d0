"""A built TensorRT-LLM engine: its folder's `config.json` says how it is cut.

TP and PP are fixed when the engine is built, whatever the command line says.
"""

import re
from collections.abc import Iterator, Sequence

from distcheck.agent.container_json import Files, NotJsonError, count, inner, json_object, text
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.redact import shown_name
from distcheck.checks.evidence.serving import EngineFolder

_MAX_CONFIG = 1 << 20
_MAX_MODELS = 64
_PATH = re.compile(
    r'key:\s{0,8}"gpt_model_path"\s{0,8}value:?\s{0,8}\{\s{0,8}string_value:\s{0,8}"([^"\n]{1,512})"'
)
_REPOSITORY = ("--model-repository", "--model-store", "--model_repo", "--model-repo")


def look(files: Files, argvs: Sequence[Sequence[str]]) -> EngineFolder:
    """The first engine folder that one of these command lines leads to.

    Raises:
        ProbeError: none of them names one, or what they name is no engine.
    """
    tried: list[str] = []
    for folder in _folders(files, argvs):
        try:
            path = f"{folder.rstrip('/')}/config.json"
            return engine_of(files.read(path, _MAX_CONFIG), path)
        except (NotJsonError, ProbeError, OSError) as error:
            tried.append(str(error))
    raise ProbeError(tried[0] if tried else "no command line leads to a TensorRT-LLM engine")


def engine_of(data: bytes, path: str) -> EngineFolder:
    """What `config.json` says (`pretrained_config.mapping`, `quantization`, `build_config`).

    Raises:
        NotJsonError: it is no JSON object.
        ProbeError: it has no `pretrained_config`: a model that is not built, or something else.
    """
    config = json_object(data, path)
    built = inner(config, "pretrained_config")
    if not built:
        raise ProbeError(f"{shown_name(path)} has no pretrained_config: it is no built engine")
    mapping, quantised = inner(built, "mapping"), inner(built, "quantization")
    return EngineFolder(
        path=shown_name(path),
        version=text(config, "version"),
        architecture=text(built, "architecture"),
        dtype=text(built, "dtype"),
        world_size=count(mapping, "world_size"),
        tp=count(mapping, "tp_size"),
        pp=count(mapping, "pp_size"),
        gpus_per_node=count(mapping, "gpus_per_node"),
        quantization=text(quantised, "quant_algo"),
        kv_cache_quantization=text(quantised, "kv_cache_quant_algo"),
        max_seq_len=count(inner(config, "build_config"), "max_seq_len"),
    )


def _folders(files: Files, argvs: Sequence[Sequence[str]]) -> Iterator[str]:
    for argv in argvs:
        names = [word.rpartition("/")[2] for word in argv]
        if "trtllm-serve" in names:
            rest = argv[names.index("trtllm-serve") + 1 :]
            yield from (w for w in rest[:2] if w.startswith("/"))
        if "tritonserver" in names:
            for repository in _repositories(argv):
                yield from _in_repository(files, repository)


def _repositories(argv: Sequence[str]) -> Iterator[str]:
    for at, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in _REPOSITORY:
            value = value if equals else next(iter(argv[at + 1 : at + 2]), "")
            if value.startswith("/"):
                yield value


def _in_repository(files: Files, repository: str) -> Iterator[str]:
    """Engine folders that the models of a Triton repository name in their `config.pbtxt`."""
    names = [name for name in files.names(repository) if name.isascii()]
    for name in names[:_MAX_MODELS]:
        try:
            data = files.read(f"{repository}/{name}/config.pbtxt", _MAX_CONFIG)
        except (ProbeError, OSError):
            continue
        for found in _PATH.finditer(data.decode("utf-8", "replace")):
            if found[1].startswith("/"):
                yield found[1]
