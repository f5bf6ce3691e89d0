"""docs/weights.md: which models are known, and how far the arithmetic is from what vLLM said.

`--write` makes it from the reported weights beside this checkout, `--check` compares.
"""

import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from distcheck.checks.knowledge.weights import (
    GIB,
    OVERHEADS,
    Engine,
    Exact,
    Layout,
    rank_weights,
)
from distcheck.checks.knowledge.weights.families import architectures

ROOT = Path(__file__).parents[1]
REPORTED = ROOT / "../shared/corpus/weights.json"
MODELS = ROOT / "tests/checks/models"
PAGE = ROOT / "docs/weights.md"
HEAD = """# Weights of a rank

<!-- Made by `tools/weights.py --write` from the code and reported weights: do not edit. -->

What each rank should hold under TP, PP, EP and DP is computed from the model's `config.json`: a
table of tensors for each family, cut as vLLM's layers cut them, and passed through a replay of
PyTorch's caching allocator, whose blocks vLLM's "Model loading took" line counts. What is not
known is bounded from the checkpoint's size and said to be an estimate, or is unknown; it is never
given as exact.

## Error

Every reported weight that we know of, from public issues. "GB" in vLLM's line means GiB.

| model | TP | PP | vLLM | computed GiB | reported GiB | error |
|---|---|---|---|---|---|---|
"""
NOTES = """
Reports of two digits are only as good as that: half of 0.01 GiB is 0.07 % of a rank of 7.48 GiB.
Gemma-3 is 4 MiB above its report, not explained; its parameters and buffers are those of vLLM's own
class to the byte, so it is in what the allocator rounds. AWQ is 3 MiB below: what repacking for the
Marlin kernel leaves in the allocator is not replayed.

## Models

Exact from `config.json`: """
REST = """

Weights in 16 bit, fp8 (per tensor, channel or block), int8, AWQ, GPTQ, compressed-tensors, MXFP4,
NVFP4 and bitsandbytes. A vision tower of a quantised model is an estimate unless the checkpoint
says that the tower stays in 16 bit. MXFP4 experts are padded for the kernel that runs them: where
that is not known, bounds of both are given.

## What else takes memory

Ranges seen on one GPU, in GiB.

| part | from | to | seen in |
|---|---|---|---|
"""


def shapes() -> dict[str, dict[str, Any]]:
    """Model name to `config.json`, for the models whose shapes are kept with the tests."""
    found = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(MODELS.glob("*.json")))
    return {config["_name_or_path"]: config for config in found}


def errors(points: list[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], float, float]]:
    """Each point with the GiB computed for it and the relative error."""
    known = shapes()
    for point in points:
        found = rank_weights(known[point["model"]], _layout(point), _engine(point))
        assert isinstance(found, Exact), f"{point['model']}: {found}"
        stages = {r.place.pp_rank: r.weights_bytes / GIB for r in found.ranks}
        wanted = stages[point["pp_rank"] or 0]
        yield point, wanted, wanted / point["reported_gib"] - 1


def _layout(point: Mapping[str, Any]) -> Layout:
    return Layout(point["tp"], point["pp"], point["dp"])


def _engine(point: Mapping[str, Any]) -> Engine:
    how = (point["quantization"] or "").lower()
    return Engine(
        version=point["vllm_version"],
        quantisation="fp8" if "online" in how else None,
        mxfp4_kernel="marlin" if "marlin" in how else None,
    )


def page(points: list[Mapping[str, Any]]) -> str:
    """The whole document."""
    rows = list(errors(points))
    table = "".join(_row(*row) for row in rows)
    sizes = sorted(abs(error) for _, _, error in rows)
    summary = f"\nMedian {statistics.median(sizes):.4%}, worst {sizes[-1]:.4%}.\n"
    others = "".join(f"| {o.name} | {o.low} | {o.high} | {o.seen} |\n" for o in OVERHEADS)
    names = ", ".join(f"`{name}`" for name in architectures())
    return f"{HEAD}{table}{summary}{NOTES}{names}.{REST}{others}"


def _row(point: Mapping[str, Any], wanted: float, error: float) -> str:
    version, digits = point["vllm_version"] or "?", point["reported_digits"]
    name = f"[{point['model']}]({point['source']})"
    said = f"{point['reported_gib']:.{digits}f}"
    cut = f"{point['tp']} | {point['pp']}"
    return f"| {name} | {cut} | {version} | {wanted:.4f} | {said} | {error:+.4%} |\n"


def main(argv: list[str]) -> int:
    """Write or check; the exit code."""
    if argv not in (["--write"], ["--check"]) or not REPORTED.exists():
        print("usage: tools/weights.py --write|--check, beside reported weights", file=sys.stderr)
        return 2
    made = page(json.loads(REPORTED.read_text(encoding="utf-8"))["points"])
    if argv == ["--write"]:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    return int(PAGE.read_text(encoding="utf-8") != made)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
