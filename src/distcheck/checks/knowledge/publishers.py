"""Whose models are what their names say."""

_OWN = frozenset(
    {"qwen", "meta-llama", "deepseek-ai", "mistralai", "google", "microsoft", "minimaxai",
     "thebloke", "opengvlab", "nousresearch", "redhatai", "neuralmagic"}
)  # fmt: skip
"""Organisations whose public checkpoints of a name are known, files and all."""


def may_differ(model: str) -> str:
    """Why a model of a well-known name may be another one, in words; empty where it is that one.

    A folder may hold weights quantised otherwise, and a config.json that somebody has changed.
    """
    owner, _, name = model.partition("/")
    known = name and "/" not in name and owner.lower() in _OWN
    return "" if known else f"what {model} holds"
