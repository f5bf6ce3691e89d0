"""Pods that were replaced or went away while evidence was gathered."""

from distcheck.checks.evidence import Evidence

_REREAD = "read again at the end"
_GONE = ("replaced while", "went away while")


def changed_pods(evidence: Evidence) -> dict[str, str]:
    """By name: what became of it. What was tried at its address says nothing of the pod now there.

    A pod whose container was started again keeps its address and its network, so it is none.
    """
    return {
        t.pod: f"{t.pod} was replaced or went away while evidence was gathered"
        for t in evidence.troubles
        if t.source.endswith(_REREAD) and any(word in t.says for word in _GONE)
    }
