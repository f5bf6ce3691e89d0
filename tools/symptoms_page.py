"""`docs/symptoms.md`: what operators report, what may be behind it, and how to see each."""

from distcheck.lab.scenario import Scenario
from distcheck.lab.scenarios import load_all
from distcheck.lab.symptoms import WORDS, Symptom

_HEAD = """\
What operators report, and what was behind it. Every row is a scenario of the lab:
`distcheck lab run` starts a two-node cluster with that fault on this machine, without GPUs and,
but where it says so, without root, and shows what `distcheck verify` says of it.
`distcheck explain ID` tells what each check proves.
"""


def symptoms_page(made: str) -> str:
    """The page; `made` is the line that says that it is generated."""
    scenarios = load_all()
    sections = (_section(symptom, words, scenarios) for symptom, words in WORDS.items())
    return "\n".join([f"# By symptom\n\n{made}\n\n{_HEAD}", *sections])


def _section(symptom: Symptom, words: str, scenarios: list[Scenario]) -> str:
    found = [s for s in scenarios if symptom in s.symptoms]
    rows = "\n".join(f"| {s.title} | {_told(s)} | {_seen(s)} |" for s in found)
    return f"## {words}\n\n| what was behind it | told by | see it |\n|---|---|---|\n{rows}\n"


def _seen(scenario: Scenario) -> str:
    needs = " (as root, with nftables)" if scenario.world.firewall else ""
    return f"`distcheck lab run {scenario.name}`{needs}"


def _told(scenario: Scenario) -> str:
    """The checks that fail or warn, the first cause first, each with the id of its cause."""
    loud = [(i, w) for i, w in scenario.expect.checks.items() if w.startswith(("fail", "warn"))]
    ordered = sorted(loud, key=lambda one: one[0] != scenario.expect.first)
    return "<br>".join(f"{check} {_cause(want)}" for check, want in ordered)


def _cause(want: str) -> str:
    outcome, _, cause = want.partition(" ")
    return f"{outcome}: `{cause}`" if cause else outcome
