"""A kubeconfig for the stand-in."""

import json
from pathlib import Path

CONTEXT = "lab"


def write_kubeconfig(path: Path, url: str, token: str, namespace: str = "llm") -> Path:
    """Write a kubeconfig for `url` (as `ApiServer.url` gives it), readable by its owner only.

    client-go sends no credential over plain HTTP (clientcmd reads the user only where the
    transport is TLS), so the server's address carries the token as a path as well.
    """
    path.touch(mode=0o600)
    document = _document(f"{url}/as/{token}" if token else url, token, namespace)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def _document(server: str, token: str, namespace: str) -> dict[str, object]:
    """A kubeconfig as a dict; JSON is YAML."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": {"server": server}}],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        "contexts": [
            {
                "name": CONTEXT,
                "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": namespace},
            }
        ],
    }
