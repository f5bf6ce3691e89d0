"""The command lines of Dynamo's workers, as the engines behind them read them."""

from collections.abc import Sequence
from typing import Any

from distcheck.checks.manifest.place import Place
from distcheck.pattern import pattern

Word = tuple[Any, Place]
_ENGINES = {
    "dynamo.vllm": "vllm.entrypoints.openai.api_server",
    "dynamo.sglang": "sglang.launch_server",
}
_MODULE = pattern(r"(-m\s+)(dynamo\.(?:vllm|sglang))(?=\s|\Z)", near=("dynamo.",))


def engine_words(words: Sequence[Word]) -> list[Word]:
    """With the engine's own module in place of Dynamo's, which hands on what is not its own."""
    found = [(_within(word), place) for word, place in words]
    for number, (word, place) in enumerate(found):
        if word in _ENGINES and number and found[number - 1][0] == "-m":
            found[number] = (_ENGINES[word], place)
    return found


def _within(word: Any) -> Any:
    """The same inside the line of a shell."""
    line = isinstance(word, str) and "-m" in word and word != "-m"
    return _MODULE.sub(lambda m: m[1] + _ENGINES[m[2]], word) if line else word
