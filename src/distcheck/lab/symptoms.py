"""What operators report, in their words; scenarios say which of these they are behind."""

from typing import Literal

Symptom = Literal[
    "nccl-timeout",
    "half-of-the-gpus",
    "out-of-memory",
    "slower-than-one-node",
    "connect-failed",
    "one-gpu-fuller",
    "hangs-on-two-nodes",
    "system-error",
    "no-ray-head",
    "hangs-at-start",
    "first-request-hangs",
    "dead-rank",
    "shm-fills",
    "two-copies",
]

WORDS: dict[Symptom, str] = {
    "half-of-the-gpus": "Only 8 of 16 GPUs are used",
    "two-copies": "Everything is green, and there is half as much room for requests as planned",
    "out-of-memory": "CUDA out of memory, although there are 16 GPUs",
    "one-gpu-fuller": "One GPU is fuller than the others",
    "slower-than-one-node": "Two nodes are slower than one",
    "hangs-on-two-nodes": "It works on one node and hangs or fails on two",
    "hangs-at-start": "It hangs at the start",
    "first-request-hangs": "It starts, and the first request never ends",
    "nccl-timeout": "NCCL times out while the model loads",
    "connect-failed": "`Connect ... failed` in NCCL's log",
    "system-error": "`unhandled system error`, or another bare result of NCCL",
    "no-ray-head": "A worker cannot reach the Ray head",
    "dead-rank": "A rank is dead, and its pod is Running and Ready",
    "shm-fills": "/dev/shm fills up after crashes",
}
"""Each symptom as it is told, from what is wrong to where it is seen."""
