"""Answers of the API server: JSON bodies and metav1.Status."""

import json

from msgspec import Struct

JSON = "application/json"

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    410: "Expired",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Answer(Struct, frozen=True):
    """One HTTP answer with a known body."""

    code: int
    body: bytes
    content_type: str = JSON


def as_json(value: object, code: int = 200) -> Answer:
    """`value` as a JSON answer."""
    return Answer(code, json.dumps(value).encode())


def status(code: int, message: str, details: dict[str, object] | None = None) -> Answer:
    """A metav1.Status failure with the reason that belongs to `code`."""
    return as_json(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": _REASONS.get(code, "Unknown"),
            "details": details or {},
            "code": code,
        },
        code,
    )


def unauthorized() -> Answer:
    """No credential, or one that is not known."""
    return status(401, "Unauthorized")


def not_found(plural: str, name: str, group: str = "") -> Answer:
    """An object that is not there; `details` name it as the real server does."""
    what = f"{plural}.{group}" if group else plural
    details: dict[str, object] = {"name": name, "group": group, "kind": plural}
    return status(404, f'{what} "{name}" not found', details)


def no_such_path() -> Answer:
    """A path that no handler has: plain text, as the real server answers."""
    return Answer(404, b"404 page not found\n", "text/plain; charset=utf-8")


def forbidden(user: str, verb: str, resource: str, scope: tuple[str, str, str]) -> Answer:
    """RBAC said no; `scope` is (group, namespace, name)."""
    group, namespace, name = scope
    what = f'{resource} "{name}"' if name else resource
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    says = (
        f'{what} is forbidden: User "{user}" cannot {verb} resource "{resource}" '
        f'in API group "{group}" {where}'
    )
    return status(403, says, {"name": name, "group": group, "kind": resource})
