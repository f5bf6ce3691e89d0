"""What every word of distcheck's answers means: causes, failures, verdicts; and its page."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from distcheck.checks.check import Check
from distcheck.checks.knowledge.engine_remedies import ENGINE
from distcheck.checks.knowledge.failure_details import DETAILS
from distcheck.checks.knowledge.nccl_remedies import FAILURES, INTERFACES, Cause
from distcheck.checks.knowledge.transport_remedies import GDR, ON_NODE, SOCKETS
from distcheck.exporters.explain_text import section
from distcheck.exporters.explain_verdicts import OUTCOMES, TRANSPORTS
from distcheck.exporters.typography import Ink

_MEASURE = 88
_LOGS = "`distcheck logs`"


class Term(Struct, frozen=True):
    """One meaning of one word. `given_by` names checks, or the command that says it."""

    id: str
    kind: str
    means: str
    remedy: str
    given_by: tuple[str, ...] = (_LOGS,)


_TABLES: tuple[tuple[str, Mapping[str, Cause], tuple[str, ...]], ...] = (
    ("a failure in NCCL's log", FAILURES, ()),
    ("why NCCL uses sockets", SOCKETS, ()),
    ("why GPUDirect RDMA is off", GDR, ()),
    ("why GPUs of one node do not reach each other directly", ON_NODE, ()),
    ("a mark in NCCL's log", INTERFACES, (_LOGS,)),
    ("a failure in vLLM's log", ENGINE, ()),
    ("an outcome of a check, and of a group", OUTCOMES, ("`distcheck verify`", _LOGS)),
    ("what NCCL's log proves", TRANSPORTS, ("NCCL002", _LOGS)),
)


def terms(checks: Iterable[Check], marks: Iterable[Term] = ()) -> dict[str, tuple[Term, ...]]:
    """Every meaning of every word, by the word.

    `marks` are of lines in NCCL's log that no table has a remedy for: they come after all else.
    """
    found: dict[str, list[Term]] = {}
    for one in _tabled(tuple(checks)):
        known = found.setdefault(one.id, [])
        if all(one.means != k.means for k in known):
            known.append(one)
    for one in marks:
        found.setdefault(one.id, [one])
    return {word: tuple(every) for word, every in found.items()}


def _tabled(checks: tuple[Check, ...]) -> Iterator[Term]:
    by = {word: _naming(word, checks) for c in checks for word in c.page.causes}
    for kind, table, given in _TABLES:
        for word, cause in table.items():
            told = given or by.get(word) or (_LOGS,)
            told = (*told, _LOGS) if table is ENGINE and _LOGS not in told else told
            yield Term(word, kind, cause.means, cause.remedy, told)
    for one in DETAILS:
        kind = f"what the words of `{one.failure}` tell"
        yield Term(one.id, kind, one.means, one.remedy, by.get(one.failure) or (_LOGS,))
    for check in checks:
        for word, says in check.page.causes.items():
            kind = f"a cause of {check.id}"
            yield Term(word, kind, says, check.page.remedy_of(word), (_titled(check),))


def _naming(word: str, checks: Iterable[Check]) -> tuple[str, ...]:
    return tuple(_titled(c) for c in checks if word in c.page.causes)


def _titled(check: Check) -> str:
    return f"{check.id} ({check.page.title})"


def render_term(every: tuple[Term, ...], width: int, ink: Ink) -> str:
    """What the word means, who says it, what to do; one after the other if it means several."""
    room = min(width, _MEASURE) - 2
    return "\n".join(_page(one, room, ink) for one in every)


def _page(one: Term, room: int, ink: Ink) -> str:
    parts = [
        [f"{ink.paint(one.id, 'bold')}  {ink.clean(one.kind)}"],
        section("Means", _sentence(one.means), room, ink),
        section("Given by", "\n\n".join(one.given_by), room, ink),
        section("What to do", one.remedy, room, ink),
    ]
    return "\n\n".join("\n".join(p) for p in parts if p) + "\n"


def _sentence(text: str) -> str:
    first = text.split(" ", 1)[0]
    capital = text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text
    return capital if capital.endswith((".", "?")) else f"{capital}."
