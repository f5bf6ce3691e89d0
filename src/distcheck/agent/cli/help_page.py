"""What `--help` prints of a command: typer would take longer to import than all else takes."""

from collections.abc import Callable, Iterable
from typing import Any

from distcheck.agent.cli.words import Argument, Option, Parameter, parameters
from distcheck.exporters.typography import columns, pad, wrap

_OF_HELP = ("-h, --help", "Show this message and exit.")
_NAMES = 30
"""Columns; a longer name has a line of its own."""
_WIDEST, _NARROWEST = 100, 50


def command_page(called: str, body: Callable[..., int], width: int) -> str:
    """Of one command, `width` columns wide."""
    known = list(parameters(body))
    arguments = [p for p in known if isinstance(p.told, Argument)]
    usage = ["[OPTIONS]", *(_in_usage(p) for p in arguments)]
    named = [_of_option(p) for p in known if isinstance(p.told, Option)]
    parts = [
        _usage(called, usage, width),
        _prose(body.__doc__ or "", width),
        _table("Arguments", map(_of_argument, arguments), width),
        _table("Options", [*named, _OF_HELP], width),
    ]
    return "\n".join(filter(None, parts))


def group_page(called: str, says: str, bodies: dict[str, Callable[..., int]], width: int) -> str:
    """Of a group of commands, by name."""
    first = {name: (body.__doc__ or "").partition("\n")[0] for name, body in bodies.items()}
    parts = [
        _usage(called, ["[OPTIONS]", "COMMAND", "[ARGS]..."], width),
        _prose(says, width),
        _table("Options", [_OF_HELP], width),
        _table("Commands", first.items(), width),
    ]
    return "\n".join(parts)


def options_of(body: Callable[..., int]) -> dict[str, str]:
    """What each long option says."""
    rows = [(n, p.told) for p in parameters(body) for n in getattr(p.told, "names", ())]
    told = {name: told.says for name, told in rows if name.startswith("--")}
    return told | {"--help": _OF_HELP[1]}


def _in_usage(argument: Parameter) -> str:
    name = argument.told.metavar or ""
    return name if argument.is_required else f"[{name}]"


def _of_argument(argument: Parameter) -> tuple[str, str]:
    return argument.told.metavar or "", _says(argument)


def _of_option(option: Parameter) -> tuple[str, str]:
    told: Any = option.told
    value = "" if option.is_switch else f" {told.metavar or option.name.upper()}"
    names = sorted(told.names, key=lambda name: name.startswith("--"))
    return ", ".join(names) + value, _says(option)


def _says(one: Parameter) -> str:
    return one.told.says + (" [required]" if one.is_required else "")


def _usage(called: str, words: list[str], width: int) -> str:
    head = f"Usage: {called} "
    room = _room(width) - columns(head)
    first, *rest = wrap(" ".join(words), room)
    return "\n".join([head + first, *(" " * columns(head) + line for line in rest), ""])


def _prose(text: str, width: int) -> str:
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    told = (wrap(part, _room(width) - 2) for part in paragraphs if part)
    return "\n".join("".join(f"  {line}\n" for line in lines) for lines in told)


def _table(heading: str, rows: Iterable[tuple[str, str]], width: int) -> str:
    known = list(rows)
    names = min(max((columns(name) for name, _ in known), default=0), _NAMES) + 2
    lines = [line for name, says in known for line in _row(name, says, names, width)]
    return "".join(f"{line}\n" for line in [f"{heading}:", *lines]) if known else ""


def _row(name: str, says: str, names: int, width: int) -> list[str]:
    first, *rest = wrap(says, _room(width) - names - 2)
    own_line = columns(name) > names - 2
    head = [f"  {name}", f"  {'':{names}}{first}"] if own_line else [f"  {pad(name, names)}{first}"]
    return [*head, *(f"  {'':{names}}{line}" for line in rest)]


def _room(width: int) -> int:
    return max(min(width, _WIDEST) - 2, _NARROWEST)
