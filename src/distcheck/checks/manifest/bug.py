"""Bugs of ours: what raises is kept with the words to report it by, and ends nothing else."""

from types import TracebackType

from msgspec import Struct

from distcheck.checks.manifest.place import Spot

_MOST_CALLS, _MOST_LINES, _MOST_WORDS = 20, 200, 300
_OURS = "distcheck/"


class Bug(Struct, frozen=True):
    """What raised, where in our code, and the traceback of its last calls.

    `rule` is empty where it was no rule but what reads manifests. No message is kept that may
    repeat what a file holds: that may be a secret which nobody knows yet. `about` is the spot or
    the file that was judged then, empty for all of them; `line` is from 1, of a file as a whole 0.
    """

    says: str
    where: str
    trace: str
    rule: str = ""
    about: Spot | str = ""
    line: int = 0


class contained:  # noqa: N801 - as `contextlib.suppress`
    """What raises in it is kept in `bugs`, and what comes after it goes on."""

    def __init__(
        self, bugs: list[Bug], rule: str = "", about: Spot | str = "", line: int = 0
    ) -> None:
        self._bugs, self._told = bugs, (rule, about, line)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _frame: object) -> bool:
        if isinstance(error, Exception):
            self._bugs.append(bug_of(error, *self._told))
        return isinstance(error, Exception)


def bug_of(error: Exception, rule: str = "", about: Spot | str = "", line: int = 0) -> Bug:
    """What is told of `error`, from where it is caught.

    Raises:
        MemoryError: it is one: no bug, and nothing that could go on.
    """
    if isinstance(error, MemoryError):
        raise error
    what = type(error).__name__
    if rule and isinstance(error, _OF_CODE):
        what = f"{what}: {' '.join(str(error).split())}"[:_MOST_WORDS]
    return Bug(what, _where(error.__traceback__), traced(error, what), rule, about, line)


_OF_CODE = (TypeError, AttributeError, NameError, IndexError, ArithmeticError, ImportError)
"""What raises these tells of our code alone; a KeyError or ValueError repeats what it was given."""


def traced(error: BaseException, what: str = "") -> str:
    """The traceback of the last calls, with `what` for the message, or the type alone."""
    import traceback  # noqa: PLC0415 - only a bug pays for it

    calls = traceback.format_tb(error.__traceback__, limit=-_MOST_CALLS)
    lines = "".join([*calls, what or type(error).__name__]).split("\n")[-_MOST_LINES:]
    return "\n".join(one[:_MOST_WORDS] for one in ("Traceback (most recent call last):", *lines))


def _where(frame: TracebackType | None) -> str:
    """The last place in our code: `checks/config/world_has_gpus.py:31`."""
    found = "nowhere of ours"
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename.replace("\\", "/")
        if _OURS in file:
            found = f"{file.rpartition(_OURS)[2]}:{frame.tb_lineno}"
        frame = frame.tb_next
    return found
