"""What mpirun is told before the program that it starts, whose flags are its own."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from distcheck.checks.knowledge.spelling import letters_apart
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.stand_in import is_open
from distcheck.pattern import pattern

_MPI = ("mpirun", "mpiexec", "orterun")
_STARTED = frozenset(
    {
        *("trtllm-llmapi-launch", "trtllm-serve", "tritonserver", "launch_triton_server.py"),
        *("python", "python3", "bash", "sh", "numactl", "vllm"),
    }
)
HOST = ("--host", "-host", "-H")
_EXPORT = ("-x", "--x")
_ADDRESS = pattern(r"[\d.]+|[0-9a-fA-F:]*::[0-9a-fA-F:]*")


def mpi_words(words: Sequence[str]) -> Sequence[str]:
    """What stands between `mpirun` and the program that it starts."""
    start = _start(words)
    names = [w.rpartition("/")[2] for w in words]
    known = next((n for n in range(start, len(names)) if names[n] in _STARTED), len(names))
    options = [n for n, _ in _options(words, start)]
    return words[start : min(known, _end(words, start, options))]


def mpi_options(words: Sequence[str]) -> Iterator[str]:
    """The options of mpirun itself, up to one of which nobody knows how many words it takes."""
    yield from (word for _, word in _options(words, _start(words)))


def inner_words(words: Sequence[str]) -> Sequence[str]:
    """The program that mpirun starts, and what it is told."""
    own = mpi_words(words)
    return words[_start(words) + len(own) :] if own else ()


def is_option(word: str) -> bool:
    """Whether mpirun has an option of this name."""
    return word.lstrip("-") in _TAKES


def _start(words: Sequence[str]) -> int:
    return next((n for n, w in enumerate(words) if w.rpartition("/")[2] in _MPI), len(words))


def _options(words: Sequence[str], start: int) -> Iterator[tuple[int, str]]:
    """Each with its place."""
    at = start + 1
    while at < len(words) and words[at].startswith("-"):
        yield at, words[at]
        takes = _takes(words[at])
        if takes is None:
            return
        at += 1 + takes


def _end(words: Sequence[str], start: int, options: Sequence[int]) -> int:
    """Where the program stands, if that is sure; else behind the last word."""
    last = options[-1] if options else start
    takes = _takes(words[last]) if options else 0
    at = len(words) if takes is None else last + 1 + takes
    return at if at < len(words) and not is_open(words[at]) else len(words)


def _takes(option: str) -> int | None:
    """How many words stand behind it; as behind the option that it is nearly called."""
    name = option.lstrip("-")
    if "=" in name:
        return 0
    if name in _TAKES or len(name) < _LONG:
        return _TAKES.get(name)
    near = (n for n in _TAKES if n.startswith(name) or letters_apart(n, name, 2) <= 2)
    found = next((n for n in near if len(n) >= _LONG), "")
    return _TAKES.get(found)


_LONG = 6
_TAKES = {
    **dict.fromkeys((
        "allow-run-as-root", "oversubscribe", "nooversubscribe", "nolocal", "report-bindings",
        "tag-output", "timestamp-output", "merge-stderr-to-stdout", "display-map",
        "display-devel-map", "display-allocation", "display-topo", "display-comm", "pernode",
        "bynode", "byslot", "bind-to-core", "bind-to-socket", "bind-to-none", "noprefix",
        "use-hwthread-cpus", "enable-recovery", "disable-recovery", "continuous", "debug-daemons",
        "leave-session-attached", "get-stack-traces", "report-state-on-timeout", "xml", "hetero",
        "do-not-launch", "q", "quiet", "v", "verbose", "d", "s", "preload-binary", "genvall",
        "novm", "l", "prepend-rank",
    ), 0),
    **dict.fromkeys((
        "np", "n", "c", "H", "host", "hostfile", "machinefile", "default-hostfile", "x", "map-by",
        "bind-to", "rank-by", "npernode", "N", "npersocket", "prefix", "path", "wdir", "wd",
        "output-filename", "timeout", "rankfile", "rf", "cpus-per-proc", "cpus-per-rank", "stdin",
        "launch-agent", "tune", "am", "report-pid", "report-uri", "preload-files", "cpu-set",
        "cpu-list", "slot-list", "ppr", "personality", "output", "display", "runtime-options",
        "rtos", "tmpdir", "app", "forward-signals", "with-ft", "add-host", "add-hostfile", "ppn",
        "f", "hosts", "iface", "launcher", "bootstrap", "genvlist", "envlist",
    ), 1),
    **dict.fromkeys(("mca", "gmca", "omca", "prtemca", "pmixmca", "genv", "env"), 2),
}  # fmt: skip
"""Open MPI 4 and 5, mpirun(1); of MPICH's Hydra those that begin no program, either."""


def exported(container: Container) -> Mapping[str, str | None]:
    """Variables that `-x` gives to every rank; None where mpirun takes its own value."""
    found: dict[str, str | None] = {}
    for command in container.commands:
        for flag, told in pairwise(mpi_words(command.words)):
            if flag in _EXPORT:
                name, same, value = told.partition("=")
                found[name] = value if same else None
    return found


def named_hosts(container: Container) -> Iterator[str]:
    """The names behind `-H`, without slots; no addresses, and none that a shell makes."""
    for command in container.commands:
        for flag, told in pairwise(mpi_words(command.words)):
            for one in told.split(",") if flag in HOST else ():
                host = one.partition(":")[0].strip()
                if host and not is_open(host) and not _ADDRESS.fullmatch(host):
                    yield host
