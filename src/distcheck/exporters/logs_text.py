"""What logs prove, in about ten lines of text."""

from collections.abc import Iterator

from distcheck.checks.logs_engine import LoggedFailure, VllmPart
from distcheck.checks.logs_report import LogsReport, NcclPart
from distcheck.exporters.typography import Ink, shorten, wrap

_LABEL = 12
_WORDS = {
    "rdma": "ranks on different nodes talk over RDMA, straight from GPU memory",
    "rdma-no-gdr": "ranks on different nodes talk over RDMA, not all of it from GPU memory",
    "socket": "ranks on different nodes talk over TCP sockets",
    "mnnvl": "ranks on different nodes talk over NVLink",
    "single-node": "all ranks are on one node; no network is used",
    "failed": "NCCL failed",
    "inconclusive": "these logs do not show how ranks on different nodes talk",
}


def render_text(obj: LogsReport, width: int = 80, ink: Ink | None = None) -> str:
    """The report in columns of at most `width`, with a part for each file after it."""
    pen = ink or Ink()
    parts = [_one(obj, width, pen)]
    files = obj.by_file if isinstance(obj.by_file, tuple) else ()
    parts += [f"{pen.clean(one.name)}\n{_one(one, width, pen)}" for one in files]
    return "\n".join(parts)


def _one(obj: LogsReport, width: int, ink: Ink) -> str:
    rows = [("read", f"{obj.lines} lines, {obj.bytes} bytes{_cut(obj)}")]
    rows += list(_nccl(obj.nccl)) if obj.nccl.lines else [("NCCL", "no NCCL lines")]
    rows += _vllm(obj.vllm)
    lines = [line for label, says in rows for line in _row(label, ink.clean(says), width)]
    return "\n".join(lines) + "\n"


def _cut(obj: LogsReport) -> str:
    return "" if obj.cut is None else f"; stopped early: {obj.cut}"


def _row(label: str, says: str, width: int) -> Iterator[str]:
    room = max(width - _LABEL, 20)
    for number, line in enumerate(wrap(says, room)):
        yield f"{'' if number else label:<{_LABEL}}{line}".rstrip()


def _nccl(part: NcclPart) -> Iterator[tuple[str, str]]:
    yield "verdict", f"{part.verdict}: {_WORDS[part.verdict]}"
    if part.transport_verdict != part.verdict:
        yield "transports", f"{part.transport_verdict}: {_WORDS[part.transport_verdict]}"
    fatal = [f for f in part.failures if f.fatal]
    for one in fatal[:3]:
        yield "failure", _failure(one)
    if part.socket_fallback_cause:
        yield "why sockets", part.socket_fallback_cause
    for words, source in part.evidence[:3]:
        yield "seen", f"{words} ({source})"
    yield "ranks", _ranks(part)
    yield "network", _network(part)
    noise = [f"{f.id} ({f.count})" for f in part.failures if not f.fatal]
    if noise:
        yield "harmless", ", ".join(noise)
    for note in part.notes:
        yield "note", note


def _failure(one: LoggedFailure) -> str:
    return f"{one.id}: {shorten(one.says, 200, '...')} ({one.source})"


def _ranks(part: NcclPart) -> str:
    if part.nranks is None:
        return f"no communicator is shown; hosts: {_listed(part.hosts)}"
    complete = "?" if part.init_complete_ranks is None else part.init_complete_ranks
    more = len(part.communicators) - 1
    others = f", {more} more communicators" if more > 0 else ""
    return f"{complete} of {part.nranks} complete in the largest communicator{others}; hosts: " + (
        _listed(part.hosts)
    )


def _listed(names: tuple[str, ...], most: int = 6) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + rest


def _network(part: NcclPart) -> str:
    between = _listed(part.inter_node_transports)
    within = _listed(part.intra_node_transports)
    versions = _listed(part.versions, 3)
    name = part.network or "not named"
    return f"{name}; between nodes {between}; within nodes {within}; {part.flavour} {versions}"


def _vllm(part: VllmPart) -> list[tuple[str, str]]:
    layout = {"TP": part.tp, "PP": part.pp, "DP": part.dp}
    shape = " ".join(f"{name}={degree}" for name, degree in layout.items() if degree is not None)
    named = " ".join(filter(None, ("vLLM", part.version, part.engine, part.model, shape)))
    known = (part.version, part.model, part.tp, part.world_size, part.started)
    rows = [("engine", named)] if any(k is not None for k in known) else []
    if part.weights_gib_by_rank is not None:
        rows.append(("weights", f"{_weights(part)} GiB"))
    fatal = [f for f in part.failures if f.fatal]
    return rows + [("engine fail", _failure(one)) for one in fatal[:2]]


def _weights(part: VllmPart) -> str:
    found = part.weights_gib_by_rank
    if not isinstance(found, dict):
        return f"{found}"
    values = found.values()
    low, high = min(values), max(values)
    span = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
    return f"{span} on each of {len(found)} ranks,"
