"""Numbers read from a `config.json` in the form of Hugging Face, none of them trusted."""

from collections.abc import Mapping

from distcheck.checks.knowledge.weights.layout import Unmodelled

_BYTES = {"bfloat16": 2, "float16": 2, "half": 2, "torch.bfloat16": 2, "torch.float16": 2}
_MOST = 1 << 32
_LARGEST = {"num_hidden_layers": 1000, "depth": 1000, "hidden_size": 1 << 20, "vocab_size": 1 << 26}


class Sizes:
    """One mapping of a `config.json`; a size that is absent or absurd ends the arithmetic."""

    def __init__(
        self, config: Mapping[str, object], defaults: Mapping[str, float] | None = None
    ) -> None:
        self._config = config
        self._defaults = defaults or {}

    def number(self, key: str, default: int | None = None) -> int:
        """A size of at least 1; `default` where the file does not have it."""
        value = self._config.get(key)
        if value is None:
            value = self._defaults.get(key, default)
        most = _LARGEST.get(key, _MOST)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
            raise Unmodelled(f"config.json is not a plausible model: {key}")
        return value

    def count(self, key: str, default: int = 0) -> int:
        """A size that may be 0 or absent."""
        return self.number(key) if self._config.get(key) else default

    def flag(self, key: str, *, default: bool = False) -> bool:
        """A switch; `default` where the file does not have it."""
        value = self._config.get(key)
        return value if isinstance(value, bool) else default

    def share(self, key: str) -> float:
        """A factor in (0, 1]; 1 where absent."""
        value = self._config.get(key, self._defaults.get(key))
        plausible = isinstance(value, int | float) and 0 < value <= 1
        return float(value) if plausible else 1.0  # type: ignore[arg-type]

    def factor(self, key: str) -> float:
        """A stretch of at least 1."""
        value = self._config.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 1e6:
            raise Unmodelled(f"config.json is not a plausible model: {key} of its rope")
        return float(value)

    def inner(self, key: str, defaults: Mapping[str, float] | None = None) -> "Sizes":
        """A nested configuration (`text_config`, `vision_config`)."""
        value = self._config.get(key)
        return Sizes(value if isinstance(value, dict) else {}, defaults)

    def has(self, key: str) -> bool:
        """Whether the file has this key with a value."""
        return self._config.get(key) is not None

    def numbers(self, key: str) -> frozenset[int]:
        """The integers of a list."""
        value = self._config.get(key)
        return (
            frozenset(v for v in value if isinstance(v, int))
            if isinstance(value, list)
            else (frozenset())
        )

    def words(self, key: str) -> tuple[str, ...]:
        """The texts of a list."""
        value = self._config.get(key)
        return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()

    def word(self, *keys: str) -> str:
        """The first of these keys that is a text; empty where none is."""
        found = (self._config.get(key) for key in keys)
        return next((value for value in found if isinstance(value, str)), "")


def element_bytes(config: Mapping[str, object], dtype: str | None) -> int:
    """Bytes of an element that is not quantised; vLLM runs a float32 checkpoint in 16 bit."""
    text = Sizes(config).inner("text_config")
    stored = Sizes(config).word("torch_dtype", "dtype") or text.word("torch_dtype", "dtype")
    named = dtype if dtype not in (None, "auto") else stored
    if named in ("float32", "torch.float32") and dtype in (None, "auto"):
        return 2
    if named not in _BYTES:
        raise Unmodelled(f"torch_dtype is {named or None!r}, not 16 bit")
    return _BYTES[named]
