"""What `lint` judges by: rules, a model and an interconnect, from the words that name them."""

from typing import TYPE_CHECKING

from distcheck.agent.cli import options as opt
from distcheck.agent.cli.exit import did_you_mean, usage
from distcheck.agent.manifests.lint import Asked
from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules

if TYPE_CHECKING:
    from distcheck.checks.evidence import ModelConfig
    from distcheck.checks.knowledge.plan_fabric import Fabric


def asked(
    only: list[str] | None, skip: list[str] | None, model: str | None, interconnect: str | None
) -> Asked:
    """As the options of `lint` say; raises `Stop` for what cannot be read (exit code 2)."""
    chosen = chosen_rules(only, skip)
    fabric = _fabric(interconnect) if interconnect else None
    return Asked(chosen, "hint", _model(model) if model else None, fabric)


def _model(path: str) -> "ModelConfig":
    from distcheck.agent.cli.model_file import read_model  # noqa: PLC0415 - only for --model

    return read_model(path)


def _fabric(text: str) -> "Fabric | None":
    from distcheck.agent.cli.plan_values import interconnect  # noqa: PLC0415 - as above

    return interconnect(text)


def chosen_rules(only: list[str] | None, skip: list[str] | None) -> tuple[Rule, ...]:
    """The rules to judge by; raises `Stop` for an id that does not exist, or none left."""
    known = {r.id: r for r in rules()}
    kept, left = _ids("--only", only, known), _ids("--skip", skip, known)
    found = tuple(r for r in known.values() if (not kept or r.id in kept) and r.id not in left)
    if not found:
        raise usage("no rule selected; `distcheck list --rules` names them all")
    return found


def _ids(name: str, given: list[str] | None, known: dict[str, Rule]) -> set[str]:
    found = {w.upper() for w in opt.words(given)}
    if given and not found and name == "--only":
        raise usage("--only names no rule; `distcheck list --rules` names them all")
    for word in sorted(found - known.keys()):
        hint = did_you_mean(word, known)
        raise usage(f"{name}: no rule {word!r}{hint}; `distcheck list --rules` names them all")
    return found
