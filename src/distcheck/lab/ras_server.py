"""NCCL's RAS as a job's processes serve it, in text of every form, and in JSON from 2.28.7 on."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from distcheck.lab.ras_job import Job, JobCommunicator, JobRank
from distcheck.lab.ras_words import in_text

_COMMA_SINCE = (2, 29, 0)
_MAX_COMMAND = 1024


class RasServer:
    """Listens where a RAS thread does; each question is answered with what `job` gives then."""

    def __init__(self, ip: str, job: Callable[[], Job], port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self._job = job
        self._socket = socket.create_server((ip, port), family=family, backlog=16)
        self.port: int = self._socket.getsockname()[1]
        self.questions = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(5)
            as_json = False
            for command in _commands(client):
                if command in ("status", "verbose status"):
                    self.questions += 1
                    client.sendall(answer(self._job(), as_json=as_json))
                    return
                said = reply(command, self._job())
                as_json = as_json or (command == "set format json" and said == "OK")
                client.sendall(f"{said}\n".encode())

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _commands(client: socket.socket) -> Iterator[str]:
    """Lines in lower case, as RAS takes them, with or without a carriage return."""
    rest = b""
    while part := client.recv(_MAX_COMMAND):
        *lines, rest = (rest + part).split(b"\n")
        yield from (line.decode("ascii", "replace").rstrip("\r").lower() for line in lines)


def reply(command: str, job: Job) -> str:
    """The line that answers any other command than `status`."""
    if command.startswith("client protocol "):
        return "SERVER PROTOCOL 2"
    if command.startswith("timeout "):
        value = command.removeprefix("timeout ")
        return "OK" if value.isdigit() else f"ERROR: Invalid timeout value {value}"
    if command.startswith("set format ") and job.speaks_json:
        value = command.removeprefix("set format ")
        return "OK" if value in ("json", "text") else f"ERROR: Invalid format {value}"
    return f"ERROR: Unknown command {command}"


def answer(job: Job, *, as_json: bool) -> bytes:
    """The whole answer; before 2.29 its JSON lacks a comma in every missing rank."""
    if not as_json:
        return in_text(job).encode()
    text = json.dumps(in_json(job), indent=2) + "\n"
    if job.version < _COMMA_SINCE:
        head, *rest = text.split('"missing_ranks": [')
        rest = [_without_commas(part) for part in rest]
        text = '"missing_ranks": ['.join((head, *rest))
    return text.encode()


def _without_commas(part: str) -> str:
    """The missing ranks of one communicator end with the first `]`."""
    ranks, bracket, after = part.partition("]")
    lines = ranks.split("\n")
    cut = [line.rstrip(",") if '"nvml_dev"' in line else line for line in lines]
    return "\n".join(cut) + bracket + after


def in_json(job: Job) -> dict[str, object]:
    """The object of 2.28.7 and newer."""
    return {
        "nccl_version": ".".join(map(str, job.version)),
        "cuda_runtime_version": 12080,
        "cuda_driver_version": 12080,
        "timestamp": "2026-01-15 09:30:00",
        "communicators_count": len(job.communicators),
        "communicators": [_communicator(c) for c in job.communicators],
        "ras": {"collection_time_sec": 0.002, "timeouts_count": 0},
    }


def _communicator(one: JobCommunicator) -> dict[str, object]:
    there = [r for r in one.ranks if r.answers]
    gone = [r for r in one.ranks if not r.answers]
    return {
        "hash": f"0x{one.hash:x}",
        "secondary_hash": "0xb7e7187447156001:0xb8242ed28a71381e",
        "size": len(one.ranks),
        "ranks_count": len(there),
        "missing_ranks_count": len(gone),
        "ranks": [_rank(r) for r in there],
        "missing_ranks": [_missing(r) for r in gone],
    }


def _place(one: JobRank) -> dict[str, object]:
    return {"rank": one.rank, "host": one.host, "pid": one.pid, "cuda_dev": 0, "nvml_dev": one.gpu}


def _rank(one: JobRank) -> dict[str, object]:
    status = {
        "init_state": one.init_state,
        "async_error": one.async_error,
        "finalize_called": one.state == "finalize",
        "destroy_flag": False,
        "abort_flag": one.state == "abort",
    }
    return {**_place(one), "status": status, "collective_counts": one.counts}


def _missing(one: JobRank) -> dict[str, object]:
    silent = one.state in ("silent", "dead")
    status = {"unresponsive": silent, "considered_dead": one.state == "dead"}
    return {**_place(one), "status": status}
