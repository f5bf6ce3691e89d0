"""What a command substitution prints, where it is only tests and `echo` (POSIX.1-2017, 2.6.3)."""

from collections.abc import Callable, Sequence

from distcheck.agent.logs.shell_flow import Flow, is_test, outcome
from distcheck.agent.logs.shell_tokens import Part, Token, tokens
from distcheck.agent.logs.shell_variables import Value, Word

_GLOB = frozenset("*?[\\")
_SEPARATES = frozenset({"&&", "||", ";", "\n"})
Words = Callable[[tuple[Part, ...]], Value]


def printed(inside: str, words: Words) -> Value | None:
    """The words that `[ TEST ] && echo A || echo B` prints; None where that cannot be told.

    `words` puts variables into a word of the script.
    """
    flow, said, command = Flow(), list[Word](), list[Token]()
    for token in (*tokens(inside), Token(";")):
        if not token.operator:
            command.append(token)
        elif token.operator not in _SEPARATES:
            return None
        else:
            more = _run(command, flow, words) if command else ()
            if more is None:
                return None
            said += more
            command = []
            flow.operator(token.operator)
    return tuple(said)


def _run(command: Sequence[Token], flow: Flow, words: Words) -> Value | None:
    """What one command prints; None where it may run, or is another one."""
    if flow.runs is not True:
        return None if flow.runs is None else ()
    found = [w for token in command for w in words(token.parts)]
    first = found[0].text if found else ""
    told = outcome(found)
    if told is not None and (is_test(found) or first in ("true", "false", ":")):
        flow.returned(told, negated=False, tested=True)
        return ()
    plain = all(w.known and not _GLOB & set(w.text) for w in found)
    if first != "echo" or not plain or {w.text for w in found[1:2]} & {"-n", "-e", "-E"}:
        return None
    flow.returned(True, negated=False, tested=False)
    return tuple(found[1:])
