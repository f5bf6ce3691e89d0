"""The options of `distcheck plan`."""

from typing import Annotated

from distcheck.agent.cli.command import option

NEWEST = "0.33.0"
"""The newest vLLM whose rules are known here."""

Model = Annotated[
    str,
    option(
        "--model",
        says="config.json, a folder with one, or a saved Hugging Face configuration.",
        metavar="PATH",
    ),
]
Tp = Annotated[str | None, option("--tp", "--tensor-parallel-size", says="Fix TP.", metavar="N")]
Pp = Annotated[str | None, option("--pp", "--pipeline-parallel-size", says="Fix PP.", metavar="N")]
Dp = Annotated[str | None, option("--dp", "--data-parallel-size", says="Fix DP.", metavar="N")]
Ep = Annotated[
    str | None,
    option("--ep", says="Ranks that share the experts: TP x DP, or 1 for none.", metavar="N"),
]
Spread = Annotated[
    bool, option("--enable-expert-parallel", says="Whole experts, shared by TP x DP ranks.")
]
Gpus = Annotated[str | None, option("--gpus", says="GPUs of the whole group.", metavar="N")]
Memory = Annotated[
    str | None,
    option(
        "--gpu-memory",
        says="Of one GPU, as nvidia-smi says it; GB is 10^9 bytes.",
        metavar="80GiB",
    ),
]
PerNode = Annotated[
    str | None,
    option("--gpus-per-node", says="GPUs of a node, and of a pod (default 8).", metavar="N"),
]
Interconnect = Annotated[
    str | None,
    option(
        "--interconnect",
        says="What each GPU has to other nodes: 400gbps, ib-hdr, roce-100, ethernet-25.",
        metavar="SPEED",
    ),
]
Length = Annotated[
    str | None,
    option("--max-model-len", says="Tokens of the longest request.", metavar="TOKENS"),
]
Seqs = Annotated[str, option("--max-num-seqs", says="Requests at once (default 256).", metavar="N")]
Batch = Annotated[
    str | None,
    option(
        "--max-num-batched-tokens",
        says="Tokens of one step (default 8192; 2048 on GPUs below 70 GiB).",
        metavar="N",
    ),
]
Dtype = Annotated[str | None, option("--dtype", says="As vLLM's.", metavar="TYPE")]
Quantization = Annotated[
    str | None, option("-q", "--quantization", says="As vLLM's.", metavar="METHOD")
]
CacheDtype = Annotated[
    str, option("--kv-cache-dtype", says="As vLLM's: auto or fp8.", metavar="TYPE")
]
Utilization = Annotated[
    str, option("--gpu-memory-utilization", says="As vLLM's (default 0.9).", metavar="SHARE")
]
Version = Annotated[
    str | None,
    option("--vllm-version", says=f"Whose rules hold (default {NEWEST}).", metavar="X.Y.Z"),
]
