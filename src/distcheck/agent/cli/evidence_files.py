"""Evidence from `--evidence PATH`: a file, a folder of files, or standard input; gzip or not."""

import gzip
import io
import sys
import zlib
from pathlib import Path

from distcheck.agent.cli.exit import usage
from distcheck.checks.evidence import Evidence, EvidenceError, decode_evidence

LIMIT = 1 << 30
"""Bytes of one document, unpacked: far above any real evidence, far below a small node's memory."""

_GZIP = b"\x1f\x8b"
_SUFFIXES = (".json", ".json.gz")


def read_evidence(path: str) -> list[Evidence]:
    """All evidence at `path`; `-` is standard input, a folder is each of its JSON files.

    Raises:
        Stop: nothing there, or something that is no evidence (exit code 2).
    """
    if path == "-":
        return [_decode("standard input", sys.stdin.buffer.read(LIMIT + 1))]
    return [_decode(str(file), _bytes(file)) for file in _files(Path(path))]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.name.endswith(_SUFFIXES) and p.is_file())
    if not found:
        raise usage(f"--evidence: no *.json or *.json.gz in the folder {path}")
    return found


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LIMIT + 1)
    except OSError as error:
        raise usage(f"--evidence: {path}: {error.strerror}") from error


def _decode(name: str, data: bytes) -> Evidence:
    try:
        return decode_evidence(unpacked(data))
    except EvidenceError as error:
        raise usage(f"--evidence: {name}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise usage(f"--evidence: {name}: broken gzip: {error}") from error


def unpacked(data: bytes) -> bytes:
    """`data` without gzip, told by its first bytes.

    Raises:
        EvidenceError: it unpacks to more than `LIMIT` bytes.
        OSError, EOFError, zlib.error: the gzip stream is broken.
    """
    if data.startswith(_GZIP):
        with gzip.open(io.BytesIO(data)) as stream:
            data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise EvidenceError(f"more than {LIMIT >> 20} MiB")
    return data
