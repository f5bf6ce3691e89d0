"""The table of commands. Help and version are printed from it; a command imports only its own."""

import errno
import importlib
import os
import sys

from distcheck import __version__
from distcheck.agent.cli import exit as codes

PLUGIN = "kubectl-distcheck"
_HERE = "distcheck.agent.cli"
COMMANDS: dict[str, tuple[str, str]] = {
    "verify": (f"{_HERE}.verify", "prove a serving group, or say what is wrong and why"),
    "collect": (f"{_HERE}.collect", "gather evidence into a file, to be judged later or elsewhere"),
    "logs": (f"{_HERE}.logs", "what NCCL and engine logs prove, on their own"),
    "ray": (f"{_HERE}.ray", "Ray membership on its own: nodes, GPUs, placement groups"),
    "plan": (f"{_HERE}.plan", "weights per rank, layouts that fit, /dev/shm need, before a deploy"),
    "lint": (f"{_HERE}.lint", "judge manifests before they are applied"),
    "wait": (f"{_HERE}.wait", "until Ray and the pods have N GPUs; for start-up scripts"),
    "list": (f"{_HERE}.list", "the checks"),
    "explain": (
        f"{_HERE}.explain",
        "what a check proves, or what a cause, failure or verdict means",
    ),
    "schema": (
        f"{_HERE}.schema",
        "JSON Schema of a report, evidence, logs, lint and plans",
    ),
    "lab": (f"{_HERE}.lab", "a two-node cluster on this machine, with a fault of your choice"),
    "agent": (f"{_HERE}.agent", "the DaemonSet's process"),
    "serve": (f"{_HERE}.serve", "verifies every serving group of the cluster on an interval"),
}
_LOOKING = ("verify", "collect", "wait")
"""Commands that look at a cluster; the others see to signals themselves."""


def main(argv: list[str]) -> int:
    """Run the command that `argv` names; the exit code. No exception leaves this function."""
    _open_streams()
    try:
        code = _run(argv)
        sys.stdout.flush()
    except codes.Stop as stop:
        print(f"distcheck: {stop.says}", file=sys.stderr)  # noqa: T201 - the command's own voice
        _tell_kubelet(stop.says)
        return stop.code
    except KeyboardInterrupt:
        return codes.INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except OSError as error:
        return _unwritable(error) if error.errno == errno.ENOSPC else _bug(error, argv)
    except Exception as error:  # noqa: BLE001 - whatever is left is our bug, and says so
        return _bug(error, argv)
    return code


def _open_streams() -> None:
    """What is written to a stream that the caller closed (`>&-`) goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - no import; it stays


def called() -> str:
    """How we were called: `distcheck`, or `kubectl distcheck` as a plugin of kubectl."""
    return "kubectl distcheck" if os.path.basename(sys.argv[0]) == PLUGIN else "distcheck"  # noqa: PTH119 - no import for a name


def help_text() -> str:
    """What `distcheck --help` prints."""
    wide = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{wide}}  {says}" for name, (_, says) in COMMANDS.items())
    meanings = "\n".join(f"  {code:<{wide}}  {says}" for code, says in codes.MEANINGS.items())
    return (
        "Proves that a multi-node LLM serving group is one sharded model on a healthy\n"
        "interconnect, or says what is wrong and why.\n\n"
        f"Usage: {called()} COMMAND [OPTIONS]\n\n"
        f"Commands:\n{commands}\n\n"
        f"Exit codes:\n{meanings}\n\n"
        f"`{called()} COMMAND --help` tells more. `{called()} --version` prints the version.\n"
    )


def _run(argv: list[str]) -> int:
    first = argv[0] if argv else ""
    if first in ("", "-h", "--help", "help"):
        sys.stdout.write(help_text())
        return codes.PASS if first else codes.USAGE
    if first in ("-V", "--version", "version"):
        sys.stdout.write(f"distcheck {__version__}\n")
        return codes.PASS
    if first not in COMMANDS:
        raise codes.usage(_unknown(first))
    if first in _LOOKING:
        from distcheck.agent.cli.ending import orderly_end  # noqa: PLC0415 - of these alone

        with orderly_end():
            return _command(first, argv[1:])
    return _command(first, argv[1:])


def _command(name: str, argv: list[str]) -> int:
    from distcheck.agent.cli.loading import loading  # noqa: PLC0415 - help and version load nothing

    with loading():
        _import_msgspec()
        module = importlib.import_module(COMMANDS[name][0])
    return int(module.PROGRAM.run(f"{called()} {name}", argv))


def _import_msgspec() -> None:
    """Without typing_extensions, which take longer to import than msgspec.

    It does not depend on them: where they are absent it takes the same of `typing`. Whoever
    imports them later gets them. Of the patterns in `platform` and `textwrap` it uses none.
    """
    from distcheck.pattern import late_patterns  # noqa: PLC0415 - help and version need none

    absent = sys.modules.setdefault("typing_extensions", None) is None  # type: ignore[arg-type]
    with late_patterns():
        import msgspec  # noqa: F401, PLC0415 - for its import

    if absent:
        del sys.modules["typing_extensions"]


def _tell_kubelet(says: str) -> None:
    from distcheck.agent.cli.kubelet import tell_kubelet  # noqa: PLC0415 - only at such an end

    tell_kubelet(says)


def _unknown(word: str) -> str:
    if word.startswith("-"):
        return f"options come after the command: {called()} COMMAND {word}"
    return f"no command {word!r}{codes.did_you_mean(word, COMMANDS)}; `{called()} --help` lists all"


def _reader_gone() -> int:
    """Nobody reads standard output any more: close it quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return codes.BROKEN_PIPE


def _unwritable(error: OSError) -> int:
    """Standard output is a full disk: nothing that was written there is whole."""
    print(f"distcheck: standard output: {error.strerror}", file=sys.stderr)  # noqa: T201
    _reader_gone()
    return codes.USAGE


def _bug(error: Exception, argv: list[str]) -> int:
    """What raised in `lint` is told without its message, which may repeat what a manifest holds."""
    from distcheck.agent.cli.bugs import tell_bugs  # noqa: PLC0415 - only a bug pays for it

    if argv[:1] == ["lint"] and not isinstance(error, OSError):
        from distcheck.checks.manifest.bug import traced  # noqa: PLC0415 - as above

        tell_bugs([traced(error)], of_manifests=True)
        return codes.BUG
    import traceback  # noqa: PLC0415 - as above

    tell_bugs([traceback.format_exc()], of_manifests=argv[:1] == ["lint"])
    return codes.BUG
