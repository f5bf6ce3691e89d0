"""Command lines and environment, with everything left out that is not on the allow-list."""

import re
from collections.abc import Iterable, Mapping, Sequence

PROGRAMS = (
    "vllm",
    "raylet",
    "gcs_server",
    "ray",
    "tritonserver",
    "trtllm-serve",
    "trtllm-llmapi-launch",
    "mpirun",
    "orted",
    "sglang",
)
MODULES = ("vllm.entrypoints", "sglang.launch_server", "tensorrt_llm")
_FLAG_WORDS = (
    "address bind-address block config cpu-offload-gb data-parallel-address data-parallel-backend "
    "data-parallel-rank data-parallel-rpc-port data-parallel-size data-parallel-size-local "
    "data-parallel-start-rank decode-context-parallel-size distributed-executor-backend "
    "dist-init-addr dp dpa dpl dpn dpp dtype enable-expert-parallel enforce-eager ep ep-size "
    "gcs-address gcs-server-port gpu-memory-utilization head headless host kv-cache-dtype "
    "kv-cache-memory-bytes load-format master-addr master-port max-model-len max-num-seqs "
    "min-worker-port max-worker-port model model-path n nnodes node-id node-ip-address "
    "node-manager-port node-name node-rank np num-gpu-blocks-override num-gpus "
    "object-manager-port pcp pipeline-parallel-size port pp pp-size "
    "prefill-context-parallel-size quantization r served-model-name session-name "
    "speculative-model static-resource-list swap-space tensor-parallel-size tp tp-size "
    "trust-remote-code worker-use-ray world-size"
)
FLAGS = frozenset(_FLAG_WORDS.split())
HIDDEN = "(hidden)"
_ENVIRON = ("NCCL_", "VLLM_", "NIM_", "LWS_", "GLOO_", "UCX_", "FI_")
_NAME_WORDS = (
    "RAY_ADDRESS FQ_RAY_IP CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES RANK WORLD_SIZE LOCAL_RANK "
    "MASTER_ADDR MASTER_PORT TP_SIZE PP_SIZE HF_HOME RAY_DEDUP_LOGS"
)
_NAMES = frozenset(_NAME_WORDS.split())
_SECRET = ("KEY", "TOKEN", "SECRET", "PASS", "PWD", "CREDENTIAL", "AUTH", "COOKIE", "URL")
_NAME = re.compile(r"(--[A-Za-z][\w.-]*|-[A-Za-z])\Z")
_SPACE = re.compile(r"\s")
_LOOSE = re.compile(r"\s|\A\w+=")
_LOGIN = re.compile(r"(\w://)\S*@")
_QUERY = re.compile(r"(?<=\?).*", re.DOTALL)


def is_wanted(argv: Sequence[str]) -> bool:
    """Whether this is the command line of an engine, of Ray or of MPI."""
    names = [word.rpartition("/")[2] for word in argv[:3]]
    return any(n in PROGRAMS for n in names) or any(w.startswith(MODULES) for w in argv[:4])


def redacted(argv: Sequence[str]) -> tuple[str, ...]:
    """`argv` with the value of every flag outside the allow-list replaced.

    All words after such a flag, up to the next flag, are hidden: `--api-key` takes several.
    Hidden too is what no flag announces: a word with white space (a script, or a whole
    command line in one), `NAME=value`, and what an address holds of a login or a query.
    """
    words: list[str] = []
    hide = False
    for word in argv:
        if word.startswith("-"):
            shown, hide = _flag(word)
            words.append(shown)
            continue
        words.append(HIDDEN if hide or _LOOSE.search(word) else _shown(word))
    return tuple(words)


def _flag(word: str) -> tuple[str, bool]:
    """The flag as it may be shown, and whether the words after it must be hidden."""
    name, equals, value = word.partition("=")
    known = name.lstrip("-").replace("_", "-") in FLAGS
    if not known and not _NAME.match(name):
        return HIDDEN, True
    if equals:
        shown = _shown(value) if known and not _SPACE.search(value) else HIDDEN
        return f"{name}={shown}", False
    return word, not known


def _shown(value: str) -> str:
    return _QUERY.sub(HIDDEN, _LOGIN.sub(rf"\1{HIDDEN}@", value))


def allowed_environ(pairs: Iterable[tuple[str, str]] | Mapping[str, str]) -> dict[str, str]:
    """The variables on the allow-list, without any whose name smells of a secret."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return {k: _shown(v) for k, v in items if _allowed(k) and not _secret(k)}


def _allowed(name: str) -> bool:
    return name in _NAMES or name.startswith(_ENVIRON)


def _secret(name: str) -> bool:
    return any(word in name.upper() for word in _SECRET)
