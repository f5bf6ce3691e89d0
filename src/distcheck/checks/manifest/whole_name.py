"""Names in what a container is told, where they are whole: never a part of a longer one."""

import re


def has_name(text: str, name: str) -> bool:
    """Whether `text` has `name` as a whole, with the domain behind it or a path below it.

    `vllm-0.vllm` is in `vllm-0.vllm.llm.svc:29500`, and not in `vllm-0.vllm-headless`.
    """
    if name not in text:
        return False
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def has_variable(text: str, name: str) -> bool:
    """Whether `text` has this variable's name: `$NCCL_DEBUG_FILE` has not that of NCCL_DEBUG."""
    return name in text and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
