"""What can go wrong between us and a cluster, as the caller should say it."""

from collections.abc import Iterable


class ClusterError(Exception):
    """The cluster did not give what was asked for; the message says why."""


class Misconfigured(ClusterError):  # noqa: N818 - reads as what it is
    """No usable kubeconfig, context or in-cluster account."""


class Unreachable(ClusterError):  # noqa: N818 - reads as what it is
    """No answer, a broken answer, or an answer that makes no sense."""


class Refused(ClusterError):  # noqa: N818 - reads as what it is
    """The API server answered 401 or 403; `code` says which."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class NotFound(ClusterError):  # noqa: N818 - reads as what it is
    """There is no such object, or its kind is not served."""


class Ambiguous(ClusterError):  # noqa: N818 - reads as what it is
    """Several groups fit; `candidates` are names that would be understood.

    `turning`: a rollout runs, and after it there may be one.
    """

    def __init__(self, message: str, candidates: Iterable[str], *, turning: bool = False) -> None:
        self.says, self.candidates, self.turning = message, tuple(candidates), turning
        super().__init__(f"{message}: {', '.join(self.candidates)}")
