"""The command that is run once in a container without an agent's node: the collector's text.

The text travels on the command line, as not every way to a container has an input. It is kept
well under the 8 KiB that proxies before an API server allow for an address.
"""

import ast
import base64
import functools
import json
import threading
import zlib
from importlib.resources import files

from distcheck.agent import redact
from distcheck.agent.logs.engines import EngineReader
from distcheck.agent.logs.nccl import NcclReader
from distcheck.agent.logs.vllm import VllmReader
from distcheck.agent.probes.proc import TITLES

_UNPACK = "import zlib as z,base64 as b;exec(z.decompress(b.urlsafe_b64decode('{}')))"
_JOB = ":job_id:"
_ONE_AT_A_TIME = threading.Lock()
"""CPython 3.11 counts the depth of syntax trees for all threads together."""


def by_python(seconds: int) -> list[str]:
    """The command for an image that has Python 3.6 or later; it ends after `seconds`."""
    with _ONE_AT_A_TIME:
        return ["python3", "-I", "-S", "-B", "-c", _python(seconds)]


def by_shell() -> list[str]:
    """The command for an image that has a shell only."""
    return ["sh", "-c", _shell()]


@functools.cache
def _python(seconds: int) -> str:
    code = ast.unparse(_Bare().visit(ast.parse(_text("collector_inside.py"))))
    call = f"\nmain(__import__('json').loads({json.dumps(_allowed(seconds))!r}))"
    return _UNPACK.format(
        base64.urlsafe_b64encode(zlib.compress((code + call).encode(), 9)).decode()
    )


def _allowed(seconds: int) -> dict[str, object]:
    """What may be read and told, as the agent has it."""
    needles = (*NcclReader.WANTED, *VllmReader.WANTED, *EngineReader.WANTED, _JOB.encode())
    return {
        "seconds": seconds,
        "programs": redact.PROGRAMS,
        "modules": redact.MODULES,
        "titles": TITLES,
        "names": sorted(redact.ENVIRON_NAMES),
        "prefixes": redact.ENVIRON_PREFIXES,
        "secret": redact.SECRET_WORDS,
        "needles": [n.decode() for n in dict.fromkeys(needles)],
    }


@functools.cache
def _shell() -> str:
    names = "|".join((*redact.ENVIRON_NAMES, *(f"{p}[A-Z0-9_]*" for p in redact.ENVIRON_PREFIXES)))
    replaced = {
        "PROGRAMS": " ".join(redact.PROGRAMS),
        "MODULES": "|".join(f"*{m}*" for m in redact.MODULES),
        "TITLES": "|".join(f"{t}*" for t in TITLES),
        "ENVIRON": names,
        "SECRET": "|".join(redact.SECRET_WORDS),
    }
    text = "\n".join(line.strip() for line in _text("collector_inside.sh").splitlines()[1:])
    for name, words in replaced.items():
        text = text.replace(f"@{name}@", words)
    return text


class _Bare(ast.NodeTransformer):
    """Without what only a reader needs: annotations, which old Pythons cannot read, and docs."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """A function as bare code."""
        self.generic_visit(node)
        node.returns, node.body = None, _code(node.body)
        for argument in node.args.args:
            argument.annotation = None
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """A class as bare code."""
        self.generic_visit(node)
        node.body = _code(node.body)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """A plain assignment."""
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([node.target], node.value), node)


def _code(body: list[ast.stmt]) -> list[ast.stmt]:
    """`body` without its docstring; never empty."""
    first = body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return (body[1:] if documented else body) or [ast.Pass()]


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
