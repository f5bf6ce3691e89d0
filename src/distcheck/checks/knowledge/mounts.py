"""Where a volumeMount is, however its path is written."""


def mounted_at(path: object) -> str:
    """`mountPath` as an absolute path: `/dev/shm` of `dev/shm`, `/dev//shm` and `/dev/shm/`.

    The kubelet puts a `/` before what has none (pkg/volume/util, MakeAbsolutePath), and the
    container runtime cleans the rest.
    """
    return "/" + "/".join(p for p in str(path or "").split("/") if p not in ("", "."))


def is_below(path: str, folder: str) -> bool:
    """Whether `path` is this folder, or in it."""
    return f"{mounted_at(path)}/".startswith(f"{mounted_at(folder).rstrip('/')}/")
