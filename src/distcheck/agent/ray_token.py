"""The bearer token of a Ray cluster (`RAY_AUTH_MODE=token`), from a file of whoever asks.

The token of a pod's own file system or environment is never read.
"""

from functools import partial
from pathlib import Path

from msgspec import structs

from distcheck.agent.probes import gcs
from distcheck.checks.evidence import Missing, RayCluster
from distcheck.checks.evidence.ray import NEEDS_TOKEN

_LONGEST = 1 << 16
_HINT = "give it by --ray-token-file, or DISTCHECK_RAY_TOKEN_FILE of the agent"


def read_token(path: Path) -> str:
    """The token in the file.

    Raises:
        ValueError: it cannot be read, or holds none; the message says why, and no secret.
    """
    try:
        with path.open("rb") as file:
            token = file.read(_LONGEST).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ValueError(f"the token file {path} cannot be read: {why}") from error
    if not token:
        raise ValueError(f"the token file {path} is empty")
    return token


def gcs_look(file: str) -> gcs.Look:
    """Asks a GCS with the token in `file`, which is read each time: a Secret may change.

    An empty name asks without a token.
    """
    return partial(_asked, Path(file) if file else None)


def _asked(file: Path | None, address: str) -> RayCluster | Missing:
    try:
        token, why = (None, _HINT) if file is None else (read_token(file), "")
    except ValueError as error:
        token, why = None, str(error)
    seen = gcs.look(address, token=token)
    if why and isinstance(seen, Missing) and seen.cause == NEEDS_TOKEN:
        return structs.replace(seen, reason=f"{seen.reason}; {why}")
    return seen
