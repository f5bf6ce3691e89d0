"""A shell script cut into words and operators (POSIX.1-2017, Shell Command Language 2.2, 2.3).

Linear in the script and total: what is never closed reaches to the end. Texts of here-documents
and targets of redirections are dropped; comments and line continuations too.
"""

import re
from typing import Literal

from msgspec import Struct

from distcheck.pattern import pattern

_MOST_CHARACTERS = 1 << 20
_BLANK = pattern(r"(?:[ \t\r\f\v]|\\\r?\n)+")
_PLAIN = pattern(r"[^\s\\'\"$`;&|()<>]+")
_IN_QUOTES = pattern(r"[^\\\"$`]+")
_OPERATOR = pattern(r"&&|\|\||;;&?|;&|\|&|[;&|()]")
_REDIRECT = pattern(r"&>>?|<<<|<<-?|<>|<&|>>|>&|>\||[<>]")
_NAME = pattern(r"[A-Za-z_]\w*|[@*#?$!\-0-9]", re.ASCII)
_IN_PARENTHESES = pattern(r"[()\\'\"]")
_IN_BRACES = pattern(r"[{}\\'\"]")

Kind = Literal["text", "parameter", "arithmetic", "other"]


class Part(Struct, frozen=True):
    """A piece of a word. `raw` is how the script writes it; `other` is what a command prints.

    Its `text` is the command, empty where it stands in backticks.
    """

    kind: Kind
    text: str
    quoted: bool
    raw: str


class Token(Struct, frozen=True):
    """An operator (a newline is one), or the parts of a word."""

    operator: str = ""
    parts: tuple[Part, ...] = ()


def tokens(script: str) -> list[Token]:
    """The tokens of `script`, of its first MiB."""
    cursor = _Cursor(script[:_MOST_CHARACTERS])
    found: list[Token] = []
    while cursor.at < len(cursor.text):
        token = cursor.token()
        if token is not None:
            found.append(token)
    return found


def word_parts(text: str) -> tuple[Part, ...]:
    """The parts of `text` read as one word, blanks and operators included."""
    return tuple(_Cursor(text[:_MOST_CHARACTERS]).quoted_until(None))


class _Cursor:
    """Where the reading stands, and the here-documents whose text is still to come."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self._documents: list[tuple[str, bool]] = []

    def token(self) -> Token | None:
        """The next token; None for what is dropped. Always moves on."""
        if blank := _BLANK.match(self.text, self.at):
            self.at = blank.end()
            return None
        here = self.text[self.at]
        if here == "\n":
            self.at += 1
            self._skip_documents()
            return Token("\n")
        if here == "#":
            self.at = self._find("\n")
            return None
        return self._redirect() or self._operator_or_word()

    def _find(self, what: str, start: int | None = None) -> int:
        found = self.text.find(what, self.at if start is None else start)
        return len(self.text) if found < 0 else found

    def _redirect(self) -> Token | None:
        found = _REDIRECT.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        if blank := _BLANK.match(self.text, self.at):
            self.at = blank.end()
        target = "".join(p.text for p in self._word())
        if found[0] in ("<<", "<<-"):
            self._documents.append((target, found[0] == "<<-"))
        return Token(">")

    def _operator_or_word(self) -> Token | None:
        if found := _OPERATOR.match(self.text, self.at):
            self.at = found.end()
            return Token(found[0])
        parts = self._word()
        if not parts:
            self.at += 1  # a character that no rule takes
            return None
        number = len(parts) == 1 and not parts[0].quoted and parts[0].text.isdigit()
        if number and self.text[self.at : self.at + 1] in ("<", ">"):
            return None  # the descriptor in `2>&1`
        return Token(parts=tuple(parts))

    def _skip_documents(self) -> None:
        for delimiter, stripped in self._documents:
            while self.at < len(self.text):
                end = self._find("\n")
                line = self.text[self.at : end]
                self.at = end + 1
                if (line.lstrip("\t") if stripped else line) == delimiter:
                    break
        self._documents.clear()

    def _word(self) -> list[Part]:
        parts: list[Part] = []
        while self.at < len(self.text):
            here = self.text[self.at]
            if plain := _PLAIN.match(self.text, self.at):
                parts.append(Part("text", plain[0], quoted=False, raw=plain[0]))
                self.at = plain.end()
            elif here == "'":
                end = self._find("'", self.at + 1)
                parts.append(_text(self.text[self.at + 1 : end]))
                self.at = end + 1
            elif here == '"':
                self.at += 1
                parts += [_text(""), *self.quoted_until('"')]
            elif here == "\\":
                parts += [] if self._escaped() == "\n" else [_text(self._escaped())]
                self.at += 2
            elif here in "$`":
                parts.append(self._expansion(quoted=False))
            else:
                break
        return parts

    def _escaped(self) -> str:
        return self.text[self.at + 1 : self.at + 2]

    def quoted_until(self, quote: str | None) -> list[Part]:
        """Parts up to an unescaped `quote`, or to the end."""
        parts: list[Part] = []
        while self.at < len(self.text):
            here = self.text[self.at]
            if here == quote:
                self.at += 1
                break
            if plain := _IN_QUOTES.match(self.text, self.at):
                parts.append(_text(plain[0]))
                self.at = plain.end()
            elif here == "\\":
                parts.append(_text(_unescaped(self._escaped())))
                self.at += 2
            elif here in "$`":
                parts.append(self._expansion(quoted=True))
            else:
                parts.append(_text(here))
                self.at += 1
        return parts

    def _expansion(self, *, quoted: bool) -> Part:
        start, rest = self.at, self.text[self.at : self.at + 3]
        if rest[0] == "`":
            self.at = self._find("`", start + 1) + 1
            return self._part("other", start, "", quoted=quoted)
        if rest == "$((":
            end = self._closed(start + 1, _IN_PARENTHESES, "(")
            inside = self.text[start + 3 : end - 2]
            self.at = end
            return self._part("arithmetic", start, inside, quoted=quoted)
        if rest[:2] == "$(":
            self.at = self._closed(start + 1, _IN_PARENTHESES, "(")
            return self._part("other", start, self.text[start + 2 : self.at - 1], quoted=quoted)
        if rest[:2] == "${":
            self.at = self._closed(start + 1, _IN_BRACES, "{")
            return self._part("parameter", start, self.text[start + 2 : self.at - 1], quoted=quoted)
        name = _NAME.match(self.text, start + 1)
        self.at = name.end() if name else start + 1
        if name is None:  # `$` before a quote, or on its own
            text = "" if rest[1:2] in ("'", '"') and not quoted else "$"
            return Part("text", text, quoted=True, raw="$")
        return self._part("parameter", start, name[0], quoted=quoted)

    def _part(self, kind: Kind, start: int, text: str, *, quoted: bool) -> Part:
        return Part(kind, text, quoted=quoted, raw=self.text[start : self.at])

    def _closed(self, at: int, marks: re.Pattern[str], opening: str) -> int:
        """Behind what closes the bracket at `at`; the end where nothing does."""
        depth = 0
        while found := marks.search(self.text, at):
            at = found.end()
            if found[0] == "\\":
                at += 1
            elif found[0] in "'\"":
                at = self._find(found[0], at) + 1
            else:
                depth += 1 if found[0] == opening else -1
            if depth == 0:
                return min(at, len(self.text))
        return len(self.text)


def _text(text: str) -> Part:
    return Part("text", text, quoted=True, raw=text)


def _unescaped(character: str) -> str:
    """In double quotes a backslash is only special before these (2.2.3)."""
    if character == "\n":
        return ""
    return character if character in '$`"\\' else f"\\{character}"
