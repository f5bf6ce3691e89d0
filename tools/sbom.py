"""What is in the image, as CycloneDX: the rows of requirements.lock and the base of the Dockerfile.

`python tools/sbom.py FILE`. The same locks give the same bytes: no time, no random number. Licences
are what each installed package of just that version says of itself; of others there is none.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from msgspec import Struct
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from distcheck import __version__

ROOT = Path(__file__).parents[1]
_CONTINUED = re.compile(r"\\\n\s*")
_BASE = re.compile(r"(?m)^ARG PYTHON=(?P<name>[^:@\s]+):(?P<tag>[^@\s]+)@(?P<digest>sha256:\w+)$")
_IN_THE_IMAGE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
_SAID = {
    "Apache 2.0": "Apache-2.0", "3-Clause BSD License": "BSD-3-Clause", "ISC License": "ISC",
    "MIT License": "MIT",
}  # fmt: skip


class Row(Struct, frozen=True):
    """One package of a lock, with the hashes of its files."""

    name: str
    version: str
    hashes: tuple[str, ...]


def rows(lock: str) -> Iterator[Row]:
    """What is installed on Linux."""
    for line in _CONTINUED.sub(" ", lock).splitlines():
        wanted, *hashes = line.split(" --hash=")
        requirement = Requirement(wanted)
        marker = requirement.marker
        if marker is None or marker.evaluate(_IN_THE_IMAGE):
            (version,) = requirement.specifier
            yield Row(requirement.name, version.version, tuple(h.strip() for h in hashes))


def document(lock: str, dockerfile: str) -> str:
    """The document, ending in a line feed."""
    packages = [(row, _component(row)) for row in rows(lock)]
    base, root = _base(dockerfile), _own()
    bom = Bom(components=[base, *(component for _, component in packages)])
    bom.metadata.component = root
    known = {str(canonicalize_name(row.name)): component for row, component in packages}
    bom.register_dependency(root, [base, *_needed(_distribution("distcheck", __version__), known)])
    for row, component in packages:
        bom.register_dependency(component, _needed(_distribution(row.name, row.version), known))
    made: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    made.pop("serialNumber")
    made["metadata"].pop("timestamp")
    return json.dumps(made, indent=2, sort_keys=True) + "\n"


def _component(row: Row) -> Component:
    url = f"https://pypi.org/project/{row.name}/{row.version}/#files"
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(url),
        comment="any of these files: the one for the image's platform is in it",
        hashes=[HashTypeFactory().from_composite_str(one) for one in row.hashes],
    )
    purl = PackageURL("pypi", None, canonicalize_name(row.name), row.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=row.name,
        version=row.version,
        purl=purl,
        bom_ref=str(purl),
        licenses=_licences(_distribution(row.name, row.version)),
        external_references=[files],
    )


def _base(dockerfile: str) -> Component:
    """Its own packages are Debian's: the digest says which."""
    found = _BASE.search(dockerfile)
    assert found is not None
    name, digest = found["name"], found["digest"]
    purl = PackageURL("oci", None, name.rpartition("/")[2], digest, {"repository_url": name})
    return Component(
        type=ComponentType.CONTAINER,
        name=name,
        version=f"{found['tag']}@{digest}",
        purl=purl,
        bom_ref=str(purl),
        hashes=[HashTypeFactory().from_composite_str(digest)],
    )


def _own() -> Component:
    image = PackageURL("oci", None, "distcheck", __version__, None)
    return Component(
        type=ComponentType.CONTAINER,
        name="ghcr.io/distcheck/distcheck",
        version=__version__,
        bom_ref=str(image),
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )


def _distribution(name: str, version: str) -> Distribution | None:
    """The package as installed here; none where it is not, or in another version."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    return found if found.version == version else None


def _licences(package: Distribution | None) -> Iterable[License]:
    """Its own words, with the SPDX id where they are one: an expression, a field, a classifier."""
    if package is None:
        return []
    told = package.metadata
    classified = [c for c in told.get_all("Classifier") or [] if c.startswith("License :: ")]
    words = told["License-Expression"] or told["License"] or "".join(classified[:1])
    short = words.rpartition(" :: ")[2].strip()
    return [LicenseFactory().make_from_string(_SAID.get(short, short))] if short else []


def _needed(package: Distribution | None, known: dict[str, Component]) -> list[Component]:
    needs = [Requirement(text) for text in (package.requires if package else None) or ()]
    wanted = (n for n in needs if n.marker is None or n.marker.evaluate(_IN_THE_IMAGE))
    names = dict.fromkeys(canonicalize_name(n.name) for n in wanted)
    return [known[name] for name in names if name in known]


def main(argv: list[str]) -> int:
    """Write the document to the file that is named."""
    lock, dockerfile = (ROOT / "requirements.lock").read_text(), (ROOT / "Dockerfile").read_text()
    place = Path(argv[0])
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(document(lock, dockerfile))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
