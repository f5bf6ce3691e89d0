"""Loops of shell scripts that go no further before a server answers."""

import re
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from distcheck.checks.manifest.run_lines import run_lines, without_comments
from distcheck.pattern import pattern

_CALL = (
    r"(?:curl|wget)\b[^\n;|&]{0,160}?(?<=[\s\"'])"
    r"((?:https?://)?([^\s\"'/:]{1,200}):([0-9]{2,5})"
    r"/(?:health|v1/models|v1/health|ready|readyz|get_model)\w*)"
)
_LOOP = pattern(
    rf"(?<![\w-])(until|while\s+!)\s+(?:timeout\s+\S+\s+)?{_CALL}(?P<rest>[^\n;]{{0,200}}?)"
    r"\s*[;\n]\s*do\b",
    near=("curl", "wget"),
)
_CODE = pattern(
    rf"(?<![\w-])(until|while)\s+\[\[?\s+\"?\$\({_CALL}(?P<rest>[^\n;|&)]{{0,80}})\)\"?"
    r"\s+(?P<asks>=|==|-eq|!=|-ne)\s+[\"']?200[\"']?\s+\]\]?\s*[;\n]\s*do\b",
    near=("curl", "wget"),
)
"""By the answer's status, which is 000 where none comes."""
_GOES_ON = pattern(r"\\\n|(?<=&&)\s*\n|(?<=\|\|)\s*\n")
_QUOTED = pattern(r"\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"")
_BESIDE = pattern(r"(?<![>&])&(?![&>])")
_GREP = pattern(r"(?:[^|&]|>&|&>)*(?:\|\s*e?grep(?:\s+(?!-\w*[vLc]|--)[^|&\s]+)+\s*)?")
_AND = pattern(r"(?:[^|&]|>&|&>)*&&.*")
_LEAVES = pattern(r"\b(?:break|exit|return|exec|kill)\b")
_DONE = pattern(r"\bdone\b")
_SLEEPS = pattern(r"\s*(?:(?:sleep|echo|printf|date|true|:)(?![\w-])[^;\n]*)?")
_STEP = pattern(r"(?:;|\n|(?<![>&])&(?![&>]))")
_PLAIN = pattern(r"\s*(?:(?:cd|echo|export|mkdir|set|sleep|source|ulimit|unset)\s[^&|]*&&\s*)*")
_BRANCH = pattern(r"[^|]*(?:\|\|[^|]*)*(?:&&|\|\||\bthen|\belse|\bdo|\bif|\bwhile|\bin|\))\s*")
_NOT_FIRST = pattern(
    r"\s*\[\[?\s+\"?\$[{(]?\w*(?:INDEX|RANK)[)}]?\"?\s+"
    r"(?:(?:==?|-eq)\s+\"?0\"?\s+\]\]?\s*\|\||(?:!=|-ne|-gt)\s+\"?0\"?\s+\]\]?\s*&&)\s*"
)
_OPENS = pattern(r"(?:\A|[;&|({\n]|\b(?:then|do|else)\s)[ \t]*(?:if|for|while|until|select)\b")
_CLOSES = pattern(r"(?:\A|[;&|\n]|\b(?:then|do|else)\s)[ \t]*(?:fi|done)\b")
_CASE = pattern(r"(?:\A|[;&|({\n]|\b(?:then|do|else)\s)[ \t]*case\s")
_MOST = 8


class Loop(Struct, frozen=True):
    """It ends when `url` answers; `unseen` is what keeps it from being sure that it is run."""

    url: str
    host: str
    port: int
    unseen: str


def waiting_loops(script: str, until: re.Pattern[str]) -> Iterator[Loop]:
    """Those of the script's own flow, ahead of what `until` matches first.

    None in a function, a here-document or quotes, of those that end without an answer, or of
    those that are no wait for one.
    """
    text = run_lines(until.split(_GOES_ON.sub(" ", without_comments(script)), 1)[0])
    for kind in (_LOOP, _CODE):
        for found in islice(kind.finditer(text), _MOST):
            unseen = _unseen(text[: found.start()]) if _asks(found) else None
            inner = None if unseen is None else _inner(text[found.end() :])
            if unseen is not None and inner is not None:
                yield Loop(found[2], found[3], int(found[4]), unseen or inner)


def _asks(loop: re.Match[str]) -> bool:
    """Whether the condition holds by an answer alone."""
    asks, rest = loop.groupdict().get("asks"), loop["rest"]
    if asks:
        return (asks in ("!=", "-ne")) == (loop[1] == "while")
    if _GREP.fullmatch(rest):
        return True
    return loop[1] == "until" and "||" not in rest and bool(_AND.fullmatch(rest))


def _inner(rest: str) -> str | None:
    """What is unseen of a loop's own commands; None where they may end it, or run beside."""
    end = _DONE.search(rest)
    if end is None or _BESIDE.search(rest[end.end() :]):
        return None
    inner = _QUOTED.sub("_", rest[: end.start()])
    if _LEAVES.search(inner):
        return None
    return "" if all(_SLEEPS.fullmatch(s) for s in _STEP.split(inner)) else "what the loop does"


def _unseen(before: str) -> str | None:
    """What keeps it from being sure that the loop behind is run; None where it is not, here."""
    bare = _QUOTED.sub("_", before)
    of_case = bool(_CASE.search(bare))  # its patterns close what nothing opened
    in_group = bare.count("(") > bare.count(")") and not of_case
    if any(q in bare for q in "\"'`") or in_group or bare.count("{") > bare.count("}"):
        return None
    if _LEAVES.search(bare):
        return "whether the script comes to that"
    if of_case or len(_OPENS.findall(bare)) != len(_CLOSES.findall(bare)):
        return "whether that branch is taken"
    return _behind(_STEP.split(bare)[-1], _STEP.split(before)[-1], bool(_BESIDE.search(bare)))


def _behind(bare: str, lead: str, beside: bool) -> str | None:
    """The same, by what stands ahead of the loop in its own command."""
    if _PLAIN.fullmatch(bare) or _NOT_FIRST.fullmatch(lead):
        return "whether what runs beside it joins" if beside else ""
    return "whether that branch is taken" if _BRANCH.fullmatch(bare) else None
