"""Where Ray's GCS is, as the command lines of a node's processes say it."""

from collections.abc import Iterable, Sequence

from distcheck.agent.logs.argv import ray_start

_DEFAULT_PORT = "6379"
_SHELLS = ("sh", "bash", "dash", "ash", "zsh", "busybox")


def flags_of(argv: Sequence[str]) -> dict[str, str]:
    """`--name=value` by name, with `-` for the `_` that some versions write in names."""
    pairs = (a.lstrip("-").partition("=") for a in argv[1:] if a.startswith("-"))
    return {name.replace("_", "-"): value for name, _, value in pairs}


def gcs_address(argv: Sequence[str]) -> str | None:
    """`host:port` from the command line of a `raylet` or `gcs_server`; None for others."""
    program = argv[0].rpartition("/")[2] if argv else ""
    flags = flags_of(argv)
    if program == "raylet":
        return flags.get("gcs-address")
    if program == "gcs_server" and flags.get("node-ip-address"):
        return f"{flags['node-ip-address']}:{flags.get('gcs-server-port', _DEFAULT_PORT)}"
    return None


def runs_a_script(argv: Sequence[str]) -> bool:
    """A shell, which may be past the `ray start` that its script has."""
    return bool(argv) and argv[0].rpartition("/")[2] in _SHELLS


def why_no_gcs(argvs: Iterable[Sequence[str]]) -> str:
    """What runs in place of a raylet: a `ray start` that has not got through, or nothing."""
    scripts = ""
    for argv in argvs:
        start = ray_start(argv)
        if start is not None and start.address and not runs_a_script(argv):
            return f"no raylet runs; `ray start` still waits for {start.address}"
        if start is not None:
            scripts = "no raylet runs, though a script that runs starts Ray"
    return scripts or "no raylet and no GCS of this group runs"
