"""What the API server refuses of a pod and of what makes it, beside names: CONF087."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Template

_MOST = 65535
_APART = "Make two volumes of it, or keep one source."
_NONE = frozenset({0, "0", "0%"})


def refused(template: Template) -> Iterator[Finding]:
    """Ports that there are not, two sources of one volume, rollouts that cannot move."""
    yield from _strategy(template)
    for volume in template.spec.each("volumes"):
        held = [(n, p) for n, p in volume.fields() if n != "name" and p.value is not None]
        if len(held) > 1:
            says = f"volume {volume.text('name')} is {held[0][0]} and {held[1][0]}"
            yield Finding(held[1][1].key, f"{says}: a volume has one source", _APART)
    for container in template.every:
        yield from _ports(template, container)
        yield from _twice_given(container)
        for mount in container.place.each("volumeMounts"):
            if mount.text("name") and mount.at("mountPath").value is None:
                says = f"{mount.text('name')} is mounted nowhere: mountPath is missing"
                yield Finding(mount.spot, says, "Add `mountPath`.")


def _strategy(template: Template) -> Iterator[Finding]:
    """`maxSurge` and `maxUnavailable` of a Deployment."""
    strategy = template.owner_place.at("spec", "strategy")
    rolling = strategy.at("rollingUpdate")
    if template.kind != "Deployment" or not rolling.value:
        return
    if strategy.text("type") == "Recreate":
        says = "rollingUpdate stands beside the type Recreate"
        yield Finding(rolling.key, says, "Take rollingUpdate out.")
    surge, without = rolling.at("maxSurge"), rolling.at("maxUnavailable")
    if _is_none(surge) and _is_none(without):
        says = "maxSurge and maxUnavailable are both 0: no pod can be replaced"
        fix = "Set `maxUnavailable: 1`, where no node has GPUs for one more pod."
        yield Finding(without.spot, says, fix, also=(surge.spot,))


def _is_none(place: Place) -> bool:
    return type(place.value) in (int, str) and place.value in _NONE


def _ports(template: Template, container: Container) -> Iterator[Finding]:
    named: dict[str, Place] = {}
    for port in container.place.each("ports"):
        name = port.at("name")
        first = named.setdefault(name.text(), name)
        if name.text() and first is not name:
            says = f"two ports of {container.name} are called {name.text()}"
            yield Finding(name.spot, says, "Give each a name of its own.", also=(first.spot,))
        number, host = port.at("containerPort"), port.at("hostPort")
        if type(number.value) is int and not 0 < number.value <= _MOST:
            says = f"there is no port {number.value}: they are 1 to {_MOST}"
            yield Finding(number.spot, says, "Write the port that the server listens on.")
        both = type(number.value) is int and type(host.value) is int
        if both and template.host_network and host.value not in (0, number.value):
            says = f"hostPort is {host.value} and containerPort {number.value} on the host network"
            yield Finding(host.spot, f"{says}: they are one port there", "Take hostPort out.")


def _twice_given(container: Container) -> Iterator[Finding]:
    for variable in container.place.each("env"):
        held = variable.at("valueFrom")
        if variable.text("value") and held.value:
            says = f"{variable.text('name')} has a value and valueFrom: it takes one"
            yield Finding(held.key, says, "Keep one of them.")
