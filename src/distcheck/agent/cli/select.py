"""Which checks are judged: `--only`, `--skip` and `--require` against the catalogue."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.agent.cli.exit import did_you_mean, usage
from distcheck.agent.cli.options import words
from distcheck.checks.catalog import catalog
from distcheck.checks.check import Check
from distcheck.checks.findings import PAPER
from distcheck.checks.on_paper import OnPaper


class Selection(Struct, frozen=True):
    """What to judge: checks, ids that count as core beside those that are, and CONF rules.

    `left_out` names the checks that are not judged.
    """

    checks: tuple[Check, ...]
    require: frozenset[str] = frozenset()
    left_out: tuple[str, ...] = ()
    rules: OnPaper = OnPaper()


def select(only: list[str] | None, skip: list[str] | None, require: list[str] | None) -> Selection:
    """The selection; ids may be in any case. A required check is judged even if not in `only`.

    Raises:
        Stop: an id that does not exist, one both required and skipped, or nothing left.
    """
    chosen, left_out, needed = (
        _ids("--only", only),
        _ids("--skip", skip),
        _ids("--require", require),
    )
    if both := sorted(needed & left_out):
        raise usage(f"--skip and --require both name {', '.join(both)}")
    wanted = (chosen or {c.id for c in catalog()}) | needed
    checks = tuple(c for c in catalog() if c.id in wanted - left_out)
    named = _titles(i for i in (chosen | needed) - left_out if i.startswith(PAPER))
    if not checks and not named:
        raise usage("no check selected: --skip leaves none; `distcheck list` names them all")
    rules = OnPaper(named, others=not chosen, left=frozenset(left_out))
    others = tuple(c.id for c in catalog() if c not in checks)
    return Selection(checks, frozenset(needed), others, rules)


def _titles(ids: Iterable[str]) -> dict[str, str]:
    wanted = set(ids)
    if not wanted:
        return {}
    from distcheck.checks.manifest.rules import rules  # noqa: PLC0415 - only where one is named

    return {r.id: r.page.title for r in rules() if r.id in wanted}


def _rule_named(word: str) -> str:
    """The id of a rule for manifests; only such a word pays for reading them all."""
    if not word.upper().startswith(PAPER):
        return ""
    from distcheck.checks.manifest.rules import rules  # noqa: PLC0415 - see above

    known = {r.id for r in rules()}
    if word.upper() not in known:
        says = f"{did_you_mean(word, known)}; `distcheck list --rules` names them all"
        raise usage(f"no rule {word!r}{says}")
    return word.upper()


def check_named(name: str, word: str) -> Check:
    """The check with the id `word`, in any case; `name` is the option that gave it.

    Raises:
        Stop: no check has that id (exit code 2).
    """
    known = {c.id: c for c in catalog()}
    if word.upper() in known:
        return known[word.upper()]
    hint = did_you_mean(word, known) or "; `distcheck list` names them all"
    raise usage(f"{name}: no check {word!r}{hint}")


def _ids(name: str, given: list[str] | None) -> set[str]:
    ids = {_rule_named(word) or check_named(name, word).id for word in words(given)}
    if given and not ids:
        raise usage(f"{name}: no check selected; name at least one, such as NCCL002")
    return ids
