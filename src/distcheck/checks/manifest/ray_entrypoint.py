"""A RayJob's `entrypoint`, which KubeRay puts behind `ray job submit --` in a line of a shell."""

import shlex

from distcheck.checks.manifest.place import Place

_BY_SHELL = ("", "K8sJobMode", "SidecarMode")
_PARTS = frozenset({";", "&&"})


def outside_the_cluster(job: Place) -> str:
    """What the submitter's shell takes for a command of its own; empty where all is submitted.

    KubeRay ray-operator/controllers/ray/common/job.go (BuildJobSubmitCommand); HTTPMode hands the
    whole line over.
    """
    entry = job.at("spec", "entrypoint").text().strip()
    if job.text("spec", "submissionMode") not in _BY_SHELL or "<<" in entry:
        return ""
    words = _words(entry.replace("\\\n", " ").replace("\n", " ; "))
    at = next((n for n, w in enumerate(words) if w in _PARTS), len(words))
    return " ".join(words[at + 1 :])


def _words(line: str) -> list[str]:
    """As a shell splits it; none where its quotes do not end."""
    read = shlex.shlex(line, posix=False, punctuation_chars=";&")
    read.whitespace_split, read.commenters = True, ""
    try:
        return list(read)
    except ValueError:
        return []
