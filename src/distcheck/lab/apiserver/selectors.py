"""Label and field selectors, as query parameters spell them."""

import re
from collections.abc import Callable, Collection, Mapping

Match = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*\Z")
_EQUAL = re.compile(r"\s*(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s,()]*)\s*\Z")
_EXISTS = re.compile(r"\s*(?P<no>!?)\s*(?P<key>[^\s!=,()]+)\s*\Z")
_COMMA = re.compile(r",(?![^()]*\))")


def label_match(selector: str) -> Match:
    """A test of labels for `a=b,c!=d,e in (x,y),f,!g`.

    Raises:
        ValueError: a term that is none of these.
    """
    terms = [_term(t) for t in _COMMA.split(selector) if t.strip()]
    return lambda labels: all(term(labels) for term in terms)


def field_match(selector: str, allowed: Collection[str]) -> Callable[[Mapping[str, object]], bool]:
    """A test of an object for `metadata.name=x,status.phase!=Running`.

    Raises:
        ValueError: a term that is no comparison, or a field that is not `allowed`.
    """
    terms = [_comparison(t) for t in selector.split(",") if t.strip()]
    for key, _, _ in terms:
        if key not in allowed:
            raise ValueError(f"field label not supported: {key}")
    return lambda obj: all((_walk(obj, k) == v) == same for k, v, same in terms)


def _term(text: str) -> Match:
    if m := _SET.match(text):
        values = {v.strip() for v in m["values"].split(",")}
        return _among(m["key"], values, wanted=m["op"] == "in")
    if m := _EQUAL.match(text):
        return _among(m["key"], {m["value"]}, wanted=m["op"] != "!=")
    if m := _EXISTS.match(text):
        key, wanted = m["key"], not m["no"]
        return lambda labels: (key in labels) == wanted
    raise ValueError(f"unable to parse requirement: {text!r}")


def _among(key: str, values: set[str], *, wanted: bool) -> Match:
    return lambda labels: (labels.get(key) in values) == wanted


def _comparison(text: str) -> tuple[str, str, bool]:
    m = _EQUAL.match(text)
    if not m:
        raise ValueError(f"invalid field selector: {text!r}")
    return m["key"], m["value"], m["op"] != "!="


def _walk(obj: object, path: str) -> str:
    for step in path.split("."):
        obj = obj.get(step) if isinstance(obj, Mapping) else None
    return "" if obj is None else str(obj)
