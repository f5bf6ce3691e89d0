"""`distcheck explain`: what a check proves, and what a word of an answer means."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from distcheck.agent.cli.command import Program, argument
from distcheck.agent.cli.exit import did_you_mean, usage
from distcheck.agent.cli.output import ink, say, stdout_page
from distcheck.checks.catalog import catalog
from distcheck.checks.check import Check
from distcheck.exporters.explain_terms import Term, render_term, terms
from distcheck.exporters.explain_text import render_page
from distcheck.exporters.formats import Page

Ids = Annotated[
    list[str],
    argument(
        "Ids of checks, rules of lint, causes, failures or marks; a verdict's word; `all` checks.",
        "ID...|all",
    ),
]


def explain(ids: Ids) -> int:
    """What a check proves and does not, or what a cause, failure or verdict means; what to do."""
    checks = {c.id: c for c in catalog()}
    page = stdout_page()
    say("\n\n".join([text for one in ids for text in _pages(one, checks, page)]))
    return 0


def _pages(word: str, checks: Mapping[str, Check], page: Page) -> Iterator[str]:
    if word.lower() == "all":
        chosen = tuple(checks.values())
    elif word.upper() in checks:
        chosen = (checks[word.upper()],)
    elif word.upper().startswith("CONF"):
        yield _rule(word.upper(), page)
        return
    else:
        yield render_term(_meanings(word, checks), page.width, ink(page))
        return
    yield from (render_page(c, page.width, ink(page)) for c in chosen)


def _rule(rule_id: str, page: Page) -> str:
    """The page of a rule of `lint`; raises `Stop` for an id that there is not."""
    from distcheck.checks.manifest.rules import rules  # noqa: PLC0415 - only rules pay for it
    from distcheck.exporters.rule_text import render_rule  # noqa: PLC0415

    known = {r.id: r for r in rules()}
    if rule_id in known:
        return render_rule(known[rule_id], page.width, ink(page))
    hint = did_you_mean(rule_id, known)
    raise usage(f"explain: no rule {rule_id!r}{hint}; `distcheck list --rules` names them all")


def _meanings(word: str, checks: Mapping[str, Check]) -> tuple[Term, ...]:
    """What `word` means, in any case and with `-` or `_`.

    Raises:
        Stop: nothing has that id (exit code 2).
    """
    known = terms(checks.values(), _marks())
    found = known.get(word) or {_folded(k): v for k, v in known.items()}.get(_folded(word))
    if found is not None:
        return found
    hint = did_you_mean(word, (*checks, *known)) or "; `distcheck list` names all checks"
    raise usage(f"explain: no check, cause, failure or verdict {word!r}{hint}")


def _folded(word: str) -> str:
    return word.casefold().replace("_", "-")


def _marks() -> Iterator[Term]:
    """Lines of NCCL's log that explain a choice, and those that mean nothing."""
    from distcheck.agent.logs.nccl_grammar import FAILURES, MARK_FORMS  # noqa: PLC0415 - slow

    for mark in MARK_FORMS:
        yield Term(mark.id, "a mark in NCCL's log", mark.proves, "")
    for one in FAILURES:
        if one.weight == "noise":
            yield Term(one.id, "a harmless line in NCCL's log", _HARMLESS, "Nothing.")


_HARMLESS = "a warning that stands in healthy logs too: it proves no failure"

PROGRAM = Program(explain)
