"""CONF117: flags of the engine with values that it does not take, or with none."""

from collections.abc import Iterator
from itertools import pairwise

import msgspec

from distcheck.checks.knowledge.engine_release import vllm_release
from distcheck.checks.knowledge.flag_values import (
    LISTS,
    NUMBERS,
    SHARES,
    WORDS,
    refused,
    value_to_write,
)
from distcheck.checks.knowledge.vllm_choices import CHOICES, CLOSED, is_choice, near_choice
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.flags import given
from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.server_words import server_words
from distcheck.checks.manifest.stand_in import filled_later, is_open
from distcheck.checks.manifest.swap_space import FLAG, wrong_swap_space
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_MARKED = pattern(r"([@%_]).*\1")
_TYPE = pattern(r"(?:BF|FP|F|INT)\d|FLOAT|HALF|AUTO")
"""Types in capitals, which no engine takes."""


@rule("CONF117", level="error")
def flag_values_are_read(template: Template) -> Iterator[Finding]:
    """The engine's flags have values that it takes.

    What:
        A flag of vLLM or SGLang that takes a value stands before another flag or at the end, a
        whole number or a length is none, several numbers are one word (`"1,2,4"`), an object is
        no JSON, a dash is another one, a share of the GPU's memory is not above 0 and at most 1,
        or a `--dtype`, `--kv-cache-dtype`, `--load-format` or `--distributed-executor-backend`
        does not exist, or is not one of the GPUs that its nodes must have (bfloat16 before
        Ampere); a model is an address of Hugging Face; or one of two flags that belong together
        is missing, or has a value that it does not take. A hint where `--quantization` is AWQ or
        GPTQ, and the name of a well-known model says nothing of it. Or `--swap-space`, which vLLM
        has until 0.17, is told in bytes, or before 0.8 above the memory limit.

    Why:
        The server ends at once: "expected one argument", "invalid int value", "invalid choice",
        or "GPU memory utilization must be less than 1.0"; "--enable-auto-tool-choice requires
        --tool-call-parser"; "Cannot find the config file for awq".

    Fix:
        Give the flag a value of its own, as the next word or behind `=`.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor-parallel-size, --gpu-memory-utilization, "90"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor-parallel-size, "8", --gpu-memory-utilization, "0.9",
              --dtype, half, --distributed-executor-backend, ours.Executor]
            resources: {limits: {nvidia.com/gpu: 8}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor-parallel-size, $(GPUS), --dtype=$(DTYPE)]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM vllm/engine/arg_utils.py, vllm/config/cache.py, model_loader/weight_utils.py
        (get_quant_config), entrypoints/openai/cli_args.py (validate_parsed_serve_args),
        model_executor/layers/quantization/__init__.py, vllm/platforms/cuda.py
        (check_if_supports_dtype), pull request 36216 of vllm-project/vllm (--swap-space); SGLang
        python/sglang/srt/server_args.py; Python: argparse, nargs and type.
    """
    for container in template.containers:
        engine = container.asks.engine if container.asks else ""
        if engine in NUMBERS and not container.nim and _is_plain(container):
            yield from _of(container, engine)
            yield from _json(container, engine)
            yield from _dashes(container, engine)
            if engine == "vllm":
                yield from _too_old(template, container)
                for word, says, fix in wrong_swap_space(container):
                    yield Finding(container.spot_of(word, FLAG), says, fix)


def _json(container: Container, engine: str) -> Iterator[Finding]:
    """Objects whose quotes a shell took."""
    for one in given(list(server_words(container, engine))):
        name, text = one.name, one.value or ""
        if one.flag in _OBJECTS and text[:1] == "{" and not _is_object(text):
            shown = text if len(text) < _SHOWN else f"{text[:_SHOWN]}..."
            says = f"{name} {shown}: this is no JSON"
            quoted = "the shell took its quotes: write it between single quotes"
            fix = f"Write it in double quotes within; {quoted}."
            yield Finding(container.spot_of(name), says, fix)


def _is_object(text: str) -> bool:
    """Also where something is put in later, or the reader may have cut the word."""
    if set("$`<%") & set(text) or "{{" in text:
        return True
    try:
        msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return True


_SHOWN = 60
_OBJECTS = frozenset(
    {"--kv-transfer-config", "--speculative-config", "--compilation-config", "--hf-overrides",
     "--override-generation-config", "--additional-config", "--model-loader-extra-config",
     "--eplb-config", "--json-model-override-args", "--kv-events-config", "--rope-scaling"}
)  # fmt: skip


def _dashes(container: Container, engine: str) -> Iterator[Finding]:
    """Flags that begin with another dash, as word processors write it."""
    for word in dict.fromkeys(server_words(container, engine)):
        if word[:1] in _OTHER_DASHES and word[1:2].isalpha():
            says = f"{word.split('=')[0]} begins with another dash: it is no flag"
            plain = word.split("=")[0].lstrip(_OTHER_DASHES)
            yield Finding(container.spot_of(word), says, f"Write --{plain}.")


_OTHER_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"


def _too_old(template: Template, container: Container) -> Iterator[Finding]:
    """A type of numbers that the GPUs that are chosen do not have."""
    asked = [v for c in container.commands for v in c.values("--dtype")]
    asked += [a for w, a in pairwise(container.argv) if w == "--dtype"]
    asked += [w.partition("=")[2] for w in container.argv if w.startswith("--dtype=")]
    if "bfloat16" not in asked:
        return
    if chosen := _chosen_before_ampere(template):
        says = f"--dtype bfloat16: {chosen} does not have it (compute capability below 8.0)"
        at = container.spot_of("--dtype bfloat16", "--dtype=bfloat16", "bfloat16")
        yield Finding(at, says, "Write `--dtype float16`, or leave it out.")


def _chosen_before_ampere(template: Template) -> str:
    """A product of the nodes that are chosen, where all of these are older."""
    named = [template.spec.text("nodeSelector", label) for label in _PRODUCTS]
    if chosen := next((n for n in named if n), ""):
        return chosen if _BEFORE_AMPERE.search(chosen) else ""
    terms = [_products_of(term) for term in template.node_terms]
    every = [name for names in terms for name in names]
    older = all(terms) and all(_BEFORE_AMPERE.search(n) for n in every)
    return every[0] if every and older else ""


def _products_of(term: Place) -> list[str]:
    """The products that one term of a node affinity lets in; none where it names none."""
    asks = [e for e in term.each("matchExpressions") if e.text("operator") == "In"]
    own = [e for e in asks if e.text("key") in _PRODUCTS]
    return [str(v.value) for e in own[:1] for v in e.each("values")]


_PRODUCTS = ("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator")
_BEFORE_AMPERE = pattern(
    r"(?i)\btesla-(?:v100s?|t4g?|[pmk]\d{1,3})\b|\bquadro-(?:rtx-\d000|[gpmkt]v?\d{3,4})\b"
    r"|\brtx-20[678]0\b|\bgtx-\d|\btitan-(?:rtx|v|xp?)\b"
)
"""Maxwell to Turing, 5.0 to 7.5. Ada has an RTX 2000, Ampere an RTX 2050 and the RTX A series."""


def _is_plain(container: Container) -> bool:
    """Whether its words are the server's: an entrypoint of one's own may read them otherwise."""
    return container.engine_image or any(True for _ in container.place.each("command"))


def _of(container: Container, engine: str) -> Iterator[Finding]:
    words = list(server_words(container, engine))
    told = " ".join(words).replace("_", "-")
    if engine == "vllm" and _AUTO in told and not any(w in told for w in _WITH):
        says = f"{_AUTO} stands without --tool-call-parser"
        fix = "Name the parser of the model: `--tool-call-parser hermes`, `llama3_json` and so on."
        yield Finding(container.spot_of(_AUTO), says, fix)
    for one in given(words):
        word, name, flag, text = one.word, one.name, one.flag, one.value
        if flag in _SWITCHES and one.inline and (text or "").lower() in ("true", "false", "1", "0"):
            says, fix = f"{word}: {name} takes no value", f"Write {name} alone, or leave it out."
            yield Finding(container.spot_of(word), says, fix)
        if flag not in (*NUMBERS[engine], *WORDS[engine], *LISTS[engine], SHARES[engine]):
            continue
        if text is None or (not one.inline and text.startswith("--")):
            what = "stands at the end" if text is None else f"stands before {text}"
            says = f"{name} {what}: it has no value"
            yield Finding(container.spot_of(name), says)
        elif not _is_filled_later(text) and (why := refused(engine, flag, text.strip())):
            at = _at(container, word, text)
            yield Finding(at, *_refusal(engine, flag, text, f"{name} {text}: {why}"))
        elif chosen := _chosen(container, engine, flag, text.strip()):
            at = _at(container, word, text)
            yield Finding(at, f"{name} {text}{chosen[0]}", chosen[1], unseen=chosen[2])


def _at(container: Container, word: str, text: str) -> Spot:
    """The value; where a shell works it out, its flag: the same text may stand elsewhere."""
    beside = pairwise(container.texts)
    own = next((b.spot for a, b in beside if (a.text, b.text) == (word, text)), None)
    return own or container.spot_of(f"{word} {text}", word, word.partition("=")[0])


def _refusal(engine: str, flag: str, text: str, says: str) -> tuple[str, str]:
    """What is wrong, and what to write: a pod without a number has a name that nobody knows."""
    if flag in NUMBERS[engine] and _NAMELESS.search(text):
        says = f"{flag} is made of the pod's name, and that ends in no number here"
        return says, "Make the pods those of a StatefulSet or LeaderWorkerSet, which number them."
    return says, value_to_write(engine, flag, text)


_NAMELESS = pattern(r"~\d+\Z")


def _chosen(container: Container, engine: str, flag: str, text: str) -> tuple[str, str, str] | None:
    """What is wrong with one of several words, what to write, and what is not seen."""
    if flag not in CHOICES or _is_filled_later(text):
        return None
    if engine == "vllm" and not is_choice(flag, text):
        return _unknown_choice(container, flag, text)
    other = _other_weights(container, text) if flag == "--quantization" else ""
    fix = f"Leave {flag} out, which the checkpoint tells, or name one that is {text}."
    return (f", and {other}", fix, "the checkpoint itself") if other else None


def _unknown_choice(container: Container, flag: str, text: str) -> tuple[str, str, str] | None:
    """The same; None where a release may take it."""
    near, release = near_choice(flag, text), vllm_release(container.image)
    closed = release is not None and release[:2] <= CLOSED and not container.words & _INSTALLS
    if not closed and not near:
        return None
    some = "fp8, fp8_e4m3 or fp8_e5m2" if "kv" in flag else "fp8, awq, gptq and so on"
    unseen = "" if closed else f"which vLLM is in {container.image}"
    return ": vllm does not know it", f"Write {near or some}.", unseen


_INSTALLS = frozenset({"pip", "pip3", "uv"})
"""A plugin adds ways to quantise."""


def _other_weights(container: Container, method: str) -> str:
    """What the name of a well-known model says of its weights, where it is something else."""
    model = (container.asks.model if container.asks else None) or ""
    owner, _, name = model.lower().partition("/")
    wanted = method.lower().partition("_")[0]
    if wanted not in _MADE_BEFORE or owner not in _OWNERS or wanted in name:
        return ""
    if _SMALLER.search(name):
        other = next((m for m in _MADE_BEFORE if m in name), "")
        return f"{model} is called {other}" if other else ""
    return f"{model} is called nothing of the kind: its weights are as they were trained"


_MADE_BEFORE = ("awq", "gptq")
"""Their weights are made before; other ways quantise while they load."""
_OWNERS = frozenset({"meta-llama", "qwen", "mistralai", "google", "deepseek-ai", "microsoft"})
_SMALLER = pattern(r"awq|gptq|int[48]|w[48]a|[48]-?bit|bnb|gguf|nf4|fp[48]|quant|marlin|exl2")


def _is_filled_later(text: str) -> bool:
    stands = filled_later(text) or _MARKED.fullmatch(text)
    return bool(is_open(text) or (stands and not _TYPE.match(text)))


_AUTO, _WITH = "--enable-auto-tool-choice", ("--tool-call-parser", "--config", "$", "`")
_SWITCHES = frozenset(
    {"--trust-remote-code", "--enforce-eager", "--headless", "--enable-expert-parallel", _AUTO}
)
"""Without a value in every release; others once took `true`."""
