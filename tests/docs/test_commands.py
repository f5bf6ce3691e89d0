"""Every command that the documents tell: it parses, and names what is there."""

import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from tools.doc_blocks import ROOT, Block, blocks, inline_code, pages

from distcheck.agent.cli import lint
from distcheck.agent.cli.app import COMMANDS
from distcheck.agent.cli.command import Program
from distcheck.agent.cli.exit import Stop
from distcheck.checks.catalog import catalog
from distcheck.checks.manifest.rules import rules
from distcheck.exporters.formats import FORMATS
from distcheck.lab.scenarios import names

_SHELL = ("sh", "bash", "console")
_BREAKS = {"|", "||", "&&", ";", "&", "do", "done", "then", "until", "while", "if", "fi", "!"}
_TARGET = re.compile(r"^([a-z][\w.-]*):", re.MULTILINE)
_IDS = ("--only", "--skip", "--require")
_PLACE = re.compile(r"[A-Z]|[…<>{}\[\]]|\.\.\.")
"""In inline code: a word to be replaced by the reader's own."""

_NAMED_ONLY = "requires an argument; see --help"
"""In the text an option may be named without its value."""


def told(block: Block) -> str:
    """The commands of a block: of a console, what stands behind a prompt."""
    if block.language != "console":
        return block.text
    return "\n".join(line[2:] for line in block.text.splitlines() if line.startswith("$ "))


def commands(text: str) -> Iterator[list[str]]:
    """The words of each simple command of a shell text; substitutions are left as they are."""
    line = ""
    for part in text.replace("\\\n", " ").splitlines():
        line += f"{part}\n"
        try:
            words = words_of(line)
        except ValueError:  # a quote goes on in the next line
            continue
        line = ""
        for ends, command in groupby(words, _BREAKS.__contains__):
            if not ends:
                yield list(command)


def words_of(line: str) -> list[str]:
    """As bash would split it; operators are words of their own."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    return list(lexer)


def wrong(words: list[str]) -> str:
    """What is wrong with a command; empty where nothing is, or it is none that is known here."""
    checks = {"distcheck": of_distcheck, "kubectl": of_files, "helm": of_files, "make": of_make}
    judge = checks.get(words[0].rpartition("/")[2])
    return judge(words[1:]) if judge else ""


def of_distcheck(words: list[str]) -> str:
    """Whether our own parser takes the words; nothing is run."""
    if not words or words[0] in ("--version", "--help"):
        return ""
    if words[0] not in COMMANDS:
        return f"there is no command {words[0]}"
    if words[:2] == ["lab", "run"]:
        return of_lab(words[2:])
    program = importlib.import_module(COMMANDS[words[0]][0]).PROGRAM
    if not isinstance(program, Program):
        return ""
    try:
        program.read(f"distcheck {words[0]}", [w for w in words[1:] if w != "--help"])
    except Stop as stop:
        return stop.says
    return of_values(words)


def of_lab(words: list[str]) -> str:
    """A scenario, and what follows it: options of verify, or a command behind `--`."""
    if not words:
        return ""
    if words[0] not in scenarios():
        return f"there is no scenario {' '.join(words[:1])}"
    rest = words[1:]
    if rest[:1] == ["--"]:
        return wrong(["distcheck", *rest[1:]] if rest[1] in COMMANDS else rest[1:])
    return of_distcheck(["verify", "vllm-head-0", *rest]) if rest else ""


@cache
def scenarios() -> frozenset[str]:
    """What the lab can play."""
    return frozenset(names())


@cache
def ids() -> frozenset[str]:
    """Every check and rule that there is."""
    return frozenset(c.id for c in catalog()) | {r.id for r in rules()}


def of_values(words: list[str]) -> str:
    """Formats and check ids that are there."""
    pairs = list(pairwise(words))
    formats = {v.partition("=")[0] for o, v in pairs if o in ("-o", "--output")}
    named = {i for o, v in pairs if o in _IDS for i in v.split(",")}
    formats -= set(lint.FORMATS if words[0] == "lint" else FORMATS)
    unknown = sorted(formats | (named - ids()))
    return f"there is no {', '.join(unknown)}" if unknown else ""


def of_files(words: list[str]) -> str:
    """Files of this repository that the words name."""
    named = [w for w in words if w.startswith(("deploy/", "docs/", "./deploy/"))]
    named = [w for w in named if w.split("/")[1] not in ("distcheck-serve", "vllm")]
    gone = [w for w in named if not (ROOT / w).exists()]
    return f"there is no {', '.join(gone)}" if gone else ""


@cache
def targets() -> frozenset[str]:
    """What `make` can make here."""
    return frozenset(_TARGET.findall((ROOT / "Makefile").read_text()))


def of_make(words: list[str]) -> str:
    """Targets of the Makefile."""
    gone = [w for w in words if "=" not in w and not w.startswith("-") and w not in targets()]
    return f"make cannot make {', '.join(gone)}" if gone else ""


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_of_a_page_is_one(page: Path) -> None:
    """In blocks of shell, and in blocks that name no language."""
    shell = [b for b in blocks(page) if b.language in ("", *_SHELL)]
    known = ("distcheck ", "kubectl ", "helm ", "make ")
    found = [
        f"{block.place}: {shlex.join(words)}: {why}"
        for block in shell
        for words in commands(_lines(block, known))
        if (why := wrong(words))
    ]
    assert found == []


def _lines(block: Block, known: tuple[str, ...]) -> str:
    """All of a shell block; of one without a language, lines that begin like a command."""
    if block.language:
        return told(block)
    starts = (n for n, x in enumerate(block.text.splitlines()) if x.startswith(known))
    first = next(starts, None)
    return "" if first is None else "\n".join(block.text.splitlines()[first:])


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_block_of_shell_is_shell(page: Path) -> None:
    """Bash parses all of a page; each block is a function, so that none can end another."""
    shell = [b for b in blocks(page) if b.language in _SHELL]
    text = "".join(f"f() {{ :\n{told(b)}\n}}\n" for b in shell)
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{page.name}: {done.stderr}"


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_the_text_are_some_too(page: Path) -> None:
    """Between backticks; where a word is the reader's to fill in, the command alone."""
    found = []
    for code in inline_code(page.read_text(encoding="utf-8")):
        if not code.startswith("distcheck "):
            continue
        words = code.split()[1:]
        place = next((n for n, w in enumerate(words) if _PLACE.search(w)), None)
        kept = words[:1] if place is not None else words
        why = wrong(["distcheck", *kept]) if len(kept) > 1 else _no_command(kept)
        found += [f"`{code}`: {why}"] if why and not why.endswith(_NAMED_ONLY) else []
    assert found == []


def _no_command(words: list[str]) -> str:
    return "" if words[0] in COMMANDS or words[0].startswith("-") else f"no command {words[0]}"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("distcheck verfy x", "no command verfy"),
        ("distcheck verify x --frobnicate", "frobnicate"),
        ("distcheck verify x --only SHARD999", "SHARD999"),
        ("distcheck verify x -o pdf", "pdf"),
        ("distcheck lab run no-such-fault", "no-such-fault"),
        ("kubectl apply -f deploy/nothing.yaml", "nothing.yaml"),
        ("make coffee", "coffee"),
    ],
)
def test_a_command_that_is_none_is_found(words: str, part: str) -> None:
    """The tests above can fail."""
    assert part in wrong(words.split())


def test_make_help_names_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    (told,) = re.findall(r"^help:\n((?:\t@echo .*\n)+)", text, re.MULTILINE)
    assert {*phony.split()} - {*re.findall(r"[a-z-]+", told)} == {"help"}
