"""The stand-in API server with exactly the rights of one file of `deploy/`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from distcheck.lab.apiserver import Denial
from distcheck.lab.apiserver.access import verbs_of
from distcheck.lab.apiserver.router import resource_answer
from tests.deploy.manifests import Object, documents


class Grant(Struct, frozen=True):
    """One rule where it is bound: `namespace` None is all of them, and no namespace."""

    namespace: str | None
    groups: frozenset[str]
    resources: frozenset[str]
    verbs: frozenset[str]

    def rights(self) -> Iterator[str]:
        """Each as `verb resource.group in PLACE`; `all` is every namespace, and none."""
        for resource in self.resources:
            for group in self.groups:
                what = f"{resource}.{group}" if group else resource
                yield from (f"{verb} {what} in {self.namespace or 'all'}" for verb in self.verbs)


class OnlyRoles(Denial, frozen=True):
    """Refuses whatever no rule grants."""

    grants: tuple[Grant, ...] = ()

    def covers(self, verb: str, resource: str, namespace: str) -> bool:
        return not any(
            one.namespace in (None, namespace) and resource in one.resources and verb in one.verbs
            for one in self.grants
        )


def granted(path: Path) -> tuple[Grant, ...]:
    """What the subjects of the file's bindings may do."""
    return granted_by(documents(path))


def granted_by(objects: Iterable[Object]) -> tuple[Grant, ...]:
    """What the subjects of these bindings may do; a Role is of its binding's namespace."""
    made = list(objects)
    roles = {_place(o, o): o["rules"] for o in made if "rules" in o}
    bindings = [o for o in made if o["kind"].endswith("Binding")]
    return tuple(
        Grant(
            one["metadata"].get("namespace"),
            frozenset(rule["apiGroups"]),
            frozenset(rule["resources"]),
            frozenset(rule["verbs"]),
        )
        for one in bindings
        for rule in roles[_place({**one["roleRef"], "metadata": one["roleRef"]}, one)]
    )


def _place(role: Object, where: Object) -> tuple[str, str, str | None]:
    """Which role that is: kind, name, and for a Role the namespace."""
    namespace = where["metadata"].get("namespace") if role["kind"] == "Role" else None
    return role["kind"], role["metadata"]["name"], namespace


def refusals(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """What the stand-in refuses from here on, as `verbs resource in namespace`."""
    refused: set[str] = set()

    def watched(ask: Any, backend: Any) -> Any:
        said = resource_answer(ask, backend)
        if getattr(said, "code", 0) == 403:
            resource = f"{ask.resource}/{ask.subresource}" if ask.subresource else ask.resource
            refused.add(f"{'+'.join(verbs_of(ask))} {resource} in {ask.scope or 'all'}")
        return said

    monkeypatch.setattr("distcheck.lab.apiserver.handler.resource_answer", watched)
    yield refused
