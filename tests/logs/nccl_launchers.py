"""What launchers, container runtimes and collectors put around the lines of several processes."""

import json
from collections.abc import Callable, Iterable, Iterator

from tests.logs.nccl_versions import Line

AT = "2026-03-01T08:10:41.932415Z"
BAR = "Loading safetensors checkpoint shards:  12% Completed | 1/8 [00:01<00:10,  1.45s/it]"

Frame = Callable[[Iterable[Line]], Iterator[str]]


def _before(prefix: Callable[[Line], str]) -> Frame:
    """A launcher that only writes something before each line."""
    return lambda lines: (prefix(line) + line.text for line in lines)


def _after(text: str) -> Frame:
    return lambda lines: (line.text + text for line in lines)


def _ray(line: Line) -> str:
    """The driver's own lines are bare; actors on its node have no address."""
    if line.rank == 0:
        return ""
    where = f", ip=10.0.0.{line.rank}" if line.host.endswith("b") else ""
    return f"\x1b[36m(RayWorkerWrapper pid={line.pid}{where})\x1b[0m "


def _engine_ray(line: Line) -> str:
    return f"(EngineCore_DP0 pid=96) (RayWorkerWrapper pid={line.pid}, ip=10.0.0.{line.rank}) "


def _cri(lines: Iterable[Line]) -> Iterator[str]:
    """Every fifth line in three parts, with a line of the other stream between them."""
    for number, (_, _, _, text) in enumerate(lines):
        if number % 5 or len(text) < 12:
            yield f"{AT} stdout F {text}"
            continue
        first = text.find("NCCL") + 2 if "NCCL" in text else len(text) // 3
        yield f"{AT} stdout P {text[:first]}"
        yield f"{AT} stderr F another stream"
        yield f"{AT} stdout P {text[first : first + 5]}"
        yield f"{AT} stdout F {text[first + 5 :]}"


def _docker(lines: Iterable[Line]) -> Iterator[str]:
    for line in lines:
        yield json.dumps({"log": line.text + "\n", "stream": "stdout", "time": AT})


def _tqdm(lines: Iterable[Line]) -> Iterator[str]:
    """A progress bar that ends in a carriage return, before every seventh line."""
    for number, line in enumerate(lines):
        yield (f"\r{BAR}\r" if number % 7 == 0 else "") + line.text


def _glued_bar(lines: Iterable[Line]) -> Iterator[str]:
    """The same bar without its end: the message follows on its line."""
    for number, line in enumerate(lines):
        yield (f"\r{BAR}" if number % 7 == 0 and line.text else "") + line.text


def _stamped(stamp: str) -> Frame:
    """NCCL's own stamp on every message (NCCL_DEBUG_TIMESTAMP_LEVELS=ALL, 2.26 and newer)."""

    def frame(lines: Iterable[Line]) -> Iterator[str]:
        for line in lines:
            own = " NCCL INFO " in line.text
            yield (stamp if own else "") + line.text

    return frame


LAUNCHERS: dict[str, Frame] = {
    "none": _before(lambda _: ""),
    "cri": _cri,
    "docker": _docker,
    "kubectl-timestamps": _before(lambda _: f"{AT} "),
    "kubectl-prefix": _before(lambda line: f"[pod/{line.host}/vllm] "),
    "kubectl-prefix-timestamps": _before(lambda line: f"[pod/{line.host}/vllm] {AT} "),
    "stern": _before(lambda line: f"{line.host} vllm "),
    "compose": _before(lambda line: f"{line.host}-1  | "),
    "ray": _before(_ray),
    "vllm-ray": _before(_engine_ray),
    "vllm": _before(lambda line: f"(Worker_TP{line.rank} pid={line.pid}) "),
    "mpirun-tag-output": _before(lambda line: f"[1,{line.rank}]<stdout>:"),
    "mpirun-timestamp-output": _before(lambda _: "Sun Mar  1 08:10:41 2026<stdout>:"),
    "intel-mpi": _before(lambda line: f"[{line.rank}] "),
    "srun": _before(lambda line: f"{line.rank:>3}: "),
    "torchrun-rank": _before(lambda line: f"[rank{line.rank}]: "),
    "torchrun-default": _before(lambda line: f"[default{line.rank}]:"),
    "torchx": _before(lambda line: f"trainer/{line.rank} "),
    "torchx-role": _before(lambda line: f"[trainer{line.rank}|{line.rank}]:"),
    "pdsh": _before(lambda line: f"{line.host}: "),
    "pdsh-address": _before(lambda line: f"10.0.0.{line.rank}: "),
    "syslog": _before(lambda line: f"Mar  1 08:10:41 {line.host} vllm[{line.pid}]: "),
    "journal-iso": _before(lambda line: f"2026-03-01T08:10:41+0000 {line.host} sh[{line.pid}]: "),
    "crlf": _after("\r"),
    "tqdm": _tqdm,
    "tqdm-glued": _glued_bar,
}
"""What stands around each line, by launcher."""

STAMPS: dict[str, Frame] = {
    "default": _stamped("[2026-03-01 08:31:07] "),
    "milliseconds": _stamped("2026-03-01 08:31:07.123 "),
    "clock": _stamped("08:31:07 "),
    "zone": _stamped("2026-03-01T08:31:07+0000 "),
    "no-space": _stamped("[08:31:07]"),
}
"""NCCL_DEBUG_TIMESTAMP_FORMAT as sites set it."""


def text(frame: Frame, lines: Iterable[Line]) -> bytes:
    """The framed log."""
    return "".join(f"{line}\n" for line in frame(lines)).encode()
