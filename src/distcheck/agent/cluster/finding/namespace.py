"""One namespace during one search: everything in it is asked for once, and late."""

from typing import TYPE_CHECKING

from distcheck.agent.cluster.errors import NotFound, Refused, Unreachable
from distcheck.agent.cluster.kinds import EVENT, POD, Kind, named_kind
from distcheck.agent.cluster.podspec import Object
from distcheck.agent.cluster.troubles.reasons import short
from distcheck.pattern import pattern

if TYPE_CHECKING:
    from distcheck.agent.cluster.api import Api

_NOT_SERVED = "404 page not found"
_NAME = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}\Z")
_LONGEST_NOTE = 600


class Namespace:
    """The objects of one namespace; `notes` says what the caller may not see of them.

    `lacking` are those of the notes that tell of workloads which could not be read.

    Methods raise `Refused` and `Unreachable` as the API server answered; those that say
    so note it instead and go on.
    """

    def __init__(self, api: "Api", name: str) -> None:
        self.api, self.name = api, name
        self.notes: dict[str, None] = {}
        self.lacking: list[str] = []
        self._one: dict[str, Object | None] = {}
        self._many: dict[tuple[str, str, str], list[Object]] = {}
        self._absent: set[str] = set()
        self._unseen: dict[str, str] = {}

    def get(self, kind: Kind, name: str) -> Object | None:
        """The object of that name; None where there is none, or nothing of its kind."""
        if not _NAME.match(name):
            return None
        path = kind.path(self.name, name)
        if path not in self._one:
            self._one[path] = None if kind.plural in self._absent else self._get(kind, path)
        return self._one[path]

    def _get(self, kind: Kind, path: str) -> Object | None:
        try:
            return self.api.get(path)
        except NotFound as error:
            if _NOT_SERVED in str(error):
                self._absent.add(kind.plural)
            return None

    def seek(self, kind: Kind, name: str) -> Object | None:
        """As `get`, but what is refused or not answered is noted and taken as not seen."""
        if (path := kind.path(self.name, name)) in self._unseen:
            return None
        try:
            return self.get(kind, name)
        except (Refused, Unreachable) as error:
            says = f"{kind.short}/{name} {_could_not(error)} be read: {error}"
            self._unseen[path] = short(says, _LONGEST_NOTE)
            self._lacks(says)
            return None

    def unseen(self, kind: Kind, name: str) -> str:
        """Why `seek` found no such object."""
        absent = f"{kind.short}/{name} is not there"
        return self._unseen.get(kind.path(self.name, name), absent)

    def refused(self, kind: Kind) -> str:
        """Why an object of this kind that was asked for could not be read; empty where all were."""
        front = kind.path(self.name) + "/"
        return next((why for path, why in self._unseen.items() if path.startswith(front)), "")

    def asked(self, kind: Kind) -> set[str]:
        """The names of the objects of this kind that were asked for."""
        front = kind.path(self.name) + "/"
        return {p.removeprefix(front) for p in (*self._one, *self._unseen) if p.startswith(front)}

    def known(self) -> list[Object]:
        """Every object that was asked for by name, and found."""
        return [one for one in self._one.values() if one is not None]

    def seen(self, kind: str, name: str) -> Object | None:
        """An object that was read already, whatever it was read for; list items have no kind."""
        one = named_kind(kind)
        if one is None:
            return None
        listed = self._many.get((one.plural, "", ""), [])
        found = next((o for o in listed if o["metadata"].get("name") == name), None)
        return self._one.get(one.path(self.name, name)) or found

    def pods(self, selector: str = "") -> list[Object]:
        """All pods, the dead ones too, or those with these labels."""
        return self._list(POD, selector=selector)

    def every(self, kind: Kind) -> list[Object]:
        """All objects of a kind; empty, with a note, where they cannot be listed."""
        try:
            return self._list(kind)
        except (NotFound, Refused, Unreachable) as error:
            self._lacks(f"{kind.plural} {_could_not(error)} be listed: {error}")
            return self._many.setdefault((kind.plural, "", ""), [])

    def warnings(self) -> list[Object]:
        """The namespace's events of type Warning; empty, with a note, where they are not told."""
        return self._events("type=Warning")

    def events_of(self, pod: str) -> list[Object]:
        """All events about pods of that name; empty, with a note, where they are not told."""
        return self._events(f"involvedObject.kind=Pod,involvedObject.name={pod}")

    def _events(self, fields: str) -> list[Object]:
        try:
            return self._list(EVENT, fields=fields)
        except (NotFound, Refused, Unreachable) as error:
            told = f"events {_could_not(error)} be listed, so a reason may be missing"
            self.note(f"{told}: {error}")
            return self._many.setdefault((EVENT.plural, "", fields), [])

    def note(self, says: str) -> None:
        """Keep a sentence for the reader, once, without what looks like a secret."""
        self.notes[short(says, _LONGEST_NOTE)] = None

    def _lacks(self, says: str) -> None:
        self.lacking.append(short(says, _LONGEST_NOTE))
        self.note(says)

    def _list(self, kind: Kind, *, selector: str = "", fields: str = "") -> list[Object]:
        key = (kind.plural, selector, fields)
        if key not in self._many:
            asked = {"labelSelector": selector, "fieldSelector": fields}
            query = [(k, v) for k, v in asked.items() if v]
            self._many[key] = self.api.items(kind.path(self.name), query)
        return self._many[key]


def _could_not(error: Exception) -> str:
    return "may not" if isinstance(error, Refused) else "could not"
