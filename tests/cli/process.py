"""How tests call `distcheck` as a process."""

import subprocess
from typing import Protocol

Done = subprocess.CompletedProcess[bytes]


class Run(Protocol):
    """`run(words, stdin=..., NAME=value)`: one run, with these variables in its environment."""

    def __call__(self, *words: str, stdin: bytes = b"", **environ: str) -> Done: ...
