"""vLLM's own start script, `multi-node-serving.sh`, and what it ends at once for."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.knowledge.spelling import nearest
from distcheck.checks.manifest.container import Container

SCRIPT = "multi-node-serving.sh"
_OF_IMAGE = "/vllm-workspace/"
_NEEDS = {"worker": "--ray_address", "leader": "--ray_cluster_size"}


class Refused(Struct, frozen=True):
    """A call that the script ends for: the word that is wrong, why, and what to write."""

    word: str
    says: str
    fix: str
    unseen: str


def refused(container: Container) -> Iterator[Refused]:
    """By vLLM examples/online_serving/multi-node-serving.sh, which reads only `--name=VALUE`."""
    for words in (c.words for c in container.commands):
        at = next((n for n, w in enumerate(words) if w.rpartition("/")[2] == SCRIPT), None)
        if at is None:
            continue
        unseen = "" if words[at].startswith(_OF_IMAGE) else f"what {words[at]} takes"
        if (wrong := _wrong(words[at + 1 :])) is not None:
            yield Refused(*wrong, unseen)


def _wrong(given: tuple[str, ...]) -> tuple[str, str, str] | None:
    part = next(iter(given), "")
    if "$" in part or "`" in part:
        return None
    if part not in _NEEDS:
        fix = f"Write `{nearest(part, _NEEDS) or 'leader` or `worker'}`."
        told = f"and not {part}" if part else "and is told neither"
        return f"{SCRIPT} {part}".strip(), f"{SCRIPT} knows leader and worker, {told}", fix
    need, loose = _NEEDS[part], any(w.startswith("$") for w in given[1:])
    if loose or any(w.startswith(f"{need}=") for w in given):
        return None
    value = "$(LWS_LEADER_ADDRESS)" if part == "worker" else "$(LWS_GROUP_SIZE)"
    says = f"{SCRIPT} {part} has no {need}=VALUE"
    return f"{SCRIPT} {part}", says, f"Add `{need}={value}`."
