"""The one door to typer: declares a command's options, reads its arguments, then runs it.

Typer takes a quarter of a second to import: it reads only words that are not plain, and help is our
own page.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from distcheck.agent.cli.exit import usage
from distcheck.agent.cli.words import Argument, Option, ask_for_help, bound

if TYPE_CHECKING:
    import typer

Body = Callable[..., int]

_SETTINGS = {"help_option_names": ["-h", "--help"]}
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
        self._bodies = {body.__name__.strip("_"): body for body in bodies}
        self._says, self._greedy = says, greedy
        self._alone = bodies[0] if len(bodies) == 1 else None

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
        for name, body in self._bodies.items():
            settings = _SETTINGS | (_GREEDY if name == self._greedy else {})
            app.command(name, context_settings=settings)(_later(body))
        return typer.main.get_command(app)

    def paths(self) -> list[list[str]]:
        """The words before the options: none for a single command, else each of the group."""
        return [[]] if self._alone else [[name] for name in self._bodies]

    def options(self, words: list[str]) -> dict[str, str]:
        """What each long option says, of the command that `words` name within a group."""
        from distcheck.agent.cli.help_page import options_of  # noqa: PLC0415 - few ask

        body = self._alone or self._bodies.get(words[0] if words else "")
        return options_of(body) if body else {}

    def read(self, name: str, argv: list[str]) -> Callable[[], int]:
        """What `argv` asks for, not run yet; `--help` asks for a page.

        Raises:
            Stop: the words do not fit the command (code 2).
        """
        if ask_for_help(argv) and (page := self._page(name, argv)):
            return functools.partial(_told, page)
        given = bound(self._alone, argv) if self._alone else None
        if self._alone and given is not None:
            return functools.partial(self._alone, **given)
        command = self._command()
        try:
            job = command.main(args=argv, prog_name=name, standalone_mode=False)
        except _refused() as error:
            raise usage(f"{name.rpartition('distcheck ')[2]}: {_one_line(error)}") from error
        return job if callable(job) else lambda: int(job or 0)

    def _page(self, name: str, argv: list[str]) -> str:
        """The page of help; empty where the words are for a command that `greedy` runs."""
        from distcheck.agent.cli import help_page  # noqa: PLC0415 - few ask
        from distcheck.agent.cli.output import stdout_page  # noqa: PLC0415 - it needs options

        width = stdout_page().width
        if self._alone:
            return help_page.command_page(name, self._alone, width)
        first, *rest = argv
        if ask_for_help([first]):
            return help_page.group_page(name, self._says, self._bodies, width)
        if first in self._bodies and ask_for_help(rest[:1] if first == self._greedy else rest):
            return help_page.command_page(f"{name} {first}", self._bodies[first], width)
        return ""

    def run(self, name: str, argv: list[str]) -> int:
        """Read `argv` and run; the exit code.

        Raises:
            Stop: the words do not fit the command (code 2), or the command ended early.
        """
        return int(self.read(name, argv)())


def _told(page: str) -> int:
    from distcheck.agent.cli.output import say  # noqa: PLC0415 - it needs options

    say(page)
    return 0


def _later(body: Body) -> Callable[..., Callable[[], int]]:
    """Typer only reads words: the body runs after it, with our own error handling."""

    @functools.wraps(body)
    def bind(**given: object) -> Callable[[], int]:
        return functools.partial(body, **given)

    import inspect  # noqa: PLC0415 - only where typer is, which needs it anyway

    whole = inspect.signature(body)
    told = [p.replace(annotation=_in_typers_words(p.annotation)) for p in whole.parameters.values()]
    bind.__signature__ = whole.replace(parameters=told)  # type: ignore[attr-defined]
    bind.__annotations__ = {p.name: p.annotation for p in told}
    return bind


def _in_typers_words(hint: Any) -> Any:
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
