"""Whether an object has the form that the API server wants, and the object without what has not.

The table of fields is made from the Kubernetes client's own models (`tools/kube_fields.py`), that
of custom resources from their operators' definitions (`tools/crd_fields.py`): their own levels
down to the pod templates. A release newer than the table may have more fields.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from distcheck.agent.manifests.field_types import fields, meant, release_of
from distcheck.agent.redact import names_a_secret
from distcheck.checks.knowledge.spelling import alike, nearest
from distcheck.checks.manifest.bundle import Flaw
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.stand_in import filled_later, number_later

_ALSO = {"container": "Container"}
_WORDS = {
    "str": "text", "int": "a whole number", "bool": "true or false", "float": "a number",
    "quantity": "a quantity such as 16Gi", "port": "a whole number or a port's name",
}  # fmt: skip
_FREE = frozenset({"object", "JSONSchemaProps"})
_MOST_FLAWS, _ALIKE = 200, 0.75


class Shaped(Struct, frozen=True):
    """The object without what cannot be, and what was wrong with it."""

    value: dict[str, Any]
    flaws: tuple[Flaw, ...]


def shaped(of: int, kind: str, value: dict[str, Any]) -> Shaped:
    """`value` as the API server would take it; unknown kinds are left as they are."""
    kind = _ALSO.get(kind, kind)
    if kind not in fields():
        return Shaped(value, ())
    shaper = _Shaper(of, holds_secrets=kind == "Secret")
    clean = shaper.read(kind, {k: v for k, v in value.items() if k != "status"}, ())
    return Shaped(clean if isinstance(clean, dict) else {}, tuple(shaper.flaws))


class _Shaper:
    def __init__(self, of: int, *, holds_secrets: bool) -> None:
        self._of, self._holds_secrets = of, holds_secrets
        self.flaws: list[Flaw] = []
        self._secret = False

    def read(self, kind: str, value: Any, path: tuple[str | int, ...]) -> Any:
        """The value as this type, or what can be made of it; None for nothing."""
        if value is None or kind in _FREE:
            return value
        if kind[0] == "[":
            return self._list(kind[1:], value, path)
        if kind[0] == "{":
            return self._map(kind[1:], value, path)
        if kind in _WORDS:
            return self._plain(kind, value, path)
        return self._object(kind, value, path)

    def _list(self, kind: str, value: Any, path: tuple[str | int, ...]) -> Any:
        if not isinstance(value, list):
            self._wrong(path, "a list", value)
            return None
        empty: Any = "" if kind in _WORDS else {"name": ""} if kind == "EnvVar" else {}
        found = [self.read(kind, one, (*path, n)) for n, one in enumerate(value)]
        return [empty if one is None else one for one in found]

    def _map(self, kind: str, value: Any, path: tuple[str | int, ...]) -> Any:
        if not isinstance(value, dict):
            self._wrong(path, "a mapping", value)
            return None
        return {k: self.read(kind, v, (*path, k)) for k, v in value.items() if v is not None}

    def _object(self, kind: str, value: Any, path: tuple[str | int, ...]) -> Any:
        if not isinstance(value, dict):
            self._wrong(path, "a mapping", value)
            return None
        known = fields()[kind]
        found = {}
        for name, held in value.items():
            if held is None:
                continue
            if name in known:
                self._secret = kind == "EnvVar" and names_a_secret(str(value.get("name")))
                if (made := self.read(known[name], held, (*path, name))) is not None:
                    found[name] = made
            else:
                found[name] = held
                self._unknown(kind, name, (*path, name))
        return {"name": "", **found} if kind == "EnvVar" else found

    def _plain(self, kind: str, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict | list):
            self._wrong(path, _WORDS[kind], value)
            return None
        right, found = meant(kind, value)
        if not right:
            self._wrong(path, _WORDS[kind], value)
        return found

    def _wrong(self, path: tuple[str | int, ...], wanted: str, value: Any) -> None:
        if len(self.flaws) < _MOST_FLAWS:
            says = (
                f"{_name(path)} must be {wanted}, and is {_called(value, hide=self._hides(path))}"
            )
            number = wanted in (_WORDS["int"], _WORDS["float"])
            unseen = number_later(value) if number else _later(path, value)
            self.flaws.append(Flaw("type", Spot(self._of, path), says, unseen=unseen))

    def _hides(self, path: tuple[str | int, ...]) -> bool:
        named = bool(path) and names_a_secret(str(path[-1]))
        held = self._holds_secrets and path[:1] in (("data",), ("stringData",))
        return self._secret or held or named

    def _unknown(self, kind: str, name: str, path: tuple[str | int, ...]) -> None:
        if name.startswith("$") or "(" in name or path == _SOPS or len(self.flaws) >= _MOST_FLAWS:
            return
        release = release_of(kind)
        known = fields()[kind]
        likely = [nearest(name, known)] if release else alike(name, known, least=_ALIKE)
        near = next(filter(None, (*likely, *_elsewhere(kind, name))), "")
        where = f"{kind[2:] if kind[:2] in ('V1', 'V2') else kind}"
        says = f"{where} has no field {name}"
        unseen = f"whether a release newer than {release} has it" if release and not near else ""
        self.flaws.append(Flaw("unknown", Spot(self._of, path, key=True), says, near, unseen))


def _later(path: tuple[str | int, ...], value: Any) -> str:
    """What fills the place of `value`; capabilities are in capitals as they are."""
    return "" if path[-2:-1] == ("capabilities",) else filled_later(value)


_SOPS = ("sops",)
"""What SOPS writes beside the values that it encrypts; Flux takes it out before it applies.

A name in parentheses is an expression of Chainsaw's, which compares and applies nothing.
"""


def _elsewhere(kind: str, name: str) -> Iterator[str]:
    """Where a field of that name is, one step below or beside."""
    for field, type_ in fields()[kind].items():
        below = fields().get(type_.lstrip("[{"), {})
        if name in below and kind not in ("ConfigMap", "Secret"):
            yield f"{field}.{name}"


def _name(path: tuple[str | int, ...]) -> str:
    """The last name of a path, with the number of its item behind it."""
    named = [n for n, step in enumerate(path) if isinstance(step, str)]
    return Spot(0, path[named[-1] :] if named else path).words or "the document"


def _called(value: Any, *, hide: bool) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if hide:
        return "text" if isinstance(value, str) else "a number or a boolean"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    return f"the text {str(value)[:60]!r}"
