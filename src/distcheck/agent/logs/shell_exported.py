"""What a script hands to the commands that it runs."""

from collections.abc import Iterator, Mapping, Sequence

from distcheck.agent.logs.shell_variables import Budget

_MOST = 500


class Exported:
    """The variables that a script has set so far, and which of them another shell sees."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._set: dict[str, str] = {}
        self._marked: set[str] = set()
        self._own: Mapping[str, str] = {}
        self._copy: dict[str, str] | None = None
        self._outside: list[dict[str, str]] = []

    def enter(self) -> None:
        """A subshell begins."""
        self._outside.append(dict(self._set))

    def leave(self) -> None:
        """What the subshell set is gone."""
        self._set, self._copy = self._outside.pop(), None

    def set(self, name: str, value: str | None) -> None:
        """None: it is not known any more."""
        if value != self._set.get(name):
            self._copy = None
        if value is None:
            self._set.pop(name, None)
        elif len(self._set) < _MOST:
            self._set[name] = value

    def mark(self, said: Sequence[str]) -> None:
        """`export NAME` and `declare -x NAME`."""
        flags = "".join(w for w in said if w.startswith("-"))
        if len(self._marked) < _MOST and (said[0] == "export" or "x" in flags):
            self._marked.update(w.partition("=")[0] for w in said[1:])

    def given(self, own: Mapping[str, str]) -> Mapping[str, str]:
        """All that is set, and the command's `own` (`A=1 vllm serve`): one copy, until it grows."""
        self._own = own
        if self._copy is None:
            self._copy = dict(self._set) if self._budget.pay(len(self._set)) else {}
        return {**self._copy, **own} if own else self._copy

    @property
    def hidden(self) -> Iterator[str]:
        """Those that no `export` was seen of: another shell may not see them."""
        return (n for n in self._set if n not in self._marked and n not in self._own)
