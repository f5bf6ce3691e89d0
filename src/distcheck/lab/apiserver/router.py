"""From a request to an answer, in the order of the real server: who, may they, what."""

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from distcheck.lab.apiserver.access import denied_verb, review, rules_review, verbs_of
from distcheck.lab.apiserver.answers import (
    Answer,
    as_json,
    forbidden,
    no_such_path,
    not_found,
    status,
)
from distcheck.lab.apiserver.ask import Ask
from distcheck.lab.apiserver.discovery import discover
from distcheck.lab.apiserver.kinds import Kind, find_kind, served
from distcheck.lab.apiserver.listener import Backend
from distcheck.lab.apiserver.podio import container_of, not_running, pod_log
from distcheck.lab.apiserver.store import Objects, check_selectors, find, read
from distcheck.lab.apiserver.watching import watch_lines

STREAMS = ("exec", "portforward")
USER = "lab"
_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")


def discovery_answer(path: str, backend: Backend) -> Answer:
    """The answer for a path that names no resource."""
    return discover(path, served(backend.state[1])) or no_such_path()


class Watch(Struct, frozen=True):
    """An answer without an end: lines as they come."""

    lines: Iterator[bytes]


def resource_answer(ask: Ask, backend: Backend) -> Answer | Watch | dict[str, Any]:
    """The answer, or for a stream that may start the pod that it goes to."""
    kind = find_kind(ask.group, ask.version, ask.resource)
    if kind is None or kind not in served(backend.state[1]):
        return no_such_path()
    if kind.plural in _REVIEWS:
        return _review(ask, backend)
    backend.note_ask(verbs_of(ask), ask)
    return _refusal(ask, backend) or _granted(ask, kind, backend)


def _granted(ask: Ask, kind: Kind, backend: Backend) -> Answer | Watch | dict[str, Any]:
    revision, objects = backend.state
    if ask.subresource:
        return _subresource(ask, kind, objects, backend)
    if ask.method != "GET":
        return status(405, "this stand-in is read-only")
    watch = ask.flag("watch")
    return _watch(kind, ask, backend) if watch else read(objects, revision, kind, ask)


def _watch(kind: Kind, ask: Ask, backend: Backend) -> Answer | Watch:
    """The first event is looked for here, so that a bad selector is an answer of its own."""
    lines = watch_lines(backend.history, kind, ask)
    try:
        check_selectors(kind, ask)
        int(ask.value("resourceVersion") or 0), int(ask.value("timeoutSeconds") or 0)
    except ValueError as error:
        return status(400, str(error))
    return Watch(lines)


def _refusal(ask: Ask, backend: Backend) -> Answer | None:
    verb = denied_verb(ask, backend.denied)
    if verb is None:
        return None
    resource = f"{ask.resource}/{ask.subresource}" if ask.subresource else ask.resource
    return forbidden(USER, verb, resource, (ask.group, ask.scope, ask.name))


def _review(ask: Ask, backend: Backend) -> Answer:
    try:
        body = json.loads(ask.body)
    except ValueError as error:
        return status(415, f"only JSON bodies are read here: {error}")
    if ask.resource == "selfsubjectrulesreviews":
        return as_json(rules_review(body, backend.denied, served(backend.state[1])), 201)
    return as_json(review(body, backend.denied), 201)


def _subresource(
    ask: Ask, kind: Kind, objects: Objects, backend: Backend
) -> Answer | dict[str, Any]:
    pod = find(objects, kind, ask.namespace, ask.name)
    if kind.kind != "Pod":
        return no_such_path()
    if pod is None:
        return not_found(kind.plural, ask.name)
    if ask.subresource == "log":
        return pod_log(pod, ask, backend.logs)
    if ask.subresource == "exec":
        return _exec_refusal(pod, ask) or pod
    return pod if ask.subresource in STREAMS else no_such_path()


def _exec_refusal(pod: dict[str, Any], ask: Ask) -> Answer | None:
    container = container_of(pod, ask)
    if isinstance(container, Answer):
        return container
    why = not_running(pod, container)
    return status(500, why) if why else None
