"""The networks that a pod asks Multus for, and the devices that they need."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

MULTUS = "k8s.v1.cni.cncf.io/networks"
_RESOURCE = "k8s.v1.cni.cncf.io/resourceName"
_DEFINITION = "NetworkAttachmentDefinition.k8s.cni.cncf.io"
_TYPE = pattern(r'"type"\s*:\s*"(host-device|sriov|ib-sriov)"')
_DEVICE = pattern(r'"(?:device|hwaddr|kernelpath|pciBusID|deviceID)"\s*:')


class Network(Struct, frozen=True):
    """A network whose plugin moves a device into the pod; `resource` is what the device is of."""

    name: str
    place: Place
    plugin: str
    resource: str


def networks_of(bundle: Bundle, template: Template) -> Iterator[Network]:
    """Those of the input that the pods ask for, with a plugin that needs a device."""
    asked = set(_asked(template))
    for thing in bundle.of_kind(_DEFINITION):
        near = {(thing.namespace, thing.name), ("", thing.name)}
        if near & asked and (found := _network(thing)):
            yield found


def _network(thing: Thing) -> Network | None:
    config = thing.place.at("spec", "config")
    kind = _TYPE.search(config.text())
    if kind is None or _DEVICE.search(config.text()):
        return None
    resource = thing.place.at("metadata", "annotations", _RESOURCE).text()
    return Network(thing.name, thing.place, kind[1], resource)


def _asked(template: Template) -> Iterator[tuple[str, str]]:
    """Namespace and name of each; of names without one the pod's own."""
    text = template.place.at("metadata", "annotations", MULTUS).text().strip()
    if text.startswith("["):
        yield from _listed(text, template.namespace)
        return
    for word in filter(None, (w.strip() for w in text.split(","))):
        space, _, name = word.partition("@")[0].rpartition("/")
        yield space or template.namespace, name


def _listed(text: str, namespace: str) -> Iterator[tuple[str, str]]:
    import json  # noqa: PLC0415 - start-up time

    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return
    for one in held if isinstance(held, list) else ():
        if isinstance(one, dict):
            yield str(one.get("namespace") or namespace), str(one.get("name") or "")
