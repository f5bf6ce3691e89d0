"""The grammar of NCCL's log as a page: each form with its versions, what it proves, an example."""

from collections.abc import Iterable

from distcheck.agent.logs import nccl_grammar as grammar
from distcheck.agent.logs.nccl_grammar_channels import CHANNEL_FORMS

INTRO = """What `distcheck logs` and the NCCL checks read. Versions are those of NCCL's sources that
print the form (`2.18.3+`: from then on); examples are made up after its format strings. A line has
a head, `host:pid:tid [device]`, after whatever the launcher, the container runtime or a log
collector put before it; `NCCL INFO` or `NCCL WARN`; and one of the messages below. What is not
listed is passed over. To check a form against NCCL: search its source for the words of the example.
"""
_HEADS = "| form | versions | what it proves | example |\n|---|---|---|---|\n"


def nccl_page(made: str) -> str:
    """The whole page; `made` says where it comes from."""
    info = ((f.kind, f.versions, f.proves, f.examples) for f in grammar.FORMS)
    channels = ((f.transport, f.versions, f.proves, f.examples) for f in CHANNEL_FORMS)
    marks = ((f.id, f.versions, f.proves, f.examples) for f in grammar.MARK_FORMS)
    diag = ((f.kind, f.versions, f.proves, f.examples) for f in grammar.DIAG_FORMS)
    said = ((f.id, f.versions, _weight(f.weight), f.examples) for f in grammar.FAILURES)
    called = ((f.id, f.versions, _weight(f.weight), f.examples) for f in grammar.WRAPPED_FORMS)
    parts = (
        f"# NCCL's log, as read\n\n{made}\n\n{INTRO}",
        _table("Channels", channels),
        _table("Messages that show state", info),
        _table("Messages that explain a choice", marks),
        _table("Warnings", said),
        _table("What callers say of a failure", called),
        _table("NCCL's own diagnostics", diag),
    )
    return "\n".join(parts)


def _table(title: str, rows: Iterable[tuple[str, str, str, tuple[str, ...]]]) -> str:
    lines = (
        f"| `{name}` | {_cell(versions)} | {_cell(proves)} | `{_cell(examples[0])}` |\n"
        for name, versions, proves, examples in rows
    )
    return f"## {title}\n\n{_HEADS}{''.join(lines)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _weight(weight: str) -> str:
    return {
        "fatal": "a failure",
        "symptom": "a failure that follows from another one",
        "noise": "not fatal; healthy logs have it too",
    }[weight]
