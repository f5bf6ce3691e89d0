"""What AIBrix makes of a StormService: pods of each role, or groups of them that serve as one."""

from collections.abc import Iterator

from distcheck.agent.manifests.made import MOST_PODS, Made, tie_of
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.place import Place


def storm(thing: Thing) -> Iterator[Made]:
    """Aibrix `pkg/controller/roleset`, `podset` and `constants`: variables, names of a group."""
    for role in thing.place.each("spec", "template", "spec", "roles"):
        size = role.number("podGroupSize") or 1
        yield _group(thing, role, size) if size > 1 else _plain(thing, role)


def _plain(thing: Thing, role: Place) -> Made:
    count = role.number("replicas")
    return Made(
        thing, role.at("template"), thing.kind, count=1 if count is None else count,
        env=_env(thing, role),
    )  # fmt: skip


def _group(thing: Thing, role: Place, size: int) -> Made:
    own = f"{thing.name}-{role.text('name')}"
    names = tuple(f"{own}-{n}" for n in range(min(size, MOST_PODS)))
    env = {"PODSET_NAME": own, "POD_GROUP_SIZE": str(size)}
    return Made(
        thing, role.at("template"), thing.kind, count=size, names=names, hostnames=True,
        subdomain=thing.name, tie=f"{tie_of(thing)}/{role.path[-1]}",
        env={**_env(thing, role), **env},
    )  # fmt: skip


def _env(thing: Thing, role: Place) -> dict[str, str]:
    return {"STORM_SERVICE_NAME": thing.name, "ROLE_NAME": role.text("name")}
