"""The scenarios, one TOML file each."""

from importlib.resources import files

import msgspec

from distcheck.lab.scenario import Scenario


class UnknownScenario(LookupError):  # noqa: N818 - reads as what it is
    """No scenario of that name; the message lists those that there are."""


def names() -> list[str]:
    """The names of all scenarios, in order."""
    return sorted(p.name.removesuffix(".toml") for p in files(__name__).iterdir() if _is_one(p))


def load(name: str) -> Scenario:
    """The scenario called `name`.

    Raises:
        UnknownScenario: there is none of that name.
    """
    if name not in names():
        raise UnknownScenario(f"no scenario {name!r}; there are: {', '.join(names())}")
    text = files(__name__).joinpath(f"{name}.toml").read_bytes()
    return msgspec.structs.replace(msgspec.toml.decode(text, type=Scenario), name=name)


def load_all() -> list[Scenario]:
    """All scenarios, by name."""
    return [load(name) for name in names()]


def _is_one(path: object) -> bool:
    return str(getattr(path, "name", "")).endswith(".toml")
