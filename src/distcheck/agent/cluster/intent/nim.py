"""What NVIDIA NIM's own variables ask for.

Strongest first, as NIM weighs them: arguments of the container, NIM_PASSTHROUGH_ARGS, NIM_*
variables, tags of the profile (docs.nvidia.com/nim/large-language-models/2.0.9,
reference/advanced-configuration.html).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import structs

from distcheck.agent.cluster.intent.asked import Asked, of_server
from distcheck.agent.logs.argv import vllm_flags
from distcheck.agent.logs.argv_engines import Server, launched
from distcheck.agent.logs.shell import commands
from distcheck.pattern import pattern

_NUMBERS = {
    "NIM_TENSOR_PARALLEL_SIZE": "tp",
    "NIM_PIPELINE_PARALLEL_SIZE": "pp",
    "NIM_NUM_COMPUTE_NODES": "nodes",
}
_MODELS = ("NIM_MODEL_NAME", "NIM_MODEL_PATH")
_PORTS = ("NIM_SERVER_PORT", "NIM_HTTP_API_PORT")
_IMAGE = pattern(r"(?:^|/)nim/([\w.-]{1,80}/[\w.-]{1,120}?)(?:[:@]|\Z)")
_ANY_MODEL = frozenset({"nvidia/llm-nim", "nvidia/vllm", "nvidia/sglang", "nvidia/model-free-nim"})
_TAG = pattern(r"(?:^|[-_])(tp|pp)([0-9]{1,4})(?=[-_]|\Z)", re.ASCII)
_HASH = pattern(r"[0-9a-f]{32,128}\Z")
_PROGRAMS = frozenset({"nim-serve", "nim-serve-ray", "start_server.sh", "start-server.sh"})


def is_nim(image: str, environ: Mapping[str, str]) -> bool:
    """Whether a container is a NIM: by its image, or by variables that only a NIM reads."""
    return "/nim/" in image or "NIM_MODEL_PROFILE" in environ or bool(_NUMBERS.keys() & environ)


def nim_asked(
    name: str,
    image: str,
    argv: Sequence[str],
    environ: Mapping[str, str],
    above: Asked | None = None,
) -> Iterator[Asked]:
    """What each place of the NIM container of pod `name` asks for, the strongest first.

    A weaker place that differs is overridden, as NIM documents, and says nothing of that.
    `above` is what a server asks for that the arguments start themselves.
    """
    stronger = {} if above is None else {**dict.fromkeys(above.unread), **above.values}
    for asked in _places(name, image, argv, environ):
        kept = {k: v for k, v in asked.values.items() if stronger.get(k, v) == v}
        unread = {k: why for k, why in asked.unread.items() if k not in stronger}
        yield structs.replace(asked, values=kept, unread=unread)
        stronger = {**asked.values, **dict.fromkeys(asked.unread), **stronger}


def _places(
    name: str, image: str, argv: Sequence[str], environ: Mapping[str, str]
) -> Iterator[Asked]:
    yield from _from_arguments(name, argv)
    if passed := environ.get("NIM_PASSTHROUGH_ARGS"):
        words = next(iter(commands(("sh", "-c", f"nim {passed}"))), ("nim",))[1:]
        yield of_server(f"NIM_PASSTHROUGH_ARGS of {name}", Server("nim", vllm_flags(("", *words))))
    yield Asked(f"environment of {name}", _values(environ), "nim", ports=_ports(environ))
    yield from _profile(name, environ.get("NIM_MODEL_PROFILE", ""))
    if (found := _IMAGE.search(image)) and found[1] not in _ANY_MODEL:
        yield Asked(f"image of {name}", {"model": found[1]}, "nim", fills=True)


def _from_arguments(name: str, argv: Sequence[str]) -> Iterator[Asked]:
    source = f"args of {name}"
    for command in commands(argv):
        ranks = launched(command).get("ranks")
        at = next((i for i, w in enumerate(command) if w.rpartition("/")[2] in _PROGRAMS), None)
        bare = bool(command) and command[0].startswith("-")
        if ranks is None and at is None and not bare:
            continue
        rest = command if bare else command[at + 1 :] if at is not None else ()
        flags = vllm_flags(("", *rest))
        ray = at is not None and command[at].endswith("nim-serve-ray")
        asked = of_server(source, Server("nim", flags, ranks))
        port = {"gcs": asked.ports["http"]} if ray and "http" in asked.ports else {}
        yield Asked(source, asked.values, "nim", asked.unread, port if ray else asked.ports)


def _values(environ: Mapping[str, str]) -> dict[str, Any]:
    found = {field: environ.get(name, "") for name, field in _NUMBERS.items()}
    values: dict[str, Any] = {k: int(v) for k, v in found.items() if _is_number(v)}
    model = next((environ[n] for n in _MODELS if environ.get(n)), None)
    return values | ({"model": model.removeprefix("hf://")} if model else {})


def _ports(environ: Mapping[str, str]) -> dict[str, int]:
    found = [int(port) for name in _PORTS if _is_number(port := environ.get(name, ""))]
    return {"http": found[-1]} if found else {}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6


def _profile(name: str, profile: str) -> Iterator[Asked]:
    source = f"NIM_MODEL_PROFILE of {name}"
    tags = {kind: int(number) for kind, number in _TAG.findall(profile)}
    if tags:
        yield Asked(source, tags, "nim")
    elif _HASH.match(profile):
        why = f"{source} is a hash: what it stands for is in NIM's own log"
        yield Asked(source, {}, "nim", {"tp": why})
