"""All files of the input, as objects; and what is judged together, as far as it is understood."""

from collections.abc import Iterator, Sequence
from itertools import count

from msgspec import Struct, field
from msgspec.structs import replace

from distcheck.agent.manifests.bundles import Known, bundle_of, known
from distcheck.agent.manifests.source import Document, Problem, documents
from distcheck.checks.manifest.bug import Bug, bug_of, contained
from distcheck.checks.manifest.bundle import Bundle


class Reading(Struct):
    """What the files hold: objects that are `held`, and documents that are `strange`."""

    documents: list[Document] = []
    held: list[Known] = []
    strange: list[Document] = []
    problems: list[Problem] = []
    numbers: Iterator[int] = field(default_factory=count)

    def add(self, name: str, text: str, bugs: list[Bug]) -> None:
        """One file; an object at which reading raises is left out, else the whole file is."""
        with contained(bugs, about=name):
            for one in list(documents(name, text)):
                if isinstance(one, Problem):
                    self.problems.append(one)
                else:
                    self._take(one, bugs)

    def _take(self, one: Document, bugs: list[Bug]) -> None:
        self.documents.append(one)
        with contained(bugs, about=one.source.name, line=one.first_line + 1):
            held, strange = known([one], self.numbers)
            self.held += held
            self.strange += strange


def understood(
    scope: Sequence[Known], beside: Bundle, bugs: list[Bug]
) -> tuple[Sequence[Known], Bundle]:
    """What is judged together, with the model and the interconnect of `beside`.

    Objects at which that raises are left out; all of them, where it does for no single one.
    """
    whole = _tried(scope, beside)
    if isinstance(whole, Bundle):
        return scope, whole
    alone = [(one, _tried([one], beside)) for one in scope]
    fine = [one for one, tried in alone if isinstance(tried, Bundle)]
    bugs += (about(one, tried) for one, tried in alone if isinstance(tried, Bug))
    again = _tried(fine, beside) if len(fine) < len(scope) else whole
    if isinstance(again, Bundle):
        return fine, again
    bugs += (about(one, again) for one in fine)
    return (), Bundle(())


def _tried(scope: Sequence[Known], beside: Bundle) -> Bundle | Bug:
    flaws = [flaw for one in scope for flaw in one.flaws]
    try:
        return bundle_of([k.thing for k in scope], flaws, beside.config, beside.interconnect)
    except Exception as error:  # noqa: BLE001 - our bug, which is told
        return bug_of(error)


def about(one: Known, bug: Bug) -> Bug:
    """The bug, as one about this object where it was about all of them."""
    return bug if bug.about else replace(bug, about=one.thing.place.spot)
