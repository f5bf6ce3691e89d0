"""Runs a command as in a pod's container: its own `/proc`, `/dev/shm`, models and Ray's files.

In a private mount namespace, a root is put together from the machine's own folders and the
pod's, and the command runs in it. That needs root, or user namespaces.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from distcheck.lab.layout import Member

_SECONDS = 30
_DEVICES = ("null", "zero", "full", "random", "urandom")
_OWN = ("proc", "tmp")
_OF_MACHINE = ("etc",)
_NO_WALLS = 126
_OUTCOME = tuple[int, bytes, bytes]


def execute(member: Member, argv: Sequence[str]) -> _OUTCOME:
    """(exit code, stdout, stderr) of `argv` in the pod; 126 where this machine has no walls.

    Raises:
        OSError: the image has no such program.
    """
    unshare = shutil.which("unshare")
    if unshare is None or not _walls(unshare):
        return _NO_WALLS, b"", b"this machine grants no private mount namespace\n"
    if shutil.which(argv[0]) is None:
        raise FileNotFoundError(f'exec: "{argv[0]}": executable file not found in $PATH')
    with tempfile.TemporaryDirectory(prefix="distcheck-root-") as root:
        folders = (root, str(member.container_root), str(member.folder / "proc"))
        inner = [sys.executable, "-m", __name__, *folders, *argv]
        return _run([*_alone(unshare), *inner], member.pod)


def _alone(unshare: str) -> list[str]:
    mapped = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [unshare, *mapped, "--mount", "--propagation", "private"]


def _walls(unshare: str) -> bool:
    tried = subprocess.run(  # noqa: S603 - found in PATH
        [*_alone(unshare), "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


def _run(command: list[str], pod: str) -> _OUTCOME:
    env = {"PATH": os.environ.get("PATH", ""), "HOSTNAME": pod}
    if "PYTHONPATH" in os.environ:
        env["PYTHONPATH"] = os.environ["PYTHONPATH"]
    try:
        done = subprocess.run(  # noqa: S603 - what the lab's user asked for
            command, env=env, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        return 124, error.stdout or b"", b"it did not end in time\n"
    return done.returncode, done.stdout, done.stderr


def main(root: Path, container: Path, proc: Path, argv: Sequence[str]) -> None:
    """In the namespace: put the root together, enter it, become the command."""
    own = {e.name: e for e in container.iterdir() if e.name not in _OF_MACHINE}
    for entry in Path("/").iterdir():
        if entry.name not in own and entry.name not in _OWN:
            _show(entry, root / entry.name)
    for name, entry in own.items():
        if name == "dev":
            _show_devices(entry, root / name)
        else:
            _show(entry, root / name)
    show_processes(proc, root / "proc")
    (root / "tmp").mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "shm", str(root / "dev" / "shm"))
    os.chroot(root)
    os.chdir("/")
    os.execvp(argv[0], list(argv))  # noqa: S606 - no shell between


def show_processes(node: Path, inside: Path) -> None:
    """The node's `/proc` as the container sees it: its own processes, by its own numbers."""
    inside.mkdir()
    for entry in node.iterdir():
        if not entry.is_dir():
            shutil.copy(entry, inside / entry.name)
    numbers = {p.name: own for p in node.iterdir() if (own := _own_number(p)) is not None}
    for host, own in numbers.items():
        folder = inside / own
        shutil.copytree(node / host, folder, symlinks=True)
        name = (folder / "comm").read_text().strip()
        rights = "".join((folder / "status").read_text().partition("CapEff:")[1:])
        numbers_of = f"Name:\t{name}\nPid:\t{own}\nNSpid:\t{own}\n"
        (folder / "status").write_text(numbers_of + rights)
        head, _, rest = (folder / "stat").read_text().rpartition(") ")
        state, parent, *more = rest.split(" ")
        words = (f"{own} {head.partition(' ')[2]})", state, numbers.get(parent, "0"), *more)
        (folder / "stat").write_text(" ".join(words))
        (folder / "root").unlink()
        (folder / "root").symlink_to("/")
    if numbers:
        (inside / "net").symlink_to(f"{min(numbers.values(), key=int)}/net")


def _own_number(process: Path) -> str | None:
    """The last of NSpid: a process outside the container has one number only."""
    status = process / "status"
    if not process.name.isdecimal() or not status.is_file():
        return None
    numbers = status.read_text().partition("NSpid:")[2].partition("\n")[0].split()
    return numbers[-1] if len(numbers) > 1 else None


def _show(source: Path, target: Path) -> None:
    """A folder or file at `target`; links stay links."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir()
        _mount("--rbind", str(source), str(target))


def _show_devices(own: Path, target: Path) -> None:
    """The pod's own devices beside those that every program needs, and a place for its shm."""
    (target / "shm").mkdir(parents=True)
    for entry in own.iterdir():
        if entry.name != "shm":
            _show(entry, target / entry.name)
    for name in _DEVICES:
        (target / name).touch()
        _mount("--bind", f"/dev/{name}", str(target / name))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)  # noqa: S603, S607 - in our own namespace


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
