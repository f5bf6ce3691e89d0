"""What to do about causes of which RAY001's general remedy says nothing."""

_ADDRESS = "Set `ray start --address` of the worker to the head's name and GCS port."
REMEDIES: dict[str, str] = {
    "needs_token": "Give head and workers the same RAY_AUTH_MODE and token (RAY_AUTH_TOKEN, "
    "RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token). A head whose HOME keeps an old token turns "
    "tokens on by itself: RAY_AUTH_MODE=disabled switches them off.",
    "name_unresolved": "The name of a pod needs a headless Service with publishNotReadyAddresses, "
    "the pod's `subdomain` set to it, and the namespace where they differ. NET002 says what is "
    "missing.",
    "name_wrong": _ADDRESS,
    "wrong_address": _ADDRESS,
    "version_mismatch": "Use one image for head and workers: Ray wants the same Ray, and the same "
    "Python.",
}
"""By the cause's id."""
