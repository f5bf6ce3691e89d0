"""Where a checkpoint says how it is quantised, and by what name."""

from collections.abc import Mapping

_KEYS = ("quantization_config", "compression_config")


def stored_in(config: Mapping[str, object]) -> Mapping[str, object] | None:
    """How the checkpoint says that it is quantised; None where it does not.

    At the top, else in `text_config` (vllm/transformers_utils/model_arch_config_convertor.py).
    """
    inner = config.get("text_config")
    parts = (config, inner if isinstance(inner, dict) else {})
    named = (part.get(key) for part in parts for key in _KEYS)
    return next((value for value in named if isinstance(value, dict)), None)


def method_of(stored: Mapping[str, object]) -> str:
    """Its `quant_method`, as vLLM writes it; "modelopt" where only the producer is named."""
    method, producer = stored.get("quant_method"), stored.get("producer")
    if isinstance(method, str) and method:
        return method.lower().replace("compressed_tensors", "compressed-tensors")
    name = producer.get("name") if isinstance(producer, dict) else None
    return "modelopt" if name == "modelopt" else ""


def with_quant_file(
    config: Mapping[str, object], told: Mapping[str, object] | None
) -> dict[str, object]:
    """The configuration with what ModelOpt says in `hf_quant_config.json`, where it has none.

    vllm/transformers_utils/config.py, from 0.10.1 on; before, with `--quantization modelopt`.
    """
    inner = told.get("quantization") if told else None
    algorithm = inner.get("quant_algo") if isinstance(inner, dict) else None
    if not told or not isinstance(algorithm, str) or config.get("quantization_config") is not None:
        return dict(config)
    return {**config, "quantization_config": {**told, "quant_method": "modelopt"}}
