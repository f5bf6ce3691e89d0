"""What is known of a shell's variables, and words with it put in (POSIX.1-2017, 2.6)."""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from distcheck.agent.logs.shell_arithmetic import arithmetic
from distcheck.agent.logs.shell_tokens import Part, word_parts
from distcheck.pattern import pattern

_MOST_DEPTH = 6
_MOST_CHARACTERS = 1 << 16
_PARAMETER = pattern(
    r"([A-Za-z_]\w{0,127}|[@*#?$!\-0-9])(\[[@*]\])?(?:(:?[-=+?]|%%?|##?)(.*))?\Z",
    re.ASCII | re.DOTALL,
)
_CHANGED = pattern(r"\$\{\w{1,128}[^\w}]", re.ASCII)
_GLOB = frozenset("*?[\\")
_ECHO, _MOST_PRINTING = "echo ", 256


class Word(Struct, frozen=True):
    """A word of a command; where it is not `known`, `text` is as the script writes it."""

    text: str
    known: bool = True


Value = tuple[Word, ...]
"""What a variable holds: one word, or those of an array."""
Known = Mapping[str, str | None]
"""Variables of a container; None for one that is set to what cannot be read (a Secret's)."""
_ABSENT: Value = (Word("", known=False),)


class Budget(Struct):
    """What reading one script, with all scripts inside it, may cost.

    A step is a command or an operator; characters are those that variables hold or put into
    words. Without any left the rest of the script is not read, or stays as it is written.
    """

    steps: int = 50_000
    characters: int = 1 << 18
    lasted: bool = True

    def step(self) -> bool:
        """Whether there was one left."""
        self.steps -= 1
        if self.steps < 0:
            self.lasted = False
        return self.lasted

    def pay(self, characters: int) -> bool:
        """Whether there were as many left."""
        self.characters -= characters
        if self.characters < 0:
            self.lasted = False
        return self.characters >= 0

    def spend(self) -> None:
        """All of it: what follows is not read."""
        self.steps, self.lasted = 0, False


class _Before(Struct, frozen=True):
    """What a subshell changed: one variable, or all of them."""

    name: str
    value: Value | None
    every: dict[str, Value | None] | None = None
    clouded: bool = False


class Variables:
    """Variables by name; None for one whose value cannot be told.

    A name that is absent may still be set by the image. With `assume` it counts as unset
    where the script has a default for it (`${TP:-8}`), and nowhere else. What is set inside a
    subshell is forgotten at its end (2.12).
    """

    def __init__(
        self,
        values: Known | None,
        *,
        assume: bool,
        positional: Iterable[str] = (),
        budget: Budget | None = None,
    ) -> None:
        self._budget = budget or Budget()
        self.values: dict[str, Value | None] = {
            k: None if v is None else (Word(v),) for k, v in (values or {}).items()
        }
        self.assume, self.depth, self.sure = assume, 0, True
        self._clouded = False
        self._subshells: list[list[_Before]] = []
        self._set_positional(tuple(positional))

    def _set_positional(self, words: tuple[str, ...]) -> None:
        """`$0` and what follows a script; without any, a function may still have its own."""
        for number, word in enumerate(words[:10]):
            self.values[str(number)] = (Word(word),)
        if words:
            self.values["@"] = self.values["*"] = tuple(map(Word, words[1:]))

    def set(self, name: str, value: Value | None) -> None:
        """`name` holds `value` from here on."""
        if self._subshells:
            self._subshells[-1].append(_Before(name, self.values.get(name, _ABSENT)))
        self.values[name] = value if self._holds(value or ()) else None

    def _holds(self, value: Value) -> bool:
        size = sum(len(w.text) + 1 for w in value)
        return size <= _MOST_CHARACTERS and self._budget.pay(size)

    def cloud(self) -> None:
        """Something that is not read here may have set any variable."""
        if self._subshells:
            before = _Before("", None, self.values, clouded=self._clouded)
            self._subshells[-1].append(before)
        self.values = {}
        self._clouded = True

    def enter(self) -> None:
        """A subshell begins."""
        self._subshells.append([])

    def leave(self) -> None:
        """A subshell ends: everything is as it was before."""
        for one in reversed(self._subshells.pop() if self._subshells else []):
            if one.every is not None:
                self.values, self._clouded = one.every, one.clouded
            elif one.value is _ABSENT:
                self.values.pop(one.name, None)
            else:
                self.values[one.name] = one.value

    def text(self, name: str) -> str | None:
        """The one known word that `name` holds."""
        value = self.values.get(name)
        return value[0].text if value and len(value) == 1 and value[0].known else None

    def words(self, parts: Iterable[Part]) -> Value:
        """The words that a word of the script becomes: none, one, or several."""
        fields = _Fields()
        for part in parts:
            self._put(part, fields)
        return fields.words()

    def joined(self, parts: Iterable[Part]) -> Word:
        """The one word that an assignment takes: never cut at blanks."""
        words = self.words(Part(p.kind, p.text, quoted=True, raw=p.raw) for p in parts)
        return Word(" ".join(w.text for w in words), all(w.known for w in words))

    def _put(self, part: Part, fields: "_Fields") -> None:
        if part.kind == "text":
            fields.add(part.text, quoted=part.quoted)
            return
        value = self._value(part)
        if value is None or not self._budget.pay(sum(len(w.text) + 1 for w in value)):
            fields.add_unknown(part.raw)
        elif part.quoted and not _is_list(part):
            fields.add(" ".join(w.text for w in value), known=all(w.known for w in value))
        else:
            fields.splice(value, cut=not part.quoted)

    def _value(self, part: Part) -> Value | None:
        if part.kind == "parameter":
            return self._parameter(part.text)
        if part.kind == "other":
            return self._printed(part.text) if _ECHO in part.text else None
        number = self._arithmetic(part.text)
        return None if number is None else (Word(str(number)),)

    def _printed(self, inside: str) -> Value | None:
        """What `$( ... )` prints."""
        from distcheck.agent.logs.shell_printed import printed  # noqa: PLC0415 - a ring, and rare

        if self.depth >= _MOST_DEPTH or len(inside) > _MOST_PRINTING or not self._budget.step():
            return None
        self.depth += 1
        said = printed(inside, self.words)
        self.depth -= 1
        return said

    def _arithmetic(self, text: str) -> int | None:
        """`${...}` with an operator inside is put in before anything is worked out (2.6.4)."""
        if _CHANGED.search(text) is None:
            return arithmetic(text, self.text)
        if self.depth >= _MOST_DEPTH:
            return None
        self.depth += 1
        word = self.joined(word_parts(text))
        self.depth -= 1
        return arithmetic(word.text, self.text) if word.known else None

    def _parameter(self, inside: str) -> Value | None:
        found = _PARAMETER.match(inside)
        if found is None or self.depth >= _MOST_DEPTH:
            return None
        name, listed, operator, rest = found.groups()
        value = self.values.get(name)
        if operator is None:
            return value if listed or name in "@*" or value is None else value[:1]
        if operator[0] in "%#":
            return _trimmed(self.text(name), operator, rest)
        return self._with_default(name, value, operator, rest)

    def _with_default(
        self, name: str, value: Value | None, operator: str, rest: str
    ) -> Value | None:
        of_function = name.isdigit() or name in "@*"  # which may have words of its own
        absent = name not in self.values and self.assume and not self._clouded and not of_function
        if value is None and not absent:
            return None
        empty = absent or (operator[0] == ":" and not "".join(w.text for w in value or ()))
        if operator[-1] == "+":
            return () if empty else self._default(rest)
        if not empty or operator[-1] == "?":
            return value
        default = self._default(rest)
        if operator[-1] == "=":
            self.set(name, default if self.sure else None)
        return default

    def _default(self, text: str) -> Value | None:
        self.depth += 1
        word = self.joined(word_parts(text.strip("'\"") if text[:1] in ("'", '"') else text))
        self.depth -= 1
        return (word,) if word.known and len(word.text) <= _MOST_CHARACTERS else None


def _is_list(part: Part) -> bool:
    return part.text == "@" or part.text.endswith("[@]")


def _trimmed(text: str | None, operator: str, pattern: str) -> Value | None:
    """`${X##*-}` and its like, for patterns with one `*` at the side that is cut, or none."""
    head = operator[0] == "#"
    literal = pattern.removeprefix("*") if head else pattern.removesuffix("*")
    if text is None or not literal or _GLOB & set(literal) or set("$'\"`") & set(literal):
        return None
    if literal == pattern:
        return (Word(text.removeprefix(literal) if head else text.removesuffix(literal)),)
    if literal not in text:
        return (Word(text),)
    if head:
        parts = text.rpartition(literal) if operator == "##" else text.partition(literal)
        return (Word(parts[2]),)
    parts = text.partition(literal) if operator == "%%" else text.rpartition(literal)
    return (Word(parts[0]),)


class _Fields:
    """Words in the making: blanks of what was not quoted cut them."""

    def __init__(self) -> None:
        self._done: list[Word] = []
        self._text: list[str] = []
        self._known = self._begun = False

    def add(self, text: str, *, quoted: bool = True, known: bool = True) -> None:
        self._known = (self._known or not self._begun) and known
        self._begun = self._begun or quoted or bool(text)
        self._text.append(text)

    def add_unknown(self, raw: str) -> None:
        self.add(raw, known=False)

    def splice(self, value: Value, *, cut: bool) -> None:
        """The words of a value: the first goes on with what is here, the last goes on after it."""
        texts = [Word(t, w.known) for w in value for t in (w.text.split() if cut else [w.text])]
        for number, word in enumerate(texts):
            if number:
                self._end()
            self.add(word.text, known=word.known)

    def words(self) -> Value:
        self._end()
        return tuple(self._done)

    def _end(self) -> None:
        if self._begun:
            self._done.append(Word("".join(self._text), self._known))
        self._text, self._begun, self._known = [], False, False
