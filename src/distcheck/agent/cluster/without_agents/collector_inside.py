# ruff: noqa: B905, PTH110, PTH111, PTH112, PTH113, PTH115, PTH116, PTH118, PTH207, PTH208
# It runs in other people's images, on Python 3.6 and later: no pathlib there, and no strict zip.
"""Runs inside a container, once, over `exec`: reads what the allow-list names and writes nothing.

It is never imported: `collector` sends its text. Each record is one line on standard output,
`KIND ENCODING PATH DATA`, the last two in base64, `-` where empty; `z` is zlib below that.
"""

import base64
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time
import zlib
from typing import IO, Any

RDMA = "/dev/infiniband"
SESSION = "/tmp/ray/session_latest/logs"
HUBS = ("/root/.cache/huggingface/hub", "~/.cache/huggingface/hub")
MAX_TEXT, MAX_CONFIG, MAX_HEADERS = 1 << 16, 1 << 20, 1 << 25
MAX_PIDS, MAX_LOGS, MAX_PARTS = 4096, 1024, 1024
MAX_READ, MAX_FILE_READ, MAX_SENT = 1 << 28, 1 << 26, 1 << 25
PIECE = 1 << 18
S_IFMT, S_IFREG = 0o170000, 0o100000
OF_PROCESS = ("status", "mountinfo", "limits")
SMI = "--query-gpu=index,uuid,name,memory.used,memory.total"


class Full(Exception):  # noqa: N818 - an orderly end
    """As much was sent as may be."""


class Out:
    """The records, counted."""

    def __init__(self) -> None:
        self.left = MAX_SENT

    def put(self, kind: str, path: str, data: bytes = b"") -> None:
        """One record; raises `Full` where it would be one too many."""
        packed = zlib.compress(data, 1) if len(data) > 256 else data
        small = packed if len(packed) < len(data) else data
        self.left -= len(small)
        if self.left < 0 and kind not in "xe":
            raise Full
        words = (kind, "z" if small is not data else "b", coded(os.fsencode(path)), coded(small))
        sys.stdout.write(" ".join(words) + "\n")

    def gone(self, path: str, error: object) -> None:
        """A record of what could not be read."""
        self.put("x", path, str(getattr(error, "strerror", None) or error).encode())


def coded(data: bytes) -> str:
    """Base64, or a dash for nothing."""
    return base64.b64encode(data).decode() if data else "-"


def text_of(path: str, limit: int) -> bytes:
    """A regular file's first bytes: devices and pipes are not opened for reading."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(handle, "rb") as file:
        if os.fstat(handle).st_mode & S_IFMT != S_IFREG:
            raise OSError(0, "not a regular file")
        return file.read(limit)


def bring(out: Out, path: str, limit: int) -> bytes:
    """Send a file, and its size and time; nothing where it is not there."""
    try:
        data = text_of(path, limit)
        seen = os.stat(path)
    except OSError as error:
        out.gone(path, error)
        return b""
    out.put("f", path, data)
    if not path.startswith("/proc"):
        out.put("t", path, (str(seen.st_size) + " " + str(int(seen.st_mtime))).encode())
    return data


class Collector:
    """One look at one container."""

    def __init__(self, out: Out, allow: dict[str, Any]) -> None:
        self.out, self.allow = out, allow
        self.models: dict[str, bool] = {}
        self.logs: dict[str, bool] = {}
        self.read = MAX_READ

    def processes(self) -> None:
        """Every process by its title, and those of engines and Ray with more."""
        bring(self.out, "/proc/stat", MAX_TEXT)
        own = (os.getpid(), os.getppid())
        pids = sorted(int(n) for n in os.listdir("/proc") if n.isdigit())
        for pid in [p for p in pids if p not in own][:MAX_PIDS]:
            try:
                self.process(pid)
            except OSError:
                continue  # it has ended

    def process(self, pid: int) -> None:
        """One of them."""
        folder = "/proc/" + str(pid) + "/"
        raw = text_of(folder + "cmdline", MAX_TEXT)
        argv = [os.fsdecode(word) for word in raw.split(b"\0") if word]
        if not argv:
            return
        wanted = self.wanted(argv)
        title = argv[0].split()[:1] or [""]
        titled = title[0].startswith(tuple(self.allow["titles"]))
        bring(self.out, folder + "stat", MAX_TEXT)
        self.out.put("f", folder + "cmdline", raw if wanted else os.fsencode(title[0]))
        if not wanted and not titled and pid != 1:
            return
        for name in OF_PROCESS:
            bring(self.out, folder + name, MAX_CONFIG)
        cwd = self.link(folder + "cwd")
        environ = self.environ(folder + "environ")
        self.named(environ)
        if wanted:
            self.follow(argv, cwd, environ)

    def wanted(self, argv: list[str]) -> bool:
        """Whether this is the command line of an engine, of Ray or of MPI."""
        names = [word.rpartition("/")[2] for word in argv[:3]]
        modules = tuple(self.allow["modules"])
        known = any(n in self.allow["programs"] for n in names)
        return known or any(w.startswith(modules) for w in argv[:4])

    def link(self, path: str) -> str:
        """Where a process stands."""
        try:
            target = os.readlink(path)
        except OSError:
            return "/"
        self.out.put("l", path, os.fsencode(target))
        return target

    def environ(self, path: str) -> dict[str, str]:
        """The allow-listed variables of a process; no other leaves the container."""
        try:
            pairs = [v.partition(b"=") for v in text_of(path, PIECE).split(b"\0")]
        except OSError as error:
            self.out.gone(path, error)
            return {}
        shown = [(os.fsdecode(n), os.fsdecode(v)) for n, _, v in pairs if self.may(os.fsdecode(n))]
        self.out.put("f", path, b"\0".join(os.fsencode(n + "=" + v) for n, v in shown))
        return dict(shown)

    def may(self, name: str) -> bool:
        """Whether a variable is on the list, and does not smell of a secret."""
        known = name in self.allow["names"] or name.startswith(tuple(self.allow["prefixes"]))
        return known and not any(word in name.upper() for word in self.allow["secret"])

    def named(self, environ: dict[str, str]) -> None:
        """The files that NCCL_DEBUG_FILE names: %h and %p are the host's name and a number."""
        name = environ.get("NCCL_DEBUG_FILE", "")
        if name.startswith("/"):
            pattern = re.sub("%[hp]", "*", glob.escape(name).replace("[%]", "%"))
            self.logs.update((p, True) for p in glob.glob(pattern)[:MAX_LOGS])

    def follow(self, argv: list[str], cwd: str, environ: dict[str, str]) -> None:
        """The file and the models that a command line names."""
        words = [w.partition("=")[2] if w.startswith("-") and "=" in w else w for w in argv[1:]]
        for flag, value in zip(argv, [*argv[1:], ""]):
            name, equals, inline = flag.partition("=")
            if name == "--config":
                words += self.config(os.path.join(cwd, inline if equals else value))
        words += [m for w in words for m in re.findall('"model" *: *"([^"]{1,512})"', w)]
        for word in words:
            if len(word) < 1024 and not word.startswith("-") and "\n" not in word:
                self.model(word, cwd, environ)

    def config(self, path: str) -> list[str]:
        """The engine's own file of arguments; the values that may be models."""
        text = bring(self.out, os.path.normpath(path), MAX_TEXT).decode("utf-8", "replace")
        return [
            v.strip(" '\"")
            for v in re.findall("^[^#:\n]*model[^:\n]*: *([^#\n]+)", text, re.MULTILINE)
        ]

    def model(self, name: str, cwd: str, environ: dict[str, str]) -> None:
        """A folder with a model, a repository of Triton's, or a name in a cache."""
        folder = os.path.join(cwd, name).rstrip("/")
        if folder in self.models:
            return
        self.models[folder] = True
        if os.path.isfile(folder + "/config.json"):
            self.checkpoint(folder)
        elif name.startswith("/") and len(name) > 1 and os.path.isdir(folder):
            self.repository(folder)
        elif re.match(r"[\w.-]+/[\w.-]+\Z", name):
            home, hub = environ.get("HF_HOME"), environ.get("HF_HUB_CACHE")
            for cache in [hub] * bool(hub) + [str(home) + "/hub"] * bool(home) + list(HUBS):
                self.cached(os.path.expanduser(str(cache)) + "/models--" + name.replace("/", "--"))

    def cached(self, folder: str) -> None:
        """A model as Hugging Face's library keeps it."""
        try:
            revisions = os.listdir(folder + "/snapshots")[:64]
        except OSError:
            return
        bring(self.out, folder + "/refs/main", 256)
        for one in revisions:
            self.out.put("d", folder + "/snapshots/" + one)
            self.checkpoint(folder + "/snapshots/" + one)

    def repository(self, folder: str) -> None:
        """Triton's: the engines that its models name."""
        for path in sorted(glob.glob(glob.escape(folder) + "/*/config.pbtxt"))[:64]:
            text = bring(self.out, path, MAX_CONFIG).decode("utf-8", "replace")
            for found in re.findall('string_value: *"(/[^"\n]{1,512})"', text):
                bring(self.out, found.rstrip("/") + "/config.json", MAX_CONFIG)

    def checkpoint(self, folder: str) -> None:
        """What says how many bytes a model has: never its weights."""
        bring(self.out, folder + "/config.json", MAX_CONFIG)
        for name in ("hf_quant_config.json", "model.safetensors.index.json"):
            if os.path.exists(folder + "/" + name):
                self.index(folder + "/" + name)
        left = MAX_HEADERS
        for path in sorted(glob.glob(glob.escape(folder) + "/*.safetensors"))[:MAX_PARTS]:
            left -= self.header(path, left)

    def index(self, path: str) -> None:
        """An index without the names of its tensors: they are millions of bytes."""
        try:
            told = json.loads(text_of(path, 1 << 26).decode())
            if "weight_map" in told:
                files = sorted(set(map(str, told["weight_map"].values())))
                told = {"metadata": told.get("metadata"), "weight_map": dict(zip(files, files))}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            self.out.gone(path, error)
            return
        self.out.put("f", path, json.dumps(told).encode())

    def header(self, path: str, left: int) -> int:
        """A file's header, and how large it is; bytes that were read."""
        try:
            length = int.from_bytes(text_of(path, 8), "little")
            size = os.stat(path).st_size
            data = text_of(path, 8 + length) if length < left else b""
        except OSError as error:
            self.out.gone(path, error)
            return 0
        self.out.put("f", path, data)
        self.out.put("t", path, (str(size) + " 0").encode())
        return len(data)

    def mounts(self) -> None:
        """/dev/shm as this container has it, and the network's connections."""
        try:
            seen, made = os.statvfs("/dev/shm"), os.stat("/dev/shm").st_dev
            device = str(os.major(made)) + ":" + str(os.minor(made))
            counted = (seen.f_blocks * seen.f_frsize, seen.f_bfree * seen.f_frsize)
            self.out.put("s", "/dev/shm", " ".join((device, *map(str, counted))).encode())
            files = [(os.lstat("/dev/shm/" + n), n[:40]) for n in os.listdir("/dev/shm")[:4096]]
            taken = sorted(
                (s.st_blocks * 512, n) for s, n in files if s.st_mode & S_IFMT == S_IFREG
            )
            self.out.put("s", "/dev/shm/files", json.dumps(taken[-256:]).encode())
        except OSError as error:
            self.out.gone("/dev/shm", error)
        try:
            self.out.put("s", RDMA, " ".join(os.listdir(RDMA)[:256]).encode())
        except OSError as error:
            self.out.gone(RDMA, error)
        bring(self.out, "/proc/self/mountinfo", MAX_CONFIG)
        for name in ("memory.max", "memory.current"):
            bring(self.out, "/sys/fs/cgroup/" + name, 99)
        for path in ("/proc/net/tcp", "/proc/net/tcp6"):
            self.connections(path)

    def connections(self, path: str) -> None:
        """Those that wait for others, and established ones."""
        try:
            rows = text_of(path, 1 << 24).splitlines()
        except OSError as error:
            self.out.gone(path, error)
            return
        of = {s: [r for r in rows[1:] if r.split()[3:4] == [s]] for s in (b"0A", b"01")}
        kept = of[b"0A"][:1024] + of[b"01"]
        self.out.put("f", path, b"\n".join(rows[:1] + kept[:8192]) + b"\n")

    def ray_logs(self) -> None:
        """Lines that a reader may want, of the workers' files, the newest first."""
        found = glob.glob(SESSION + "/worker-*.out") + glob.glob(SESSION + "/worker-*.err")
        if os.path.isdir(SESSION):
            self.out.put("d", SESSION)
        self.logs.update((p, True) for p in found[:MAX_LOGS])
        known = [(self.changed(p), p) for p in self.logs]
        for _, path in sorted((k for k in known if k[0]), reverse=True):
            try:
                self.log(path)
            except OSError as error:
                self.out.gone(path, error)

    def changed(self, path: str) -> int:
        """When a log was last written, in seconds."""
        try:
            return int(os.stat(path).st_mtime)
        except OSError:
            return 0

    def log(self, path: str) -> None:
        """One log: a line that no reader wants is sent empty, so that numbers of lines stay."""
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(handle, "rb") as file:
            if os.fstat(handle).st_mode & S_IFMT != S_IFREG:
                raise OSError(0, "not a regular file")
            left = self.lines(path, file)
        self.out.put("t", path, ("-1 " + str(self.changed(path))).encode())
        if left <= 0:
            self.out.put("c", path)

    def lines(self, path: str, file: IO[bytes]) -> int:
        """Send the lines of a log; what is left of the bytes that may be read."""
        wanted = re.compile(b"|".join(re.escape(n.encode()) for n in self.allow["needles"]))
        left, follow, size = min(MAX_FILE_READ, self.read), 0, 0
        kept: list[bytes] = []
        line = file.readline(MAX_TEXT)
        while line and left > 0:
            left -= len(line)
            self.read -= len(line)
            follow = 2 if wanted.search(line) else follow - 1
            kept.append(line if follow > 0 else b"\n" * line.endswith(b"\n"))
            size += len(kept[-1])
            if size > PIECE:
                self.out.put("a", path, b"".join(kept))
                kept, size = [], 0
            line = file.readline(MAX_TEXT)
        self.out.put("a", path, b"".join(kept))
        return left


def smi(out: Out) -> "subprocess.Popen[bytes] | None":
    """Start nvidia-smi, where the image or the runtime brings it."""
    try:
        return subprocess.Popen(  # noqa: S603 - the driver's own program
            ["nvidia-smi", SMI, "--format=csv,noheader,nounits"],  # noqa: S607 - where it is
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        out.gone("nvidia-smi", error)
        return None


def main(allow: dict[str, Any]) -> None:
    """Look, within `allow["seconds"]`, and say that it was the end."""
    signal.alarm(allow["seconds"])
    bounded()
    out, begun = Out(), time.time()
    out.put("v", "python", sys.version.split()[0].encode())
    asked = smi(out)
    look = Collector(out, allow)
    try:
        for step in (look.mounts, look.processes, look.ray_logs):
            step()
    except Full:
        out.put("c", "/")
    left = max(1.0, allow["seconds"] - 2 - (time.time() - begun))
    if asked is not None:
        try:
            out.put("n", "gpus", asked.communicate(timeout=left)[0][:MAX_TEXT])
        except (subprocess.TimeoutExpired, Full):
            asked.kill()
            out.gone("nvidia-smi", "it does not end")
    out.put("e", "/")
    sys.stdout.flush()


def bounded() -> None:
    """Little CPU, and no file can be written, whatever happens."""
    os.nice(19)
    try:
        import resource  # noqa: PLC0415 - not in every image
    except ImportError:
        return
    for what, most in ((resource.RLIMIT_CPU, 20), (resource.RLIMIT_FSIZE, 0)):
        resource.setrlimit(what, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
