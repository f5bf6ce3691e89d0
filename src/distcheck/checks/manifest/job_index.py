"""Ranks from the index that pods of an Indexed Job have, and no others."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_NAME = "JOB_COMPLETION_INDEX"
_RANK = pattern(
    rf"(?:--node[-_]rank[=\s]+|\b\w*(?:RANK|rank|INDEX)\w*=)[\"']?\$[({{]?({_NAME})[)}}]?(?![\w:-])",
    near=(_NAME,),
)


def without_an_index(group: Group) -> Iterator[Finding]:
    """Jobs are NonIndexed where they do not say, those of a JobSet Indexed (its webhook)."""
    for member, engine in group.engines:
        template = member.template
        if engine.asks is None or engine.may_have_more or engine.variable(_NAME) is not None:
            continue
        spec = _job_of(template)
        mode = spec.text("completionMode") or ("Indexed" if template.kind == "JobSet" else "")
        spot = _read(engine)
        if spec and spot is not None and mode in ("", "NonIndexed"):
            says = f"pods of {template.what} have no {_NAME}: completionMode is"
            says = f"{says} {mode or 'not set, so it is NonIndexed'}"
            told = spec.at("completionMode")
            also = (told.spot,) if told else ()
            yield Finding(spot, says, "Set `completionMode: Indexed`.", also=also)


def _job_of(template: Template) -> Place:
    """The spec of the Job that makes its pods; nothing for another kind."""
    owner, at = template.owner_place, template.place.path
    if template.kind not in ("Job", "JobSet") or at[: len(owner.path)] != owner.path:
        return owner.at("none")
    return owner.at(*at[len(owner.path) : -1])


def _read(engine: Container) -> Spot | None:
    """Where a rank is taken from it, and nothing in the script sets it before."""
    if any(f"{_NAME}=" in t.text for t in engine.texts):
        return None
    found = (t for t in engine.texts if _RANK.search(t.text))
    words = zip(engine.texts, engine.texts[1:], strict=False)
    by_flag = (t for b, t in words if b.text in _FLAGS and t.text == f"$({_NAME})")
    text = next(found, None) or next(by_flag, None)
    return text.spot.within(_NAME) if text else None


_FLAGS = ("--node-rank", "--node_rank")
