"""The tensors of one linear layer on one rank, by the scheme that stores it.

vllm/model_executor/layers/quantization/*.py (create_weights, process_weights_after_loading).
"""

from collections.abc import Iterator

from distcheck.checks.knowledge.weights.allocator import rounded
from distcheck.checks.knowledge.weights.layout import Refused
from distcheck.checks.knowledge.weights.scheme import Scheme
from distcheck.checks.knowledge.weights.tensors import Shard

Sizes = Iterator[tuple[bool, int]]
"""Bytes of each tensor, and whether it only scales another."""


def stored(scheme: Scheme, shard: Shard, element_bytes: int) -> Sizes:
    """The weight first, then its scales and zero points."""
    match scheme.kind:
        case "none":
            yield False, shard.elements * element_bytes
        case "fp8" | "fp8_channel" | "fp8_block" | "int8":
            yield False, shard.elements
            yield True, 4 * shard.copies * _byte_scales(scheme, shard)
            if scheme.activations:
                yield True, 4 * shard.copies
        case "nvfp4":
            yield from _nvfp4(scheme, shard)
        case "bnb":
            yield False, shard.elements // 2
            yield True, 4 * -(-shard.elements // scheme.group)
        case "int4" | "mxfp4":
            yield from _packed(scheme, shard)


def _byte_scales(scheme: Scheme, shard: Shard) -> int:
    """float32 scales of one matrix with a byte for each weight."""
    if scheme.kind == "fp8":
        return 1
    if scheme.kind != "fp8_block":
        return shard.rows
    high, wide = scheme.block
    if shard.inputs != shard.all_inputs and shard.inputs % wide:
        raise Refused(
            f"Weight input_size_per_partition = {shard.inputs} is not divisible by "
            f"weight quantization block_k = {wide}."
        )
    if shard.copies == 1 and (shard.cut_outputs or len(shard.outputs) > 1):
        _whole_blocks(shard.outputs, high)
    return sum(-(-out // high) for out in shard.outputs) * -(-shard.inputs // wide)


def _whole_blocks(outputs: tuple[int, ...], high: int) -> None:
    for out in outputs:
        if out % high:
            raise Refused(
                f"Weight output_partition_size = {out} is not divisible by "
                f"weight quantization block_n = {high}."
            )


def _packed(scheme: Scheme, shard: Shard) -> Sizes:
    """Integers packed into words: scales in 16 bit, zero points packed as the weights are."""
    # With act-order a rank that holds part of the inputs needs the scales of all groups.
    inputs = shard.all_inputs if scheme.order else shard.inputs
    if scheme.group and shard.inputs % scheme.group and not scheme.order:
        raise Refused(
            "The input size is not aligned with the quantized weight shape. "
            "This can be caused by too large tensor parallel size."
        )
    scales = (
        -(-inputs // scheme.group) * shard.rows * shard.copies
        if scheme.group
        else (shard.rows * shard.copies)
    )
    yield False, shard.elements * scheme.bits // 8
    yield True, scales * (1 if scheme.kind == "mxfp4" else 2)
    if scheme.zeros:
        yield True, scales * scheme.bits // 8
    if scheme.order:
        yield from ((True, 4 * shard.inputs * shard.copies),) * 2


def _nvfp4(scheme: Scheme, shard: Shard) -> Sizes:
    """Two weights a byte; byte scales in tiles of 128 x 4; three numbers for the whole matrix."""
    tiles = rounded(shard.rows, 128) * rounded(-(-shard.inputs // scheme.group), 4)
    yield False, shard.elements // 2
    yield True, tiles * shard.copies
    yield from ((True, 4 * shard.copies),) * 3
