"""What a caller of the gate asks: Flagger's webhook, or a path with a query."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct, structs

from distcheck.agent.duration import HOW, seconds_of
from distcheck.agent.serve.gate import Terms


class BadQuestion(ValueError):  # noqa: N818 - reads as what it is
    """The question cannot be answered as asked; the message says what is wrong, and where."""


class Question(Struct, frozen=True):
    """Whose verdict, and on which terms."""

    namespace: str
    workload: str
    terms: Terms = Terms()


class _Webhook(Struct, frozen=True):
    """The payload of a Flagger webhook, as far as it matters here."""

    name: str
    namespace: str
    metadata: dict[str, str] = {}


def webhook(body: bytes, query: str = "") -> Question:
    """From `{"name", "namespace", "metadata"}`; other fields of Flagger's are passed over.

    `metadata` may name the `workload` and its `namespace` where they are not the canary's.

    Raises:
        BadQuestion: no JSON, of another shape, with an option that is not known, or a `query`,
            which is where nobody reads options of a webhook.
    """
    if query:
        raise BadQuestion(f"query: {query[:64]!r}: a POST has its options in metadata")
    try:
        asked = msgspec.json.decode(body, type=_Webhook)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadQuestion(f"the body is no webhook of Flagger: {error}") from error
    options = dict(asked.metadata)
    namespace = options.pop("namespace", asked.namespace)
    workload = options.pop("workload", asked.name)
    if not namespace or not workload:
        raise BadQuestion("metadata: workload and namespace must not be empty")
    return Question(namespace, workload, terms_of(options, "metadata"))


def asked_in(query: str) -> dict[str, str]:
    """The options of an address.

    Raises:
        BadQuestion: an option without a value, or one that is given twice.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError as error:
        raise BadQuestion(f"query: {query[:64]!r}: write NAME=VALUE, joined by &") from error
    twice = [name for name, many in Counter(name for name, _ in pairs).items() if many > 1]
    if twice:
        raise BadQuestion(f"query: {twice[0][:64]!r} is given twice")
    return dict(pairs)


def terms_of(options: Mapping[str, str], where: str) -> Terms:
    """`strict`, `inconclusive` and `max_age` as text; `where` is for messages.

    Raises:
        BadQuestion: an unknown name, or a value that cannot be read.
    """
    unknown = sorted(options.keys() - _READ.keys())
    if unknown:
        raise BadQuestion(f"{where}: {unknown[0][:64]!r} is not one of {', '.join(_READ)}")
    read = {name: _READ[name](f"{where}: {name}", text) for name, text in options.items()}
    return structs.replace(Terms(), **read)


def _flag(where: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise BadQuestion(f"{where}: {text[:64]!r} is not true or false")
    return text == "true"


def _outcome(where: str, text: str) -> Literal["fail", "pass"]:
    if text not in ("fail", "pass"):
        raise BadQuestion(f"{where}: {text[:64]!r} is not fail or pass")
    return cast("Literal['fail', 'pass']", text)


def _age(where: str, text: str) -> float:
    seconds = seconds_of(text)
    if seconds is None:
        raise BadQuestion(f"{where}: {text[:64]!r} is not a duration; {HOW}")
    return seconds


_READ: dict[str, Callable[[str, str], Any]] = {
    "strict": _flag,
    "inconclusive": _outcome,
    "max_age": _age,
}
