"""Words of which the API server knows but a few, the versions of its own kinds, images: CONF087."""

from collections.abc import Iterator, Mapping

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.stand_in import filled_later
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_OPERATORS = ("Exists", "Equal")
_LATER = ("Lt", "Gt", "SemverLt", "SemverGt", "SemverEq")
"""Operators of tolerations that are, or are to be, in Kubernetes 1.35 and later (KEP-5471)."""
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_PULLED = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_DNS = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_VERSIONS: Mapping[str, str] = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), "apps/v1"),
    "Job": "batch/v1",
    "Pod": "v1",
}


def refused_words(template: Template) -> Iterator[Finding]:
    """Operators, effects, policies and protocols that there are not, and images with capitals."""
    spec = template.spec
    for one in spec.each("tolerations"):
        yield from _one_of(one.at("operator"), _OPERATORS, _LATER)
        yield from _one_of(one.at("effect"), _EFFECTS)
    yield from _one_of(spec.at("dnsPolicy"), _DNS)
    for container in template.every:
        yield from _one_of(container.place.at("imagePullPolicy"), _PULLED)
        for port in container.place.each("ports"):
            yield from _one_of(port.at("protocol"), _PROTOCOLS)
        yield from _capitals(container)


def refused_version(template: Template) -> Iterator[Finding]:
    """A built-in kind of a version that has none."""
    held, right = template.owner_place.at("apiVersion"), _VERSIONS.get(template.kind, "")
    if right and held.text() and held.text() != right:
        says = f"there is no {template.kind} in {held.text()}"
        yield Finding(held.spot, says, f"Write {right}.", unseen=filled_later(held.text()))


def _one_of(place: Place, known: tuple[str, ...], newer: tuple[str, ...] = ()) -> Iterator[Finding]:
    """A word that is none of `known`, nor of `newer`."""
    word = place.text()
    if not word or word in (*known, *newer):
        return
    meant = next((k for k in known if k.lower() == word.lower()), "")
    says = f"there is no {place.path[-1]} {word}" + (f"; did you mean {meant}?" if meant else "")
    fix = f"Write {meant}." if meant else f"Write {', '.join(known[:-1])} or {known[-1]}."
    yield Finding(place.spot, says, fix, unseen=filled_later(word))


def _capitals(container: Container) -> Iterator[Finding]:
    """An image whose repository has capitals: a registry may be called so, a repository not."""
    place = container.place.at("image")
    name = place.text().partition("@")[0]
    folder, slash, last = name.rpartition("/")
    name = f"{folder}{slash}{last.partition(':')[0]}"
    first, slash, rest = name.partition("/")
    own = rest if slash and ("." in first or ":" in first) else name
    parts = [p for p in own.split("/") if p == p.upper() and p != p.lower()]
    if own in (own.lower(), own.upper()) or _FILLED.search(own) or any("_" in p for p in parts):
        return
    unseen = "what fills this place before it is applied" if parts else ""
    says = f"{own} has capitals, and names of images have none"
    yield Finding(place.spot, says, f"Write {name.replace(own, own.lower())}.", unseen=unseen)


_FILLED = pattern(r"[$<>{}%()\[\] ]|\A__")
