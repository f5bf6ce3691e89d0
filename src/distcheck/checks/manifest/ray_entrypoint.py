"""A RayJob's `entrypoint`, which KubeRay puts behind `ray job submit --` in a line of a shell."""

from distcheck.checks.manifest.place import Place
from distcheck.pattern import pattern

_BY_SHELL = ("", "K8sJobMode", "SidecarMode")


def outside_the_cluster(job: Place) -> str:
    """What the submitter's shell takes for a command of its own; empty where all is submitted.

    KubeRay ray-operator/controllers/ray/common/job.go (BuildJobSubmitCommand); HTTPMode hands the
    whole line over.
    """
    entry = job.at("spec", "entrypoint").text().strip()
    if job.text("spec", "submissionMode") not in _BY_SHELL or "<<" in entry:
        return ""
    if job.at("spec", "submitterPodTemplate", "spec", "containers", 0, "command"):
        return ""
    return _behind_the_first(entry)


def _behind_the_first(line: str) -> str:
    """What follows the first command's end; none where a shell would have to work more out."""
    for piece in _PIECES.finditer(line):
        if piece[0] in _OPEN:
            return ""
        if piece[0].startswith(_ENDS) and line[piece.end() :].strip():
            return line[piece.end() :].strip()
    return ""


_PIECES = pattern(r"""(?s)\\.|'[^']*'|"(?:[^"\\]|\\.)*"|\|\s*|&&\s*|[;\n]|.""")
_ENDS = ("&&", ";", "\n")
_OPEN = frozenset("'\"`(")
"""Quotes that do not end, and commands in commands."""
