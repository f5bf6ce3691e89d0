"""What the kubelet answers: a pod's log, and which container a request means."""

from collections.abc import Callable
from typing import Any

from distcheck.lab.apiserver.answers import Answer, status
from distcheck.lab.apiserver.ask import Ask
from distcheck.lab.apiserver.podlog import served_log

Object = dict[str, Any]
LogReader = Callable[[str, str, str, bool], "bytes | None"]


def container_of(pod: Object, ask: Ask) -> str | Answer:
    """The container that a request means; a 400 where several are there and none is named."""
    names = [c["name"] for c in pod.get("spec", {}).get("containers", [])]
    name = pod["metadata"]["name"]
    asked = ask.value("container")
    if asked and asked not in names:
        return status(400, f"container {asked} is not valid for pod {name}")
    if not asked and len(names) != 1:
        choices = " ".join(names)
        return status(
            400, f"a container name must be specified for pod {name}, choose one of: [{choices}]"
        )
    return str(asked or names[0])


def pod_log(pod: Object, ask: Ask, logs: LogReader) -> Answer:
    """The log as asked for, or why there is none."""
    container = container_of(pod, ask)
    if isinstance(container, Answer):
        return container
    previous = ask.flag("previous")
    raw = logs(ask.namespace, ask.name, container, previous)
    if raw is None:
        return status(400, _no_log(ask.name, container, previous=previous))
    try:
        return Answer(200, served_log(raw, ask), "text/plain")
    except ValueError as error:
        return status(400, str(error))


def _no_log(pod: str, container: str, *, previous: bool) -> str:
    if previous:
        return f'previous terminated container "{container}" in pod "{pod}" not found'
    return f'container "{container}" in pod "{pod}" is waiting to start'


def not_running(pod: Object, container: str) -> str | None:
    """Why no command can run in `container`, or None where its status shows no reason."""
    known = pod.get("status", {}).get("containerStatuses") or []
    state: Object = next((c.get("state", {}) for c in known if c.get("name") == container), {})
    if state and "running" not in state:
        return f'unable to upgrade connection: container not found ("{container}")'
    return None
