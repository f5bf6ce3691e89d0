"""Generates the message classes from the .proto files, or checks that they are current.

`--write` writes `*_pb2.py` and `*_pb2.pyi` next to each .proto; `--check` exits 1 where they
differ. The generator's demand for a runtime as new as itself is left out: what these
files use has been in protobuf since 4.21, and a release must load with 6.31 and with 7.
"""

import re
import sys
import tempfile
from importlib import resources
from pathlib import Path

SRC = Path(__file__).parent.parent / "src"
_REPLACED = (
    ("from google.protobuf import runtime_version as _runtime_version\n", ""),
    ("_Mapping]]", "_Mapping[str, _Any]]]"),
    ("from typing import ClassVar", "from typing import Any as _Any, ClassVar"),
)
_RUNTIME_CHECK = re.compile(
    r"_runtime_version\.ValidateProtobufRuntimeVersion\(.*?^\)\n", re.DOTALL | re.MULTILINE
)
_GENERATOR = re.compile(r"^# Protobuf Python Version: .*\n", re.MULTILINE)


def generate(into: Path) -> list[Path]:
    """Run the compiler on every .proto of the package; the files written, relative to `into`."""
    from grpc_tools import protoc  # noqa: PLC0415 - a development tool: only --write needs it

    protos = [str(p) for p in sorted(SRC.rglob("*.proto"))]
    well_known = str(resources.files("grpc_tools") / "_proto")
    argv = ["protoc", f"-I{SRC}", f"-I{well_known}", f"--python_out={into}", f"--pyi_out={into}"]
    if protoc.main([*argv, *protos]) != 0:
        raise SystemExit("protoc failed")
    written = sorted(p for p in into.rglob("*_pb2.py*") if p.suffix in {".py", ".pyi"})
    for path in written:
        path.write_text(portable(path.read_text()))
    return [p.relative_to(into) for p in written]


def portable(text: str) -> str:
    """Generated code without its check of the runtime's version, and with whole type names."""
    for old, new in _REPLACED:
        text = text.replace(old, new)
    return _GENERATOR.sub("", _RUNTIME_CHECK.sub("", text))


def main(argv: list[str]) -> int:
    """Write or compare; the exit code."""
    if argv not in (["--write"], ["--check"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        stale = [p for p in generate(fresh) if _differs(fresh / p, SRC / p)]
        for path in stale:
            sys.stdout.write(f"{'written' if argv == ['--write'] else 'stale'}: src/{path}\n")
            if argv == ["--write"]:
                (SRC / path).write_text((fresh / path).read_text())
    return 1 if stale and argv == ["--check"] else 0


def _differs(fresh: Path, kept: Path) -> bool:
    return not kept.exists() or kept.read_text() != fresh.read_text()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
