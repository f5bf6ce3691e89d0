"""Names that a shell's script reads, and where something else gives them a value or a meaning."""

import re

from distcheck.checks.manifest.run_lines import run_lines
from distcheck.pattern import pattern


def may_set_any(scripts: str) -> bool:
    """Whether words that are not seen here may set any name, as a file that is sourced."""
    return sources(scripts) or any(one.search(scripts) for one in (_PUT_TOGETHER, _LOGIN))


def sources(scripts: str) -> bool:
    """Whether the shell itself reads a file, or words that are made while it runs."""
    return _SOURCED.search(scripts) is not None


_SOURCED = pattern(r"(?:\A|[\s;&|{(])(?:source|\.|eval)\s+[\w\"'$/<.~`]")
_PUT_TOGETHER = pattern(
    r"\b(?:export|declare|typeset|local|readonly|read|env|printf[ \t]+-v)"
    r"(?:[ \t]+-?\w+(?:=[^\s$\"'`;]*)?){0,8}[ \t]+[\"']?[$`]"
)
"""`export $(cat FILE)`, `declare "$NAME=1"`."""
_LOGIN = pattern(r"\b(?:ba|z|k|da)?sh\s+(?:-\w+\s+){0,4}(?:--login\b|-[a-km-zA-Z]*l[a-zA-Z]*\s)")
"""A login shell reads the profiles of its image first."""


def reads(script: str) -> dict[str, None]:
    """Names that the shell itself puts in, in their order.

    Not those in comments, single quotes and here-documents, which others read, or nobody.
    """
    first = script.partition("\n")[0]
    if first.startswith("#!") and "sh" not in first:
        return {}
    plain = _QUIET.sub(lambda m: " " if m[1] else m[0], run_lines(script))
    return dict.fromkeys(a or b for a, b in _READ.findall(plain))


_READ = pattern(
    r"(?<![\\$])\$(?:([A-Z][A-Z0-9_]{2,80})\b|\{([A-Z][A-Z0-9_]{2,80})\b(?!:?[-=+]))",
    near=("$",),
)
_QUIET = pattern(r"""\\.|"(?:\\.|[^"\\])*"|('[^']*'|(?<!\S)\#[^\n]*)""", re.DOTALL)


def named(scripts: str) -> set[str]:
    """Names that are mentioned otherwise than by taking their value, or may have none.

    `read -r K NAME`, `mapfile NAME`, `((NAME++))` and `NAME[0]=b` name it; `${NAME:-1}` and
    `[ -n "$NAME" ]` do without a value.
    """
    ways = (_NAMED, _DEFAULT, _FILLED, _EMPTY)
    return {name for way in ways for name in way.findall(scripts)}


_NAMED = pattern(r"(?<![\w$])(?<!\$\{)([A-Z][A-Z0-9_]{2,80})(?!\w)")
_DEFAULT = pattern(r"\$\{([A-Z][A-Z0-9_]{2,80}):?[-=+]", near=("${",))
_FILLED = pattern(r"-[nz]\s+[\"']?\$\{?([A-Z][A-Z0-9_]{2,80})\b")
_EMPTY = pattern(
    r"(?:\[|\btest)\s+(?:!\s+)?\"?x?\$\{?([A-Z][A-Z0-9_]{2,80})\}?\"?\s+"
    r"(?:\]|&&|\|\||!?==?\s*(?:\"\"|''|\"?x\"?\s))",
    near=("[", "test"),
)


def is_of_shell(name: str) -> bool:
    """Whether a shell, Kubernetes or an image may set it, which no manifest shows."""
    return _OF_SHELL.match(name) is not None


_OF_SHELL = pattern(
    r"(?:COLUMNS|COPROC|DIRSTACK|EPOCHREALTIME|EPOCHSECONDS|EUID|FUNCNAME|GROUPS|HOME|HOSTNAME|"
    r"HOSTTYPE|IFS|JAVA_HOME|JOB_COMPLETION_INDEX|LANG|LD_LIBRARY_PATH|LIBRARY_PATH|LINENO|LINES|"
    r"LOGNAME|MACHTYPE|MAPFILE|OLDPWD|OPTARG|OPTERR|OPTIND|OSTYPE|PATH|PIPESTATUS|PPID|PWD|RANDOM|"
    r"REPLY|SECONDS|SHELL|SHELLOPTS|SHLVL|SRANDOM|TERM|TMPDIR|UID|USER|VIRTUAL_ENV)\Z|"
    r"BASH|CONDA_|CUDA_|KUBERNETES_|LC_|NV_|NVIDIA_|PYTHON"
)
