"""What the fullest rank of a model holds at least: exact where the model's tensors are known."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distcheck.checks.evidence import ModelConfig


def fullest_rank(
    model: "ModelConfig",
    cut: tuple[int, int, int],
    *,
    ep: bool = False,
    quantisation: str | None = None,
    version: str | None = None,
) -> int | None:
    """Bytes of weights at least, cut by TP, PP and DP; None where no file of the model tells.

    Heads of keys and values that TP copies, embeddings on the first and last stage, and stages
    of unequal layers count as vLLM has them.
    """
    from distcheck.checks.knowledge.weights import (  # noqa: PLC0415 - only with a model given
        Checkpoint,
        Engine,
        Estimate,
        Exact,
        Layout,
        rank_weights,
    )

    size = model.checkpoint_bytes
    held = Checkpoint(size, dict(model.checkpoint_types)) if size else None
    layout, engine = (
        Layout(*cut, expert_parallel=ep),
        Engine(version=version, quantisation=quantisation),
    )
    found = rank_weights(model.config, layout, engine, held)
    if isinstance(found, Exact):
        return max(r.weights_bytes for r in found.ranks)
    return found.low if isinstance(found, Estimate) else None
