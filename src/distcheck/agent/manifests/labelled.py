"""Templates by their labels: a thousand Services need not each look at a thousand templates."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from distcheck.checks.manifest.template import Template


class Labelled:
    """Templates of one namespace, in their order."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self._templates = templates
        self._with: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._may: dict[str, list[int]] = {}
        self._chosen: dict[frozenset[tuple[str, str]], tuple[Template, ...]] = {}
        for number, template in enumerate(templates):
            for pair in template.labels.items():
                self._with[pair].append(number)

    def chosen(self, selector: Mapping[str, str]) -> tuple[Template, ...]:
        """Those that have all these labels, or may be given what they lack; none for no labels."""
        key = frozenset(selector.items())
        if key not in self._chosen:
            self._chosen[key] = self._choose(selector) if selector else ()
        return self._chosen[key]

    def _choose(self, selector: Mapping[str, str]) -> tuple[Template, ...]:
        has, may = min((self._of(*pair) for pair in selector.items()), key=_together)
        some = (self._templates[number] for number in sorted([*has, *may]))
        return tuple(
            t for t in some
            if all(t.labels.get(k) == v or t.may_have_label(k) for k, v in selector.items())
        )  # fmt: skip

    def _of(self, name: str, value: str) -> tuple[Sequence[int], Sequence[int]]:
        """The numbers of those that have the label, and of those that may be given it."""
        if name not in self._may:
            every = enumerate(self._templates)
            self._may[name] = [number for number, t in every if t.may_have_label(name)]
        return self._with.get((name, value), ()), self._may[name]


def _together(found: tuple[Sequence[int], Sequence[int]]) -> int:
    return len(found[0]) + len(found[1])
