"""The engine's server of one pod: what it was started with, what it says, which model it serves."""

import ipaddress
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from distcheck.agent.engine_arguments import Started, config_path, draft_of
from distcheck.agent.http_get import Server
from distcheck.agent.logs.argv import engine_flags
from distcheck.agent.probes import config_file, engine_http, model, ports, trtllm_engine
from distcheck.agent.probes.config_file import ConfigFile
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Proc, Task
from distcheck.agent.redact import shown_name
from distcheck.agent.settings import Settings
from distcheck.checks.evidence import ModelConfig
from distcheck.checks.evidence.serving import EngineFolder, EngineHttp

_MAX_FILE = 64 * 1024
_PORT = 8000
"""Where `vllm serve` listens unless it is told (`vllm/entrypoints/openai/cli_args.py`)."""
_TRTLLM = ("trtllm-serve", "tritonserver")


class ServingLooker:
    """Looks at the server among the processes of one pod, the ranks' container at hand."""

    def __init__(self, settings: Settings, proc: Proc, tasks: Sequence[Task]) -> None:
        self._settings, self._proc, self._tasks = settings, proc, tasks
        self._servers = list(_servers(tasks))

    @property
    def there(self) -> bool:
        """Whether a vLLM server's own command line is among the processes."""
        return bool(self._servers)

    @property
    def listens(self) -> bool:
        """Whether one of them has an HTTP port: the headless ones of further nodes have none."""
        return self._listening() is not None

    @property
    def trtllm(self) -> bool:
        """Whether a command line runs TensorRT-LLM, itself or under Triton."""
        return any(w.rpartition("/")[2] in _TRTLLM for t in self._tasks for w in t.argv)

    def started(self, task: Task | None = None) -> Started:
        """The server's command line with the file that it names.

        Raises:
            ProbeError: the pod has no server.
        """
        if not self._servers:
            raise ProbeError("no vLLM server's command line is in this pod")
        task = task or self._servers[0]
        path = config_path(task.argv, self._proc.folder(task.pid))
        if path is None:
            return Started(task.pid, task.argv, task.started_at)
        file, unread = self._file(task, path)
        return Started(task.pid, task.argv, task.started_at, path, file, unread)

    def _file(self, task: Task, path: str) -> tuple[ConfigFile, tuple[str, ...]]:
        """The file as far as it can be read, and what of it could not.

        A ConfigMap's files change under a process that has read them: what is there now is
        not what it was started with.
        """
        name = shown_name(path)
        if not path.startswith("/"):
            return ConfigFile({}), (f"{name}: its process's folder is not known",)
        try:
            files = self._container(task.pid)
            with files.opened(path) as handle:
                changed = os.fstat(handle).st_mtime
            data = files.read(path, _MAX_FILE)
        except (ProbeError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            return ConfigFile({}), (f"{name}: {why}",)
        if _after(changed, task.started_at):
            return ConfigFile({}), (f"{name}: it changed after the process started",)
        file = config_file.parsed(data.decode("utf-8", "replace"))
        return file, tuple(f"{key} in {name}" for key in file.unread)

    def answers(self, seen_at: str) -> EngineHttp:
        """What the server says over HTTP.

        Raises:
            ProbeError: it was not asked, or did not answer.
            OSError: its network namespace cannot be entered.
        """
        task = self._listening()
        if task is None:
            raise ProbeError("no server of this pod has an HTTP port")
        started = self.started(task)
        tls = started.last("--ssl-certfile") or started.last("--ssl-keyfile")
        if tls or started.last("--uds"):
            raise ProbeError(f"pid {task.pid} does not speak plain HTTP on a port: not asked")
        namespace = Path(self._settings.host_proc) / str(task.pid) / "ns" / "net"
        if started.unread and started.flags.port is None:
            raise ProbeError(f"its port is not known: not read is {started.unread[0]}")
        own = ports.is_own(namespace)
        if not own and not self._settings.port_probes:
            raise ProbeError(f"looks from inside pods are off on {self._settings.node}: not asked")
        address = _address(started.last("--host")) or self._own_address(task.pid, own=own)
        port = started.flags.port or _PORT
        return engine_http.look(Server(task.pid, namespace, address, port), seen_at)

    def model(self, main: Task) -> ModelConfig:
        """The description of the model that a command line names.

        Raises:
            ProbeError: none names one, or it is not in the container.
            OSError: it may not be read.
        """
        flags = [self.started().flags] if self.there else []
        flags += [f for t in self._tasks if (f := engine_flags(t.argv)) is not None]
        name = next((f.model for f in flags if f.model), None)
        if name is None:
            raise ProbeError("no command line in this pod names a model")
        return self._described(name, main)

    def draft(self, main: Task) -> ModelConfig | None:
        """The description of the draft model; None where the server asks for none.

        Raises:
            ProbeError: the one that it asks for is not in the container, or what it asks for
                could not be read.
            OSError: it may not be read.
        """
        started = self.started()
        name = draft_of(started.words).get("model")
        if name is None and started.unread:
            raise ProbeError(f"whether there is one is not known: not read is {started.unread[0]}")
        return None if name is None else self._described(name, main)

    def engine_folder(self, main: Task) -> EngineFolder:
        """The TensorRT-LLM engine that a command line leads to.

        Raises:
            ProbeError: none leads to one.
        """
        return trtllm_engine.look(self._container(main.pid), [t.argv for t in self._tasks])

    def _described(self, name: str, main: Task) -> ModelConfig:
        pid = self._servers[0].pid if self._servers else main.pid
        environ = self._environ(pid)
        caches = model.caches_of(environ.get("HF_HOME"), environ.get("HF_HUB_CACHE"))
        return model.look(self._container(pid), name, caches, self._proc.folder(pid))

    def _listening(self) -> Task | None:
        return next((t for t in self._servers if not _headless(t)), None)

    def _own_address(self, pid: int, *, own: bool) -> str:
        """Loopback, except where the pod's namespace is shared with others."""
        given = self._environ(pid).get("VLLM_HOST_IP") if own else None
        return _address(given) or "127.0.0.1"

    def _environ(self, pid: int) -> dict[str, str]:
        try:
            return self._proc.environ(pid)
        except OSError:
            return {}

    def _container(self, pid: int) -> Container:
        return Container(self._settings.host_proc, pid)


def _servers(tasks: Sequence[Task]) -> Iterator[Task]:
    """Processes that are a server, no shell around one and no copy that it has just forked."""
    found = [t for t in tasks if t.shown().argv and engine_flags(t.argv) is not None]
    pids = {t.pid for t in found}
    return iter(sorted((t for t in found if t.ppid not in pids), key=lambda t: t.pid))


def _headless(task: Task) -> bool:
    flags = engine_flags(task.argv)
    return flags is not None and flags.headless


def _after(changed: float, started_at: str | None) -> bool:
    """Whether a file was written later than in the second in which the process started."""
    return started_at is not None and changed >= datetime.fromisoformat(started_at).timestamp() + 1


def _address(text: str | None) -> str | None:
    """`text` where it is the address of one interface."""
    try:
        ip = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    return None if ip.is_unspecified or "%" in str(ip) else str(ip)
