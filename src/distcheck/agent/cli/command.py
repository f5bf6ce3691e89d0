"""The one door to typer: declares a command's options, reads its arguments, then runs it.

Typer takes a quarter of a second to import: it reads only words that are not plain.
"""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from distcheck.agent.cli.exit import usage
from distcheck.agent.cli.words import Argument, Option, bound

if TYPE_CHECKING:
    import typer

Body = Callable[..., int]

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_GREEDY = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def option(*names: str, says: str, metavar: str | None = None) -> object:
    """One option, for `Annotated`; values stay text until `options` reads them."""
    return Option(names, says, metavar)


def argument(says: str, metavar: str) -> object:
    """One positional argument, for `Annotated`."""
    return Argument(says, metavar)


class Program:
    """One command, or a group of them, behind `run`."""

    def __init__(self, *bodies: Body, says: str = "", greedy: str = "") -> None:
        """A group where several bodies are given; the one named `greedy` keeps all words."""
        self._bodies, self._says, self._greedy = bodies, says, greedy
        self._names = [body.__name__.strip("_") for body in bodies]

    def _command(self) -> Any:
        import typer  # noqa: PLC0415 - see above

        app = typer.Typer(
            add_completion=False,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
            no_args_is_help=False,
            context_settings=_SETTINGS,
            help=self._says,
        )
        for name, body in zip(self._names, self._bodies, strict=True):
            settings = _SETTINGS | (_GREEDY if name == self._greedy else {})
            app.command(name, context_settings=settings)(_later(body))
        return typer.main.get_command(app)

    def paths(self) -> list[list[str]]:
        """The words before the options: none for a single command, else each of the group."""
        return [[name] for name in self._names] if len(self._names) > 1 else [[]]

    def options(self, words: list[str]) -> dict[str, str]:
        """What each long option says, of the command that `words` name within a group."""
        found = self._command()
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
        given = bound(self._bodies[0], argv) if len(self._bodies) == 1 else None
        if given is not None:
            return functools.partial(self._bodies[0], **given)
        command = self._command()
        try:
            job = command.main(args=argv, prog_name=name, standalone_mode=False)
        except _refused() as error:
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

    whole = inspect.signature(body)
    told = [p.replace(annotation=_told(p.annotation)) for p in whole.parameters.values()]
    bind.__signature__ = whole.replace(parameters=told)  # type: ignore[attr-defined]
    bind.__annotations__ = {p.name: p.annotation for p in told}
    return bind


def _told(hint: Any) -> Any:
    """An annotation in typer's own words."""
    (ours,) = hint.__metadata__
    return Annotated[hint.__origin__, _typers(ours)]


def _typers(ours: Option | Argument) -> "typer.models.ParameterInfo":
    import typer  # noqa: PLC0415 - see above

    settings = {"help": ours.says, "metavar": ours.metavar, "show_default": False}
    if isinstance(ours, Option):
        return typer.Option(*ours.names, **settings)  # type: ignore[arg-type, no-any-return]
    return typer.Argument(**settings)  # type: ignore[arg-type, no-any-return]


def _refused() -> type[Exception]:
    """Every error of words that do not fit; typer exports only a subclass of it."""
    import typer  # noqa: PLC0415 - see above

    return next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def _one_line(error: BaseException) -> str:
    say = getattr(error, "format_message", error.__str__)
    line = " ".join(str(say()).split()).rstrip(".")
    return line[:1].lower() + line[1:] + "; see --help"
