"""What of files must not be shown: what CONF076 finds, what is called a secret, and copies."""

from collections.abc import Iterable, Mapping
from itertools import chain

from msgspec import Struct

from distcheck.agent.manifests.bundles import Known, bundle_of, known
from distcheck.agent.manifests.hiding import Secrets, copies, gathered
from distcheck.agent.manifests.locate import covered
from distcheck.agent.manifests.secret_places import secret_places, shared_values, unread_places
from distcheck.agent.manifests.secret_values import secret_values
from distcheck.agent.manifests.source import Document, Source, documents
from distcheck.checks.config.secrets_stay_secret import secrets_stay_secret
from distcheck.checks.manifest.bug import Bug, contained
from distcheck.checks.manifest.bundle import Bundle
from distcheck.pattern import pattern


class Hides(Struct, frozen=True):
    """Places that are not shown, and values that no message repeats."""

    places: Secrets
    values: tuple[str, ...]


def secrets_in(name: str, text: str) -> Secrets:
    """What of one file must not be shown: all of it, where that cannot be found out."""
    source = Source(name, tuple(text.split("\n")))
    with contained([]):  # the report on this file tells of it
        return _secrets_in(source, text)
    return _all_of([source]).places


def _secrets_in(source: Source, text: str) -> Secrets:
    name = source.name
    read = [d for d in documents(name, text) if isinstance(d, Document)]
    held, strange = known(read)
    bundle, by_number = bundle_of([k.thing for k in held]), {k.thing.place.of: k for k in held}
    found = hides_of(bundle, by_number).places
    more = chain(*map(secret_places, strange), unread_places(source))
    return gathered(chain(
        ((*at, *span) for at, spans in found.items() for span in spans),
        ((name, *one) for one in more),
    ))  # fmt: skip


def hides_or_all(bundle: Bundle, by_number: Mapping[int, Known], bugs: list[Bug]) -> Hides:
    """As `hides_of`; where that raises, nothing that these files hold is shown."""
    with contained(bugs):
        return hides_of(bundle, by_number)
    sources = {k.document.source.name: k.document.source for k in by_number.values()}
    return _all_of(sources.values())


def _all_of(sources: Iterable[Source]) -> Hides:
    rows = [(s.name, n, line) for s in sources for n, line in enumerate(s.lines)]
    words = {w for _, _, line in rows for w in _WORD.findall(line)}
    places = gathered((name, n, 0, len(line)) for name, n, line in rows)
    return Hides(places, tuple(sorted(words, key=len, reverse=True)))


_WORD = pattern(r"[^\s=,;:@'\"]{7,}")


def hides_of(bundle: Bundle, by_number: Mapping[int, Known]) -> Hides:
    """The same of a bundle: what CONF076 finds in it, asked for or not, with its copies."""
    values = secret_values(bundle)
    spots = [t.finding.spot for t in secrets_stay_secret.judge(bundle)]
    places = (
        (by_number[s.of].document.source.name, *place)
        for s in spots
        for place in covered(by_number[s.of], s)
    )
    shared = {v: k for k in by_number.values() for v in shared_values(k.document)}
    every = tuple(dict.fromkeys((*values, *shared)))
    copying = (*(by_number[s.of] for s in spots), *shared.values())
    sources = {k.document.source.name: k.document.source for k in copying}
    called = (
        (k.document.source.name, *place)
        for k in by_number.values()
        for place in secret_places(k.document)
    )
    copied = (c for source in sources.values() for c in copies(source, every))
    return Hides(gathered(chain(places, called, copied)), values)
