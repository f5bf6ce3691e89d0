"""From the words of scheduler, kubelet and engines to the cause that they mean."""

import re

from distcheck.agent.redact import scrubbed
from distcheck.pattern import pattern

LONGEST = 300
"""Characters that are kept of a message."""
_READ = 4000

_VOLUME = pattern(
    r"persistentvolumeclaim|unbound immediate|volume node affinity|Multi-Attach"
    r"|(?:Attach|Mount)Volume|[Uu]nable to attach or mount volumes|node\(s\) had volume",
)
_CONFIG = pattern(
    r"(?:secrets?|configmaps?) \"[^\"]{1,253}\" (?:not found|is forbidden)"
    r"|couldn't find key|references non-existent (?:config|secret) key",
    re.IGNORECASE,
)
_HUB = r"(?:hugging ?face|hf\.co|\bngc\b|nvidia\.com|nvcr\.io|modelscope)"
_REFUSED = pattern(
    r"GatedRepoError|gated repo|RepositoryNotFoundError|(?:401|403) Client Error"
    r"|access to model \S{1,200} is restricted"
    rf"|\b(?:401|403)\b.{{0,200}}{_HUB}|{_HUB}.{{0,200}}\b(?:401|403)\b"
    r"|(?:NGC_API_KEY|HF_TOKEN)\b.{0,80}(?:invalid|not set|unauthorized|required|missing)",
    re.IGNORECASE,
)
_SERVED = pattern(r"\"(?:GET|POST|PUT|HEAD|OPTIONS|DELETE) \S{0,999} HTTP/\d")
"""A request that the engine itself answered, whatever it answered."""
_PULL = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"}
    | {"ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"}
)
_CONFIG_STATES = frozenset({"CreateContainerConfigError"})
_CREATE_STATES = frozenset({"CreateContainerError", "RunContainerError", "StartError"})
_ENDED = {
    "Evicted": "evicted",
    "Preempting": "evicted",
    "OutOfcpu": "admission_refused",
    "OutOfmemory": "admission_refused",
    "NodeLost": "node_lost",
    "Terminated": "node_lost",
    "NodeShutdown": "node_lost",
}


def of_scheduler(message: str) -> str:
    """Why the scheduler found no node: a claim, else too little of something."""
    return "volume_not_bound" if _VOLUME.search(message[:_READ]) else "pod_unschedulable"


def of_waiting(reason: str, message: str) -> str | None:
    """The cause behind a container's waiting reason; None for one that only takes time."""
    if reason in _PULL:
        return "image_not_pulled"
    if reason in _CONFIG_STATES:
        return "config_missing"
    if reason in _CREATE_STATES:
        return "config_missing" if _CONFIG.search(message[:_READ]) else "container_not_started"
    return "crash_loop" if reason == "CrashLoopBackOff" else None


def of_event(reason: str, message: str) -> str | None:
    """The cause behind a kubelet's or controller's warning while a container is created."""
    if reason in ("FailedMount", "FailedAttachVolume", "FailedMapVolume"):
        return "config_missing" if _CONFIG.search(message[:_READ]) else "volume_not_bound"
    if reason == "FailedCreatePodSandBox":
        return "sandbox_failed"
    return None


def explained(message: str) -> str:
    """The message, and what it means where that is no common knowledge."""
    if "Multi-Attach" in message and "ReadWriteMany" not in message:
        return f"{message} (its claim is not ReadWriteMany, so one node holds it)"
    return message


def of_end(reason: str) -> str:
    """The cause behind the reason of a pod that has failed."""
    if reason.startswith("OutOf") or reason == "UnexpectedAdmissionError":
        return "admission_refused"
    return _ENDED.get(reason, "pod_failed")


def refusal(log: str) -> str:
    """The line of a log that says that the model may not be downloaded; empty where none does."""
    lines = (line[:_READ] for line in reversed(log[-64_000:].splitlines()))
    return next((short(x) for x in lines if _REFUSED.search(x) and not _SERVED.search(x)), "")


def last_words(log: str) -> str:
    """The last line of a log that has any text."""
    lines = [line for line in log[-64_000:].splitlines() if line.strip()]
    return short(lines[-1]) if lines else ""


def short(text: str, longest: int = LONGEST) -> str:
    """One printable line of at most `longest` characters, without what looks like a secret."""
    plain = "".join(c for c in " ".join(text[:_READ].split()) if c.isprintable())
    one = scrubbed(plain)
    return one if len(one) <= longest else f"{one[: longest - 3]}..."
