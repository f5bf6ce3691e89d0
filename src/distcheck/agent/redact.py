"""Command lines and environment, with everything left out that is not on the allow-list."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from distcheck.pattern import pattern

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
    "dist-init-addr dp dpa dpl dpn dpp dtype enable-eplb enable-expert-parallel enable-lora "
    "enable-sleep-mode enforce-eager ep ep-size block-size max-lora-rank max-loras "
    "num-redundant-experts "
    "gcs-address gcs-server-port gpu-memory-utilization head headless host kv-cache-dtype "
    "kv-cache-memory-bytes load-format master-addr master-port max-model-len max-num-seqs "
    "min-worker-port max-worker-port model model-path n nnodes node-id node-ip-address "
    "node-manager-port node-name node-rank np num-gpu-blocks-override num-gpus "
    "object-manager-port pcp pipeline-parallel-size port pp pp-size "
    "prefill-context-parallel-size quantization r served-model-name session-name "
    "speculative-model static-resource-list swap-space tensor-parallel-size tp tp-size "
    "trust-remote-code worker-use-ray world-size asc dcp dpe dph dpr q"
)
FLAGS = frozenset(_FLAG_WORDS.split())
HIDDEN = "(hidden)"
ENVIRON_PREFIXES = ("NCCL_", "VLLM_DP_", "LWS_", "GLOO_", "UCX_", "FI_")
_NAME_WORDS = (
    "VLLM_HOST_IP VLLM_PORT VLLM_PP_LAYER_PARTITION VLLM_USE_V1 VLLM_USE_RAY_V2_EXECUTOR_BACKEND "
    "VLLM_LOGGING_LEVEL VLLM_SERVER_DEV_MODE VLLM_PROCESS_NAME_PREFIX NIM_TENSOR_PARALLEL_SIZE "
    "NIM_PIPELINE_PARALLEL_SIZE NIM_MODEL_PROFILE NIM_NUM_COMPUTE_NODES NIM_NODE_RANK "
    "NIM_MULTI_NODE NIM_JSONL_LOGGING "
    "RAY_ADDRESS FQ_RAY_IP CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES RANK WORLD_SIZE LOCAL_RANK "
    "MASTER_ADDR MASTER_PORT TP_SIZE PP_SIZE HF_HOME HF_HUB_CACHE RAY_DEDUP_LOGS "
    "VLLM_MQ_MAX_CHUNK_BYTES_MB"
)
ENVIRON_NAMES = frozenset(_NAME_WORDS.split())
SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASS", "PWD", "CREDENTIAL", "AUTH", "COOKIE", "URL")
_NAME = pattern(r"(--[A-Za-z][\w.-]*|-[A-Za-z])\Z")
_QUOTED = pattern(r"[\s{\"']")
_LOOSE = pattern(r"[\s{\"']|\A\w+=")
_SMELLS = pattern(
    r"(?:key|token|secret|passw\w*|pwd|credentials?|auth|(?<![a-z])pat)s?\Z", re.IGNORECASE
)
_LOGIN = pattern(r"\A([A-Za-z][\w+.-]*://)?.*@", re.DOTALL)
_URL = pattern(r"[A-Za-z][\w+.-]{0,32}://")
_QUERY = pattern(r"(?<=\?).*", re.DOTALL)
_QUOTE = r"(?:\\{0,4}[\"'])?"
"""In JSON within YAML or a shell's words it is escaped, once or twice."""
_VALUE = r"(?:\\{0,4}\"[^\"\n]*\"?|'[^'\n]*'?|[^\s\"']\S*)"
_NAMED = r"(?:passw\w{0,16}|(?<![a-z])pwd)"
_COMPOUND = (
    r"(?:secret|(?:api|access|secret|private|auth|session|client|bearer|hf|ngc)"
    r"[_ -]?(?:access[_ -]?)?(?:key|token|secret))"
)
_SAYS_NOTHING = (
    r"(?!(?:a|an|and|are|as|at|be|being|by|can|cannot|could|does|empty|env|environment|expired|file"
    r"|for|found|from|given|has|have|if|in|incorrect|invalid|is|may|missing|must|needed|needs|no|none"
    r"|not|null|of|on|or|provided|rejected|required|set|should|stands|that|the|to|too|undefined|unset"
    r"|value|variable|via|was|were|will|with|wrong)\b)"
)
"""Words that tell of a secret without being one: `HF_TOKEN is not set` stays as it is."""

_REFERENCE = (
    r"\$(?:(?-i:[A-Z_][A-Z0-9_]{0,128})|\{\w{1,128}\}"
    r"|\((?!\s*(?:echo|printf)\b)[^()\"'\n]{0,256}\))(?![^\s\"'\\;|&),}\]])"
)
"""`$VAR`, `${VAR}`, `$(VAR)` and `$(command)` as a whole word: where a secret is, and none."""
_NOTHING = (
    r"(?:(?:true|false|null|~)(?=[\s#]|[,;\]})]+(?:[\s\"']|\Z)|\Z)|(?:\"\"|'')(?=[\s,;\]}]|\Z))"
)
"""No secret, whatever is called so: `automountServiceAccountToken: false`."""
_DASHES = r"(?:--|(?:(?<![\w-])|(?<=\\[nrt]))-)"
"""Of a flag: in `first-token latency` the dash is within a word."""
_SCHEME = r"(?:(?:basic|bearer|token|apikey)\s+)"
_ASSIGNED = r"(?-i:PASSPHRASE)=(?=[^\s\"'\\]\S{0,256}\s[^\r\n]{0,256}\s--\w)"
"""For one command, whose flags follow: elsewhere a passphrase is of many words."""
_LOGS_IN = (
    r"\b(?:sshpass[ \t]+-p[ \t]*|redis-cli[ \t][^\n;|&]{0,120}?(?:-a|--pass)[ \t]+"
    r"|(?:docker|podman|nerdctl|skopeo|buildah|registry|oras|az|crane[ \t]+auth)[ \t]+login[ \t]"
    r"(?:[^\n;|&]{0,160}?[ \t])?-p[ \t]*"
    r"|wandb[ \t]+login[ \t]+"
    r"(?:--?[\w-]{1,32}(?:=\S{1,128})?[ \t]+(?:https?:\S{1,128}[ \t]+)?){0,4}(?=\w{20})"
    r"|mc[ \t]+alias[ \t]+set[ \t]+\S{1,64}[ \t]+\S{1,200}[ \t]+\S{1,128}[ \t]+"
    r"|aws_secret_access_key[ \t]+(?=\S{8})|\blogin[ \t]+\S{1,64}[ \t]+password[ \t]+)"
)
"""Programs whose secret is a word that no flag names."""
_TAIL = r"[^\s\"'](?:[^\"'\r\n;&|]|;(?!\s+[\w./-]{1,64}\s)|&(?!&\s)|\|(?!\|?\s))*"
"""To the quote, the line's end, or the shell's next command: `; theme=x` is a cookie's."""


def _pattern(text: str, instead: str, *, case: bool = False) -> tuple[str, str, int]:
    return text, instead, 0 if case else re.IGNORECASE


_TOKENS = _pattern(
    r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]{0,4096})?"
    r"|(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{16,}"
    r"|sk-[\w-]{8,}|nvapi-[\w-]{8,}|A(?:KI|SI)A[0-9A-Z]{12,}|gh[pousr]_\w{8,}"
    r"|github_pat_\w{8,}|gl(?:pat|ptt|dt|rt)-[\w-]{8,}|dckr_(?:pat|oat)_[\w-]{8,}"
    r"|xox[abeoprs]-[\w-]{8,}|AIza[\w-]{16,}|npm_[A-Za-z0-9]{16,}|pypi-[\w-]{16,})",
    HIDDEN,
    case=True,
)
_SHAPES: tuple[tuple[str, str, int], ...] = (
    _pattern(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?s:.)*?(?:-----END [A-Z ]{0,40}-----|\Z)", HIDDEN
    ),
    _pattern(r"(://)[^\s/?#@:]{0,256}:(?!\d{1,5}[/?#])(?:[^\s\"'<>:]|:(?!//))*@", rf"\1{HIDDEN}@"),
    _pattern(r"(://)[^\s/?#]*@", rf"\1{HIDDEN}@"),
    _pattern(r"(://(?:[^\s?:]|:(?!//))*\?)\S+", rf"\1{HIDDEN}"),
    _pattern(
        rf"\b(bearer|apikey)\s+{_SAYS_NOTHING}(?!{_REFERENCE})[\"']?(?:[^\s\"'\\]|\\(?![\"']))+",
        rf"\1 {HIDDEN}",
    ),
    _pattern(
        rf"((?:authorization|(?<![a-z])(?:set-)?cookie){_QUOTE}\s*[=:]\s*{_QUOTE})"
        rf"(?!{_SCHEME}?{_REFERENCE}){_TAIL}",
        rf"\1{HIDDEN}",
    ),
    _pattern(rf"(signature{_QUOTE}\s*[=:]\s*{_QUOTE})[\w+/%=-]{{12,}}", rf"\1{HIDDEN}"),
)
"""What is a secret by its shape: keys, logins and queries of URLs, headers, signatures."""
_NAMES_ONE = rf"(?:key|token|secret|passphrase|credentials?|{_NAMED})"
_QUOTING: tuple[tuple[str, str, int], ...] = (
    _pattern(
        rf"({_NAMES_ONE}(?:=|\\{{0,4}}[\"']\s*[:=]\s*))(?!{_REFERENCE}){_VALUE}", rf"\1{HIDDEN}"
    ),
    _pattern(
        rf"(?<![\w-])(--[\w-]{{0,64}}{_NAMES_ONE})\s+(?!-){_SAYS_NOTHING}{_VALUE}", rf"\1 {HIDDEN}"
    ),
)
"""Where a sentence repeats `name=value`, `"name": value` or `--flag value`: prose has none."""
_SECRETS: tuple[tuple[str, str, int], ...] = (
    *_SHAPES,
    _pattern(rf"({_ASSIGNED})\S+", rf"\1{HIDDEN}"),
    _pattern(
        rf"((?!{_ASSIGNED})passphrase{_QUOTE}\s*[=:]\s*{_QUOTE})[^\s\"'][^\"'\r\n]*",
        rf"\1{HIDDEN}",
    ),
    _pattern(
        rf"((?:authorization|key|token|secret){_QUOTE}\s*[=:]\s*)(?!{_QUOTE}{_SCHEME}?{_REFERENCE})"
        rf"(?!{_NOTHING})"
        r"(?!authentication token is (?:missing|incorrect|invalid|required)\b)"
        rf"{_SCHEME}?(?:\[(?:[^\]\n;]|;(?!\s))*\]?|{_VALUE})",
        rf"\1{HIDDEN}",
    ),
    _pattern(rf"({_NAMED}{_QUOTE}\s*[=:]\s*)(?!{_QUOTE}[/~]|{_NOTHING}){_VALUE}", rf"\1{HIDDEN}"),
    _pattern(
        rf"({_DASHES}[\w-]{{0,64}}(?:key|token|secret|passw\w{{0,8}}|passphrase|pwd|credentials?)"
        rf"(?![\w-]))\s+(?!-){_VALUE}",
        rf"\1 {HIDDEN}",
    ),
    _pattern(
        rf"((?:{_NAMED}|passphrase|{_COMPOUND})\s+)(?:\"[^\"\n]*\"|'[^'\n]*')"
        r"(?!\s+(?:not found|is forbidden|already exists|of type))",
        rf"\1{HIDDEN}",
    ),
    _pattern(
        rf"((?:{_NAMED}|passphrase|{_COMPOUND})[\"']?\s+(?:is|was)\s+){_SAYS_NOTHING}{_VALUE}",
        rf"\1{HIDDEN}",
    ),
    _pattern(
        rf"((?:\btoken|{_COMPOUND})\s+)(?=[\w-]{{0,64}}\d)(?=[\d_-]{{0,64}}[a-z])[\w-]{{8,}}",
        rf"\1{HIDDEN}",
    ),
    _pattern(
        r"\b([A-Z][A-Z0-9_]{0,64}_(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PWD)\s+)"
        rf"{_SAYS_NOTHING}[\w\"'].\S*",
        rf"\1{HIDDEN}",
        case=True,
    ),
    _pattern(
        r"(?<!\S)((?:-u|--user|--proxy-user)(?:\s+|=))(?!\d{1,10}:\d{1,10}(?!\S)|[\"']?\+[\"']?%)"
        r"[^\s:]{1,128}:\S+",
        rf"\1{HIDDEN}",
        case=True,
    ),
    _pattern(r"\b(authorization\s+\w{1,64})\s+\S+", rf"\1 {HIDDEN}"),
    _pattern(
        rf"({_LOGS_IN})(?!{_QUOTE}{_REFERENCE})(?!-){_VALUE}",
        rf"\1{HIDDEN}",
    ),
    _TOKENS,
)
"""Logins and queries of URLs, values named as secrets, and tokens known by how they begin.

Each is linear in the text: a part that may be long is one that no other match begins in.
"""
_TELLING = (
    "://", "key", "token", "secret", "pass", "pwd", "credential", "authorization", "cookie",
    "bearer", "signature", "-u", "login", "redis-cli", "alias",
)  # fmt: skip
"""All of `_SECRETS` but the last match only where one of these stands, in either case."""
_LONGEST = 200


def is_wanted(argv: Sequence[str]) -> bool:
    """Whether this is the command line of an engine, of Ray or of MPI."""
    names = [word.rpartition("/")[2] for word in argv[:3]]
    return any(n in PROGRAMS for n in names) or any(w.startswith(MODULES) for w in argv[:4])


@cache
def _secrets() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compiled where first used: a command that reads no log does not pay for them."""
    return tuple((pattern(text, flags), instead) for text, instead, flags in _SECRETS)


def scrubbed(text: str) -> str:
    """`text` of a log or a message, with what looks like a secret replaced."""
    rows = _secrets() if _may_tell(text) else _secrets()[-1:]
    for form, instead in rows:
        text = form.sub(instead, text)
    return text


@cache
def _shapes() -> tuple[tuple[re.Pattern[str], str], ...]:
    rows = (*_SHAPES, *_QUOTING, _TOKENS)
    return tuple((pattern(text, flags), instead) for text, instead, flags in rows)


def without_shapes(text: str) -> str:
    """A sentence of ours: in prose a word behind the name of a secret is none.

    Hidden is what is a secret by its shape, and values where a command line or JSON is repeated.
    """
    rows = _shapes() if _may_tell(text) else _shapes()[-1:]
    for form, instead in rows:
        text = form.sub(instead, text)
    return text


def _may_tell(text: str) -> bool:
    """Beyond ASCII other letters fold to these, too."""
    folded = text.lower()
    return not text.isascii() or any(word in folded for word in _TELLING)


def plain_text(text: str) -> str:
    """`text` from a file of a container, scrubbed, as UTF-8 can hold it."""
    return scrubbed(text.encode("utf-8", "replace").decode())


def one_line(text: str, most: int = _LONGEST) -> str:
    """`text` of a program that nobody here wrote, as part of a reason: scrubbed, printable, short.

    It is scrubbed before it is cut: half a secret is one, too.
    """
    clean = "".join(c if c.isprintable() else " " for c in scrubbed(text))
    return " ".join(clean.split())[:most]


def without_secrets(argv: Sequence[str]) -> list[str]:
    """`argv` as it may lie on a disk: all that a reader needs, without what is named a secret.

    `redacted` hides more, and is for what is shown. As many words come out as went in. The word
    after a flag that names a secret is one even where it begins with a dash.
    """
    words: list[str] = []
    hide = first = False
    for word in argv:
        if hide and not _known(word) and (first or not _NAME.match(word.partition("=")[0])):
            words.append(HIDDEN if word else word)
            first = False
            continue
        name, equals, _ = word.partition("=")
        hide = word.startswith("-") and _smells(name) and not name.endswith("-tokens")
        first = hide and not equals
        words.append(f"{name}={HIDDEN}" if hide and equals else scrubbed(_without_login(word)))
    return words


def _without_login(word: str) -> str:
    return _LOGIN.sub(rf"\1{HIDDEN}@", word) if _URL.match(word) else word


def redacted(argv: Sequence[str]) -> tuple[str, ...]:
    """`argv` with the value of every flag outside the allow-list replaced.

    All words after such a flag, up to the next flag, are hidden: `--api-key` takes several.
    Right after a flag that names a secret, only a flag on the allow-list counts as the next.
    Hidden too is what no flag announces: a word with white space (a script, or a whole
    command line in one) or quotes, `NAME=value`, and an address's login or query.
    """
    words: list[str] = []
    hide = secret = False
    for word in argv:
        if word.startswith("-"):
            shown, hide = (HIDDEN, True) if secret and not _known(word) else _flag(word)
            secret = _smells(word)
            words.append(shown)
            continue
        secret = False
        words.append(HIDDEN if hide or _LOOSE.search(word) else _shown(word))
    return tuple(words)


def shown_flag(name: str, values: Sequence[str]) -> tuple[str, ...]:
    """The flag `--name` of a file, with its values as a command line may show them.

    Nothing where it is not on the allow-list: in a file a name may be anything, too.
    """
    flag = f"--{name}"
    if name not in FLAGS:
        return ()
    if not values:
        return (flag,)
    shown = [shown_name(value) for value in values]
    return (f"{flag}={shown[0]}",) if len(shown) == 1 else (flag, *shown)


def shown_name(value: str) -> str:
    """A model's name or folder, as it may leave the node: hidden where it is anything more."""
    return HIDDEN if _LOOSE.search(value) else plain_text(_shown(value))


def _flag(word: str) -> tuple[str, bool]:
    """The flag as it may be shown, and whether the words after it must be hidden."""
    name, equals, value = word.partition("=")
    known = _known(word)
    if not known and not _NAME.match(name):
        return HIDDEN, True
    if equals:
        shown = _shown(value) if known and not _QUOTED.search(value) else HIDDEN
        return f"{name}={shown}", _smells(name)
    return word, not known


def _known(word: str) -> bool:
    return word.partition("=")[0].lstrip("-").replace("_", "-") in FLAGS


def names_a_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret: HF_TOKEN, but not TOKENIZER."""
    return _SMELLS.search(name) is not None


def _smells(word: str) -> bool:
    """Whether a flag's name ends like a secret's: `--api-key`, but not `--tokenizer`."""
    return _SMELLS.search(word.partition("=")[0]) is not None


def _shown(value: str) -> str:
    return _QUERY.sub(HIDDEN, scrubbed(_LOGIN.sub(rf"\1{HIDDEN}@", value)))


def allowed_environ(pairs: Iterable[tuple[str, str]] | Mapping[str, str]) -> dict[str, str]:
    """The variables on the allow-list, without any whose name smells of a secret."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return {k: _shown(v) for k, v in items if _allowed(k) and not _secret(k)}


def _allowed(name: str) -> bool:
    return name in ENVIRON_NAMES or name.startswith(ENVIRON_PREFIXES)


def _secret(name: str) -> bool:
    return any(word in name.upper() for word in SECRET_WORDS)
