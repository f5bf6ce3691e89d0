"""Values that CONF076 finds in plain text: no message may repeat them."""

from collections.abc import Iterator
from itertools import chain

from distcheck.agent.manifests.hiding import NO_SECRET, hidden_words
from distcheck.checks.config.secrets_stay_secret import secrets_stay_secret
from distcheck.checks.manifest.bundle import Bundle

_LONG_ENOUGH, _MOST_VALUES = 7, 200


def secret_values(bundle: Bundle) -> tuple[str, ...]:
    """As far as they are long enough to be told from other words."""
    by_number = {t.place.of: t.place for t in bundle.things}
    found: dict[str, None] = {}
    for told in secrets_stay_secret.judge(bundle):
        spot = told.finding.spot
        held = spot.text or str(by_number[spot.of].at(*spot.path).value or "")
        words = (w for w in held.split() if len(w) >= _LONG_ENOUGH)
        found |= dict.fromkeys(w for w in words if not NO_SECRET.fullmatch(w))
    found |= {w: None for text in _addresses(bundle) for w in hidden_words(text)}
    return tuple(found)[:_MOST_VALUES]


def _addresses(bundle: Bundle) -> Iterator[str]:
    """What may be one with a login, and settings that look like JSON: messages say parts of it."""
    every = [c for t in bundle.templates for c in t.every]
    texts = chain.from_iterable((t.text for t in c.texts) for c in every)
    values = chain.from_iterable((v.value or "" for v in c.env) for c in every)
    for text in chain((t.name for t in bundle.things), texts, values):
        if ("://" in text and "@" in text) or text.lstrip().startswith("{"):
            yield text
