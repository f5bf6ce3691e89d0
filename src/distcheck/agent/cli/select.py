"""Which checks are judged: `--only`, `--skip` and `--require` against the catalogue."""

from msgspec import Struct

from distcheck.agent.cli.exit import did_you_mean, usage
from distcheck.agent.cli.options import words
from distcheck.checks.catalog import catalog
from distcheck.checks.check import Check


class Selection(Struct, frozen=True):
    """The checks to judge, the ids that count as core beside those that are, and the others."""

    checks: tuple[Check, ...]
    require: frozenset[str] = frozenset()
    left_out: tuple[str, ...] = ()


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
    if not checks:
        raise usage("no check selected: --skip leaves none; `distcheck list` names them all")
    others = tuple(c.id for c in catalog() if c not in checks)
    return Selection(checks, frozenset(needed), others)


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
    ids = {check_named(name, word).id for word in words(given)}
    if given and not ids:
        raise usage(f"{name}: no check selected; name at least one, such as NCCL002")
    return ids
