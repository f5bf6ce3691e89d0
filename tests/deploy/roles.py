"""The stand-in API server with exactly the rights of one file of `deploy/`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from distcheck.lab.apiserver import Denial
from distcheck.lab.apiserver.access import verbs_of
from distcheck.lab.apiserver.router import resource_answer
from tests.deploy.manifests import documents


class Grant(Struct, frozen=True):
    """One rule where it is bound: `namespace` None is all of them, and no namespace."""

    namespace: str | None
    resources: frozenset[str]
    verbs: frozenset[str]


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
    objects = documents(path)
    roles = {(o["kind"], o["metadata"]["name"]): o["rules"] for o in objects if "rules" in o}
    bindings = [o for o in objects if o["kind"].endswith("Binding")]
    return tuple(
        Grant(
            one["metadata"].get("namespace"),
            frozenset(rule["resources"]),
            frozenset(rule["verbs"]),
        )
        for one in bindings
        for rule in roles[one["roleRef"]["kind"], one["roleRef"]["name"]]
    )


def refusals(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """What the stand-in refuses from here on, as `verbs resource in namespace`."""
    refused: set[str] = set()

    def watched(ask: Any, backend: Any) -> Any:
        said = resource_answer(ask, backend)
        if getattr(said, "code", 0) == 403:
            resource = f"{ask.resource}/{ask.subresource}" if ask.subresource else ask.resource
            refused.add(f"{'+'.join(verbs_of(ask))} {resource} in {ask.namespace or 'all'}")
        return said

    monkeypatch.setattr("distcheck.lab.apiserver.handler.resource_answer", watched)
    yield refused
