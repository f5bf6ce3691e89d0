"""The models that Ray Serve LLM is told to serve, in the `serveConfigV2` of a RayService."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.template import Template

_BUILDER = ("ray.serve.llm", "build_openai_app")


class Model(Struct, frozen=True):
    """One of `llm_configs`, as it is written; `file` is the field that holds all of them."""

    told: Mapping[str, Any]
    file: Place

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """What vLLM is given; nothing where another engine, or a server of one's own, is asked."""
        plain = self.told.get("llm_engine", "vLLM") == "vLLM" and "server_cls" not in self.told
        return _mapping(self.told.get("engine_kwargs")) if plain else {}

    @property
    def name(self) -> str:
        """Where its weights come from: a name at Hugging Face, or a path."""
        loading = self.part("model_loading_config")
        source = loading.get("model_source", loading.get("model_id"))
        return source if isinstance(source, str) else ""

    def part(self, name: str) -> Mapping[str, Any]:
        """One of its mappings; empty where there is none."""
        return _mapping(self.told.get(name))

    def spot(self, key: str, value: object = None) -> Spot:
        """Where this key stands, with its value where that is written so."""
        text = self.file.text()
        forms = (
            () if value is None else (f"{key}: {value}", f'{key}: "{value}"', f"{key}: '{value}'")
        )
        needle = next((f for f in (*forms, f"{key}:") if f in text), key)
        return self.file.spot.within(needle)


def applications(template: Template) -> Iterator[Mapping[str, Any]]:
    """The arguments of each application that Ray's own builder for LLMs makes."""
    for one in _items(_mapping(template.served).get("applications")):
        path = str(one.get("import_path") or "").strip().replace(":", ".").rpartition(".")
        if (path[0], path[2]) == _BUILDER and isinstance(one.get("args"), dict):
            yield one["args"]


def serve_file(template: Template) -> Place:
    """The field that tells Ray Serve what to serve; empty where the owner is no RayService."""
    return template.owner_place.at("spec", "serveConfigV2")


def models(template: Template) -> Iterator[Model]:
    """Each model of each application."""
    file = serve_file(template)
    for arguments in applications(template):
        for one in _items(arguments.get("llm_configs")):
            yield Model(one, file)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))
