"""Rules as SARIF has them."""

from typing import Any

from distcheck.checks.manifest.rule import Rule

_DOCS = "https://github.com/distcheck/distcheck/blob/main/docs/lint.md"
LEVEL_OF = {"error": "error", "warning": "warning", "hint": "note"}
_SEVERITIES = {"error": "error", "warning": "warning", "hint": "recommendation"}
_NAMES = ("Ray", "Kubernetes", "Triton")
_FAMILIES = (
    (20, "arithmetic"), (40, "rendezvous"), (60, "nccl"), (70, "shm"), (90, "form"),
    (110, "placement"), (120, "engine"), (1000, "advice"),
)  # fmt: skip


def rule_of(rule: Rule) -> dict[str, Any]:
    """A rule with its page, for who meets it in an alert."""
    page = rule.page
    return {
        "id": rule.id,
        "name": "Check" + "".join(w.title() for w in rule.name.split("_")),
        "shortDescription": {"text": f"Checks that {_in_sentence(page.title)}"},
        "fullDescription": {"text": page.what},
        "help": {
            "text": f"{page.what}\n\n{page.why}\n\nFix: {page.fix}",
            "markdown": _markdown(rule),
        },
        "helpUri": f"{_DOCS}#{rule.id.lower()}",
        "defaultConfiguration": {"level": LEVEL_OF[rule.level]},
        "properties": {
            "tags": ["kubernetes", "llm", _family(rule.id)],
            "precision": "very-high" if rule.level == "error" else "high",
            "problem.severity": _SEVERITIES[rule.level],
        },
    }


def _in_sentence(title: str) -> str:
    """A title behind other words: names keep their capital."""
    first = title.split(" ", 1)[0]
    plain = first not in _NAMES and first.removesuffix("'s")[1:].islower()
    return title[:1].lower() + title[1:] if plain or first == "A" else title


def _family(rule_id: str) -> str:
    number = int(rule_id.removeprefix("CONF"))
    return next(name for below, name in _FAMILIES if number < below)


def _markdown(rule: Rule) -> str:
    page = rule.page
    return (
        f"{page.what} {page.why}\n\n**What to do:** {page.fix}\n\nFails:\n\n"
        f"```yaml\n{page.fails}```\n\nPasses:\n\n```yaml\n{page.passes}```\n\n"
        f"Source: {page.source}\n"
    )
