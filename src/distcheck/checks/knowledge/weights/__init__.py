"""Bytes of weights that vLLM allocates on each rank: what its own log line then reports.

A model is a table of tensors (dense.py, mixtures.py, vision.py); cut.py sums any of them.
"""

from distcheck.checks.knowledge.weights.allocator import allocated
from distcheck.checks.knowledge.weights.as_loaded import as_loaded
from distcheck.checks.knowledge.weights.checkpoint import Checkpoint, from_headers, from_index
from distcheck.checks.knowledge.weights.kv_cache import KvPerToken, kv_bytes_per_token
from distcheck.checks.knowledge.weights.layout import Engine, Layout, Place
from distcheck.checks.knowledge.weights.overheads import OVERHEADS, Overhead
from distcheck.checks.knowledge.weights.plan import rank_weights, stage_weights
from distcheck.checks.knowledge.weights.result import (
    Estimate,
    Exact,
    RankWeights,
    Refusal,
    Unknown,
    Weights,
)
from distcheck.checks.knowledge.weights.stored_as import method_of, stored_in, with_quant_file

GIB = 1 << 30

__all__ = [
    "GIB",
    "OVERHEADS",
    "Checkpoint",
    "Engine",
    "Estimate",
    "Exact",
    "KvPerToken",
    "Layout",
    "Overhead",
    "Place",
    "RankWeights",
    "Refusal",
    "Unknown",
    "Weights",
    "allocated",
    "as_loaded",
    "from_headers",
    "from_index",
    "kv_bytes_per_token",
    "method_of",
    "rank_weights",
    "stage_weights",
    "stored_in",
    "with_quant_file",
]
