"""The one door to typer: declares a command's options, reads its arguments, then runs it."""

import functools
from collections.abc import Callable

import typer

from distcheck.agent.cli.exit import usage

Body = Callable[..., int]

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_GREEDY = {"ignore_unknown_options": True, "allow_interspersed_args": False}
_REFUSED: type[Exception] = next(
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
)
"""Every error of words that do not fit; typer exports only this subclass of it."""


def option(*names: str, says: str, metavar: str | None = None) -> object:
    """One option, for `Annotated`; values stay text until `options` reads them."""
    return typer.Option(*names, help=says, metavar=metavar, show_default=False)


def argument(says: str, metavar: str) -> object:
    """One positional argument, for `Annotated`."""
    return typer.Argument(help=says, metavar=metavar, show_default=False)


class Program:
    """One command, or a group of them, behind `run`."""

    def __init__(self, *bodies: Body, says: str = "", greedy: str = "") -> None:
        """A group where several bodies are given; the one named `greedy` keeps all words."""
        self._names = [body.__name__.strip("_") for body in bodies]
        self._app = typer.Typer(
            add_completion=False,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
            no_args_is_help=False,
            context_settings=_SETTINGS,
            help=says,
        )
        for name, body in zip(self._names, bodies, strict=True):
            settings = _SETTINGS | (_GREEDY if name == greedy else {})
            self._app.command(name, context_settings=settings)(_later(body))

    def paths(self) -> list[list[str]]:
        """The words before the options: none for a single command, else each of the group."""
        return [[name] for name in self._names] if len(self._names) > 1 else [[]]

    def options(self, words: list[str]) -> dict[str, str]:
        """What each long option says, of the command that `words` name within a group."""
        found = typer.main.get_command(self._app)
        for word in words:
            found = getattr(found, "commands", {}).get(word, found)
        return {
            name: str(getattr(param, "help", None) or "")
            for param in found.params
            for name in param.opts
            if name.startswith("--")
        }

    def read(self, name: str, argv: list[str]) -> Callable[[], int]:
        """What `argv` asks for, not run yet; `--help` is printed and asks for nothing.

        Raises:
            Stop: the words do not fit the command (code 2).
        """
        command = typer.main.get_command(self._app)
        try:
            job = command.main(args=argv, prog_name=name, standalone_mode=False)
        except _REFUSED as error:
            raise usage(f"{name.rpartition('distcheck ')[2]}: {_one_line(error)}") from error
        return job if callable(job) else lambda: int(job or 0)

    def run(self, name: str, argv: list[str]) -> int:
        """Read `argv` and run; the exit code.

        Raises:
            Stop: the words do not fit the command (code 2), or the command ended early.
        """
        return int(self.read(name, argv)())


def _later(body: Body) -> Callable[..., Callable[[], int]]:
    """Typer only reads words: the body runs after it, with our own error handling."""

    @functools.wraps(body)
    def bind(**given: object) -> Callable[[], int]:
        return functools.partial(body, **given)

    return bind


def _one_line(error: BaseException) -> str:
    say = getattr(error, "format_message", error.__str__)
    line = " ".join(str(say()).split()).rstrip(".")
    return line[:1].lower() + line[1:] + "; see --help"
