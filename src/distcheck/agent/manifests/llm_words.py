"""The words of the command line that KServe makes of an LLMInferenceService, each at its field."""

import shlex
from collections.abc import Iterator

from distcheck.checks.manifest.place import Place

_MORE = "VLLM_ADDITIONAL_ARGS"
Word = tuple[str, Place]


def size_words(sizes: Place, spec: Place, *, nodes: bool) -> Iterator[Word]:
    """The flags that KServe's configuration makes of the sizes."""
    uri = spec.at("model", "uri")
    yield uri.text().removeprefix("hf://") if uri.text().startswith("hf://") else "/mnt/models", uri
    if tensor := sizes.number("tensor"):
        yield f"--tensor-parallel-size={tensor}", sizes.at("tensor")
    if stages := sizes.number("pipeline"):
        yield f"--pipeline-parallel-size={stages}", sizes.at("pipeline")
    if copies := sizes.number("data"):
        yield f"--data-parallel-size={copies}", sizes.at("data")
    if copies and nodes:
        yield "--data-parallel-address=$(LWS_LEADER_ADDRESS)", sizes
        yield f"--data-parallel-rpc-port={sizes.number('dataRPCPort') or 5555}", sizes
        local = sizes.at("dataLocal")
        yield f"--data-parallel-size-local={local.value or 1}", local or sizes
    if nodes and sizes.at("expert").value is True:
        yield "--enable-expert-parallel", sizes.at("expert")


def additional(container: Place) -> Iterator[Word]:
    """What a variable adds, as the shell cuts it."""
    for one in container.each("env"):
        if one.text("name") == _MORE:
            yield from ((word, one.at("value")) for word in _cut(one.text("value")))


def arguments(container: Place) -> Iterator[Word]:
    """The shell cuts arguments again; JSON is left, whose quotes it would take."""
    for one in container.each("args"):
        flag = str(one.value)
        words = _cut(flag) if flag.startswith("-") and "{" not in flag else [flag]
        yield from ((word, one) for word in words)


def _cut(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
