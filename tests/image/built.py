"""The image as buildah makes it of the real Dockerfile, on a stand-in for its base."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.image.base import lay_out
from tests.image.wheels import ROOT, wheels
from tests.probes.node_folder import need_root

BASE = "localhost/stand-in/python:3.11-slim-bookworm"
IMAGE = "localhost/distcheck:built"
READ_ONLY = (
    "mount --bind {root} {root} && mount -o remount,bind,ro {root} && "
    "mount -t tmpfs tmpfs {root}/tmp && chmod 1777 {root}/tmp && "
    "mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && "
    "exec env -i {variables} {chroot} --userspec={user} {root} {command}"
)


class Image:
    """A built image: what it says of itself, and its files."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds buildah's storage, and nothing else."""
        self._store = ("--root", str(folder / "storage"), "--runroot", str(folder / "run"))

    def buildah(self, *words: str) -> str:
        """What buildah prints."""
        command = ["buildah", *self._store, "--storage-driver", "overlay", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def build(self, scratch: Path) -> None:
        """Make the stand-in, then the image: pip gets its files from a folder, by their hashes."""
        lay_out(scratch / "base")
        holder = self.buildah("from", "scratch")
        self.buildah("copy", "--quiet", holder, str(scratch / "base"), "/")
        self.buildah("commit", "--quiet", "--rm", holder, BASE)
        settings = scratch / "pip.conf"
        settings.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        given = (f"{wheels()}:/wheels:ro", f"{settings}:/etc/pip.conf:ro")
        options = ["--isolation=chroot", "--layers=false", f"--build-arg=PYTHON={BASE}"]
        options += [f"--volume={one}" for one in given]
        self.buildah("build", "--quiet", *options, "--tag", IMAGE, ".")

    @cached_property
    def config(self) -> dict[str, Any]:
        """The OCI configuration: User, Env, Entrypoint, Labels."""
        told = json.loads(self.buildah("inspect", "--type=image", IMAGE))
        config: dict[str, Any] = told["OCIv1"]["config"]
        return config

    @cached_property
    def root(self) -> Path:
        """Where its files are mounted."""
        holder = self.buildah("from", IMAGE)
        return Path(self.buildah("mount", holder))

    @property
    def variables(self) -> dict[str, str]:
        """Its environment."""
        return dict(one.split("=", 1) for one in self.config["Env"])

    def command(
        self, words: Sequence[str], variables: dict[str, str] | None = None, user: str = ""
    ) -> list[str]:
        """What runs `words` as a kubelet would: read-only root, a tmpfs for /tmp, that user."""
        given = self.variables | (variables or {})
        script = READ_ONLY.format(
            root=self.root,
            chroot=shutil.which("chroot"),
            user=user or self.config["User"],
            variables=" ".join(f"{name}={value}" for name, value in given.items()),
            command=" ".join(words),
        )
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """`words` to their end."""
        return subprocess.run(
            self.command(words), capture_output=True, text=True, check=False, timeout=60
        )


@contextmanager
def built() -> Iterator[Image]:
    """The image, built once; its storage is gone afterwards."""
    for tool in ("buildah", "unshare"):
        if why := need_root(tool):
            assert not os.environ.get("CI"), f"CI {why}"
            pytest.skip(why)
    with in_memory() as folder:
        image = Image(folder)
        try:
            image.build(folder)
            yield image
        finally:
            image.buildah("umount", "--all")


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder that is quick to fill and to forget; a build takes 600 MB of it."""
    folder = tempfile.mkdtemp(prefix="distcheck-image-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", folder], check=True)
    try:
        yield Path(folder)
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", folder], check=True)
        Path(folder).rmdir()


def answer(process: "subprocess.Popen[bytes]", url: str) -> bytes:
    """The body of a good answer, once there is one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        try:
            with urllib.request.urlopen(url, timeout=60) as said:
                return bytes(said.read())
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")
